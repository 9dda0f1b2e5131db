"""Every call over HTTP answers what it answers over gRPC, in success and in failure."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import grpc
import httpx
import numpy as np
import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from pixkin_proto.v1 import collections_pb2 as c
from pixkin_proto.v1 import collections_pb2_grpc, embedding_pb2_grpc, search_pb2_grpc, types_pb2
from pixkin_proto.v1 import embedding_pb2 as e
from pixkin_proto.v1 import search_pb2 as s
from pixkin_server.http.endpoint import SERVICES
from pixkin_server.http.routes import ROUTES, Body, Route
from pixkin_server.interceptors import ERROR_KEY

pytestmark = pytest.mark.slow

Example = tuple[str, Sequence[Message]]
Outcome = list[Message]
OF = {route.name: route for route in ROUTES}
EVERY_CALL = [f"{name}.{method}" for name, service in SERVICES.items() for method in service.methods_by_name]
STUBS: dict[str, Any] = {
    "Search": search_pb2_grpc.SearchStub,
    "Embedding": embedding_pb2_grpc.EmbeddingStub,
    "Collections": collections_pb2_grpc.CollectionsStub,
}


def vector(*numbers: float) -> types_pb2.NamedVector:
    return types_pb2.NamedVector(descriptor="plain", data=np.array(numbers, "<f4").tobytes())


def by_id(item: str, collection: str = "photos", **more: Any) -> s.SearchRequest:
    plan = s.Plan(descriptors=[s.DescriptorChoice(name="histogram")], **more.pop("plan", {}))
    return s.SearchRequest(collection=collection, queries=[s.Query(id=item)], plan=plan, **more)


def examples(picture: bytes) -> dict[str, Example]:
    """Calls in the order in which they are made: what they answer depends on the writes before them."""
    image = s.Query(image=s.ImageQuery(data=picture, crop=types_pb2.Box(x=2, y=3, width=40, height=30)), weight=0.5)
    mixed = s.SearchRequest(collection="photos", queries=[image, s.Query(id="blue/1.jpg", weight=-0.25)],
                            plan=s.Plan(descriptors=[s.DescriptorChoice(name="histogram", measure="chi2")]),
                            size=0)  # fmt: skip
    fused = s.Plan(descriptors=[s.DescriptorChoice(name="gap"), s.DescriptorChoice(name="histogram", weight=0.2)],
                   fuse="rrf", rerank=["collapse"], filter=["label=red", "label=blue"])  # fmt: skip
    found: dict[str, Example] = {
        "search by id": ("Search.Search", [by_id("red/0.jpg", size=5)]),
        "search explained": ("Search.Search", [by_id("red/0.jpg", size=2, explain=True)]),
        "search, second page": ("Search.Search", [by_id("red/0.jpg", size=3, offset=3)]),
        "search by picture": ("Search.Search", [_sized(mixed, 4)]),
        "search of no size": ("Search.Search", [mixed]),
        "search fused": ("Search.Search", [s.SearchRequest(collection="photos", queries=[image], plan=fused)]),
        "search by vector": ("Search.Search", [s.SearchRequest(collection="vectors", queries=[
            s.Query(vector=s.VectorQuery(vectors=[vector(*range(8))]))])]),
        "search nowhere": ("Search.Search", [by_id("a", "nowhere")]),
        "search for nobody": ("Search.Search", [by_id("nobody")]),
        "search without a measure": ("Search.Search", [by_id("red/0.jpg", plan={"candidates": "perhaps"})]),
        "search with a signed vector": ("Search.Search", [s.SearchRequest(collection="vectors", queries=[
            s.Query(id="v00")], plan=s.Plan(descriptors=[s.DescriptorChoice(measure="chi2")]))]),
        "search with an empty request": ("Search.Search", [s.SearchRequest()]),
        "search batch": ("Search.SearchBatch", [s.SearchBatchRequest(requests=[by_id("red/0.jpg"), by_id("nobody")])]),
        "search empty batch": ("Search.SearchBatch", [s.SearchBatchRequest()]),
        "embed": ("Embedding.Embed", [e.EmbedRequest(extractor="hsv-histogram", image=picture)]),
        "embed nothing": ("Embedding.Embed", [e.EmbedRequest(extractor="hsv-histogram")]),
        "embed noise": ("Embedding.Embed", [e.EmbedRequest(extractor="hsv-histogram", image=b"noise")]),
        "embed without choice": ("Embedding.Embed", [e.EmbedRequest(image=picture)]),
        "embed stream": ("Embedding.EmbedStream", [
            e.EmbedRequest(extractor="hsv-histogram", image=data) for data in (picture, b"noise", picture)]),
        "embed empty stream": ("Embedding.EmbedStream", []),
        "extractors": ("Embedding.ListExtractors", [e.ListExtractorsRequest()]),
        "collections": ("Collections.List", [c.ListRequest()]),
        "describe": ("Collections.Describe", [c.DescribeRequest(name="photos")]),
        "describe nothing": ("Collections.Describe", [c.DescribeRequest(name="../x")]),
        "items": ("Collections.ListItems", [c.ListItemsRequest(collection="photos", size=3, after="blue/1.jpg",
                                                               filter=["label=red", "label=blue"])]),
        "items without a size": ("Collections.ListItems", [c.ListItemsRequest(collection="vectors")]),
        "items of no size": ("Collections.ListItems", [c.ListItemsRequest(collection="photos", size=0)]),
        "item": ("Collections.GetItem", [c.GetItemRequest(collection="photos", id="red/0.jpg")]),
        "item with all": ("Collections.GetItem", [
            c.GetItemRequest(collection="photos", id="red/0.jpg", thumbnail=True, vectors=True)]),
        "item that is not there": ("Collections.GetItem", [c.GetItemRequest(collection="photos", id="red/ü ?.jpg")]),
        "missing": ("Collections.Missing", [c.MissingRequest(collection="photos", files=[
            c.KnownFile(id="red/0.jpg", file=types_pb2.FileFacts(size=3, mtime_ns=2**60, sha256=bytes(32))),
            c.KnownFile(id="new.jpg")])]),
        "verify": ("Collections.Verify", [c.VerifyRequest(collection="photos")]),
        "verify nothing": ("Collections.Verify", [c.VerifyRequest(collection="nowhere")]),
        "create": ("Collections.Create", [c.CreateRequest(name="new", descriptors=[
            types_pb2.Descriptor(name="plain", dim=2, norm="none", default_measure="euclidean")])]),
        "create again": ("Collections.Create", [c.CreateRequest(name="new", extractors=[
            c.ExtractorChoice(name="hsv-histogram")])]),
        "create with a bad name": ("Collections.Create", [c.CreateRequest(name="Ä")]),
        "add": ("Collections.Add", [c.AddRequest(header=c.AddHeader(collection="new", root="/somewhere")), *(
            c.AddRequest(item=each) for each in (
                c.NewItem(id="a", vectors=[vector(1, 2)], labels=["<b>", "ü"], source="/somewhere/a",
                          attributes={"year": types_pb2.Attribute(number=1999), "x": types_pb2.Attribute(text="y")}),
                c.NewItem(id="b", vectors=[vector(1, 2, 3)]),
                c.NewItem(id="c", vectors=[vector(float("nan"), 1)]),
                c.NewItem(id="d", vectors=[vector(3, 4)]),
            ))]),
        "add nothing": ("Collections.Add", [c.AddRequest(header=c.AddHeader(collection="new"))]),
        "add nowhere": ("Collections.Add", [c.AddRequest(header=c.AddHeader(collection="nowhere"))]),
        "update": ("Collections.Update", [c.UpdateRequest(collection="new", items=[
            c.ItemUpdate(id="a", labels=c.LabelSet(labels=["one"])), c.ItemUpdate(id="zz", new_id="a")])]),
        "added item": ("Collections.GetItem", [c.GetItemRequest(collection="new", id="a", vectors=True)]),
        "remove": ("Collections.Remove", [c.RemoveRequest(collection="new", ids=["a", "zz"])]),
        "drop": ("Collections.Drop", [c.DropRequest(name="new")]),
        "drop again": ("Collections.Drop", [c.DropRequest(name="new")]),
    }  # fmt: skip
    return found


def _sized(request: s.SearchRequest, size: int) -> s.SearchRequest:
    copy = s.SearchRequest()
    copy.CopyFrom(request)
    copy.size = size
    return copy


NAMES = list(examples(b""))


def over_grpc(channel: grpc.Channel, call: str, requests: Sequence[Message]) -> Outcome:
    service, rpc = call.split(".")
    method = getattr(STUBS[service](channel), rpc)
    many = OF[call].body is Body.LINES
    try:
        return list(method(iter(requests), timeout=60)) if many else [method(requests[0], timeout=60)]
    except grpc.RpcError as error:
        return [types_pb2.Error.FromString(dict(error.trailing_metadata())[ERROR_KEY])]  # type: ignore[attr-defined]  # grpc is untyped


def over_http(client: httpx.Client, call: str, requests: Sequence[Message]) -> Outcome:
    answer = client.send(_request(client, OF[call], requests))
    reply = GetMessageClass(SERVICES[OF[call].service].methods_by_name[OF[call].rpc].output_type)
    if not answer.is_success:
        return [ParseDict(answer.json(), types_pb2.Error())]
    return [ParseDict(json.loads(line), reply()) for line in answer.content.splitlines()]


def _request(client: httpx.Client, route: Route, requests: Sequence[Message]) -> httpx.Request:
    found = [MessageToDict(each, preserving_proto_field_name=True) for each in requests]
    header = found.pop(0)[route.header] if route.header else found[0] if found else {}
    path = route.path
    for name in [part[1:-1] for part in path.split("/") if part.startswith("{")]:
        path = path.replace(f"{{{name}}}", quote(header.pop(name), safe=""))
    query = {name: header.pop(name) for name in route.query if name in header}
    texts = {name: str(value).lower() if isinstance(value, bool) else value for name, value in query.items()}
    url = f"{path}?{urlencode(texts, doseq=True)}"
    if route.body is Body.NONE:
        return client.build_request(route.method, url)
    lines = [json.dumps(each[route.item] if route.item else each) for each in found]
    content = "\n".join(lines).encode()
    return client.build_request(route.method, url, content=content, headers={"content-type": route.body.types[0]})


def without_times(outcome: Outcome) -> Outcome:
    for reply in outcome:
        for each in (reply, *getattr(reply, "outcomes", ())):
            inner = getattr(each, "reply", each)
            for described in (inner, *getattr(inner, "collections", ())):
                if hasattr(described, "incarnation"):
                    described.ClearField("incarnation")
            if hasattr(inner, "timings"):
                assert all(timing.ms >= 0 for timing in inner.timings)
                stages = [timing.stage for timing in inner.timings if timing.stage != "load"]
                del inner.timings[:]
                inner.timings.extend(e.Timing(stage=stage) for stage in stages)
    return outcome


@pytest.fixture(scope="module")
def outcomes(
    start: Callable[..., Any], store: Path, extractors: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Outcome]]:
    """What the same calls in the same order answered, over gRPC and then, on the same store as it was, over HTTP."""
    place = tmp_path_factory.mktemp("equal") / "store"
    picture = (photos / "red/0.jpg").read_bytes()
    found: dict[str, dict[str, Outcome]] = {}
    for interface in ("grpc", "http"):
        shutil.copytree(store, place)
        with start(place, extractors, "--allow-writes") as served:
            with grpc.insecure_channel(served.address) as channel, httpx.Client(base_url=served.page) as client:
                found[interface] = {
                    name: over_grpc(channel, *example) if interface == "grpc" else over_http(client, *example)
                    for name, example in examples(picture).items()
                }
            assert not [line for line in served.log if "internal error" in line]
        shutil.rmtree(place)
    return found


def test_every_call_of_every_service_has_one_route() -> None:
    assert sorted(OF) == sorted(EVERY_CALL)
    assert len(ROUTES) == len(OF)


@pytest.mark.parametrize("call", EVERY_CALL)
def test_every_call_has_an_example(call: str) -> None:
    assert call in {name for name, _ in examples(b"").values()}


@pytest.mark.parametrize("name", NAMES)
def test_http_answers_what_grpc_answers(outcomes: dict[str, dict[str, Outcome]], name: str) -> None:
    assert without_times(outcomes["http"][name]) == without_times(outcomes["grpc"][name])


def test_the_examples_succeed_and_fail_as_their_names_say(outcomes: dict[str, dict[str, Outcome]]) -> None:
    failed = {name for name in NAMES if any(isinstance(each, types_pb2.Error) for each in outcomes["grpc"][name])}
    assert failed == {name for name in NAMES if any(word in name for word in WORDS)}


WORDS = ("nowhere", "nobody", "no size", "without a measure", "signed", "empty request", "embed nothing", "embed noise",
         "without choice", "describe nothing", "not there", "verify nothing", "again", "bad name")  # fmt: skip
