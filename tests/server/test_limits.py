"""What a call may have too much of: it is counted before any of it is read, and refused with the limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pixkin_proto.v1 import collections_pb2 as pb
from pixkin_proto.v1 import embedding_pb2, search_pb2, types_pb2

MANY = 100_000
BY_ID = [search_pb2.Query(id="v01")]


def search(**plan: Any) -> search_pb2.SearchRequest:
    return search_pb2.SearchRequest(collection="vectors", queries=BY_ID, plan=search_pb2.Plan(**plan))


CALLS: dict[str, tuple[str, Callable[[], Any], str]] = {
    "stages": ("search.Search", lambda: search(rerank=["mmr"] * MANY), "at most 16 re-ranking stages"),
    "descriptors": (
        "search.Search",
        lambda: search(descriptors=[search_pb2.DescriptorChoice(name="plain")] * MANY),
        "at most 100 descriptors",
    ),
    "conditions": ("search.Search", lambda: search(filter=["label=x"] * MANY), "at most 10,000 conditions"),
    "examples": (
        "search.Search",
        lambda: search_pb2.SearchRequest(collection="vectors", queries=BY_ID * MANY),
        "at most 100 examples",
    ),
    "searches": (
        "search.SearchBatch",
        lambda: search_pb2.SearchBatchRequest(requests=[search_pb2.SearchRequest()] * MANY),
        "at most 1,000 searches",
    ),
    "vectors of a reply": (
        "embedding.Embed",
        lambda: embedding_pb2.EmbedRequest(image=b"x", descriptors=["gap"] * MANY),
        "at most 100 descriptors",
    ),
    "extractors": (
        "collections.Create",
        lambda: pb.CreateRequest(name="x", extractors=[pb.ExtractorChoice(name="hsv-histogram")] * MANY),
        "at most 100 extractors",
    ),
    "imported": (
        "collections.Create",
        lambda: pb.CreateRequest(name="x", descriptors=[types_pb2.Descriptor(name="a", dim=2)] * MANY),
        "at most 100 descriptors",
    ),
    "updates": (
        "collections.Update",
        lambda: pb.UpdateRequest(collection="vectors", items=[pb.ItemUpdate(id="v01")] * MANY),
        "at most 10,000 items",
    ),
    "removals": (
        "collections.Remove",
        lambda: pb.RemoveRequest(collection="vectors", ids=["none"] * MANY),
        "at most 10,000 ids",
    ),
    "files": (
        "collections.Missing",
        lambda: pb.MissingRequest(collection="vectors", files=[pb.KnownFile(id="none")] * MANY),
        "at most 10,000 files",
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_too_many_parts_of_a_call_are_refused_with_the_limit(stubs: Any, refusal: Any, name: str) -> None:
    method, make, said = CALLS[name]
    service, _, rpc = method.partition(".")
    code, error = refusal(getattr(getattr(stubs, service), rpc), make())
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert said in error.message


def test_a_search_with_too_many_stages_costs_its_own_place_in_a_batch_alone(stubs: Any) -> None:
    batch = search_pb2.SearchBatchRequest(requests=[search(), search(rerank=["mmr"] * 17), search()])
    first, second, third = stubs.search.SearchBatch(batch, timeout=20).outcomes
    assert second.error.reason == "INVALID_PLAN"
    assert first.reply.ids == third.reply.ids != []


def test_as_many_searches_as_a_batch_may_have_are_all_answered(stubs: Any) -> None:
    batch = search_pb2.SearchBatchRequest(requests=[search_pb2.SearchRequest()] * 1000)
    assert len(stubs.search.SearchBatch(batch, timeout=60).outcomes) == 1000


@pytest.mark.parametrize("streaming", [True, False], ids=["with a stream", "without a call"])
def test_pings_of_every_second_keep_a_connection(served: Any, *, streaming: bool) -> None:
    options = [
        ("grpc.keepalive_time_ms", 1000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    states: list[grpc.ChannelConnectivity] = []
    with grpc.insecure_channel(served.address, options=options) as channel:
        channel.subscribe(states.append)
        health = health_pb2_grpc.HealthStub(channel)
        health.Check(health_pb2.HealthCheckRequest(), timeout=10)
        if streaming:
            with pytest.raises(grpc.RpcError) as ended:
                list(health.Watch(health_pb2.HealthCheckRequest(), timeout=4.5))
            assert ended.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        else:
            time.sleep(4.5)
        assert states[-1] is grpc.ChannelConnectivity.READY


def test_calls_that_come_faster_than_they_can_be_taken_are_refused_as_overload(stubs: Any, photos: Any) -> None:
    picture = (photos / "red/0.jpg").read_bytes()
    request = embedding_pb2.EmbedRequest(extractor="hsv-histogram", image=picture)
    codes = {call.code() for call in [stubs.embedding.Embed.future(request, timeout=60) for _ in range(6000)]}
    assert codes == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
