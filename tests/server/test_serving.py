"""A server's life: how it starts, what it says of itself, whom it refuses, and how it ends."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from PIL import Image
from pixkin_embedding.runtime import onnx_runtime
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import Overloaded, ServerUnavailable, WritesDisabled
from pixkin_scoring.items import ItemUpdate
from pixkin_scoring.plan import DescriptorChoice, Plan
from pixkin_server.api import ExtractorChoice, NewItem, Query
from pixkin_server.client import Client
from pixkin_server.health import COLLECTIONS, EMBEDDING, PROVIDER_KEY, SEARCH, SERVICES

pytestmark = pytest.mark.slow

Start = Callable[..., Any]
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
REBUILD = ("diffusion:graph=kept,stale=rebuild",)
HISTOGRAM = Plan(descriptors=(DescriptorChoice("histogram"),))


def health(channel: grpc.Channel, service: str = "") -> Any:
    request = health_pb2.HealthCheckRequest(service=service)
    return health_pb2_grpc.HealthStub(channel).Check(request, timeout=10)


def large() -> bytes:
    out = BytesIO()
    Image.fromarray(np.full((5000, 5000, 3), 120, np.uint8)).save(out, "JPEG", quality=30)
    return out.getvalue()


def test_a_server_is_not_serving_until_it_is_warm_and_not_while_it_drains(
    start: Start, store: Path, extractors: Path
) -> None:
    with start(store, extractors, wait="listening on") as served, grpc.insecure_channel(served.address) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=60)
        assert next(watch).status == NOT_SERVING
        assert {health(channel, name).status for name in ("", *SERVICES)} <= {NOT_SERVING, SERVING}
        assert next(watch).status == SERVING
        assert {health(channel, name).status for name in ("", *SERVICES)} == {SERVING}
        served.process.send_signal(signal.SIGTERM)
        assert next(watch).status == NOT_SERVING
        assert list(watch) == []
        assert served.process.wait(20) == 0


def test_health_follows_a_directory_that_is_replaced_and_put_back(
    start: Start, extractors: Path, tmp_path: Path
) -> None:
    place, aside = tmp_path / "store", tmp_path / "aside"
    place.mkdir()
    with start(place, extractors) as served, grpc.insecure_channel(served.address) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=SEARCH), timeout=60)
        assert next(watch).status == SERVING
        place.rename(aside)
        place.write_bytes(b"no store")
        assert next(watch).status == NOT_SERVING
        assert {health(channel, name).status for name in ("", COLLECTIONS)} == {NOT_SERVING}
        assert health(channel, EMBEDDING).status == SERVING
        place.unlink()
        aside.rename(place)
        assert next(watch).status == SERVING
        assert {health(channel, name).status for name in ("", *SERVICES)} == {SERVING}
    told = [line for line in served.log if "NOT_SERVING" in line or "answers again" in line]
    assert len(told) == 2


def test_a_store_that_is_a_file_ends_the_start_with_one_line(start: Start, extractors: Path, tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(b"no store")
    said = refused_start(start, tmp_path / "store", extractors)
    assert said.splitlines()[-1].endswith("[STORE_FORMAT]")
    assert "Traceback" not in said


def test_health_knows_its_services_and_names_the_provider(served: Any) -> None:
    assert SERVICES == ("pixkin.v1.Embedding", "pixkin.v1.Search", "pixkin.v1.Collections")
    with grpc.insecure_channel(served.address) as channel:
        call = health_pb2_grpc.HealthStub(channel).Check
        reply, rpc = call.with_call(health_pb2.HealthCheckRequest(), timeout=10)
        assert reply.status == SERVING
        assert dict(rpc.trailing_metadata())[PROVIDER_KEY] == "CPUExecutionProvider"
        with pytest.raises(grpc.RpcError) as unknown:
            health(channel, "pixkin.v1.Nothing")
        assert unknown.value.code() is grpc.StatusCode.NOT_FOUND
    assert any("INFO pixkin.server: serving with CPUExecutionProvider" in line for line in served.log)


def page_status(served: Any, path: str) -> int:
    connection = HTTPConnection(served.page.removeprefix("http://"), timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_server_that_drains_says_so_and_still_takes_calls_on_new_connections(
    start: Start, store: Path, extractors: Path, number: int
) -> None:
    with start(store, extractors, "--drain", "60") as served:
        assert page_status(served, "/readyz") == 200
        served.process.send_signal(number)
        served.wait_for("still taken for 60 s")
        with grpc.insecure_channel(served.address) as channel, Client(served.address) as client:
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=60)
            while next(watch).status != NOT_SERVING:
                continue
            assert page_status(served, "/readyz") == 503
            assert page_status(served, "/v1/collections") == 200
            assert client.search("vectors", [Query(id="v01")]).hits
            assert {health(channel, name).status for name in ("", *SERVICES)} == {NOT_SERVING}
        served.process.send_signal(number)  # one more changes nothing
        assert page_status(served, "/v1/collections") == 200
        served.process.send_signal(signal.SIGINT)  # somebody waits
        assert served.process.wait(20) == 0


def test_ctrl_c_does_not_drain_and_a_second_one_ends_calls_in_flight(
    start: Start, extractors: Path, tmp_path: Path
) -> None:
    with (
        start(tmp_path / "store", extractors, "--drain", "600", "--grace", "600") as served,
        Client(served.address) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        client.create("vectors", descriptors=[Descriptor("plain", 8)])
        stored, forever = threading.Event(), threading.Event()

        def items() -> Iterator[NewItem]:
            yield NewItem("first", vectors={"plain": np.ones(8, np.float32)})
            stored.set()
            forever.wait(60)

        adding = pool.submit(lambda: client.add("vectors", items()))
        assert stored.wait(10)
        served.process.send_signal(signal.SIGINT)
        served.wait_for("calls in flight finish")
        served.process.send_signal(signal.SIGINT)
        assert served.process.wait(20) == 0
        assert isinstance(adding.exception(20), ServerUnavailable)
        forever.set()


def test_a_hangup_that_is_ignored_stays_ignored(start: Start, store: Path, extractors: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does it; what is ignored stays so in children
    try:
        with start(store, extractors) as served:
            signal.signal(signal.SIGHUP, before)
            served.process.send_signal(signal.SIGHUP)
            assert served.alive
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_calls_in_flight_finish_after_a_signal(
    start: Start, store: Path, extractors: Path, tmp_path: Path, number: int
) -> None:
    picture = large()
    with start(tmp_path / "store", extractors) as served, Client(served.address) as client:
        client.create("photos", [ExtractorChoice("hsv-histogram")])
        sent, go_on = threading.Event(), threading.Event()

        def items() -> Iterator[NewItem]:
            yield NewItem("first", image=picture)
            sent.set()
            go_on.wait(20)
            yield NewItem("second", image=picture)

        with ThreadPoolExecutor(16) as pool:
            adding = pool.submit(lambda: [result.state for result in client.add_stream("photos", items())])
            assert sent.wait(10)
            searches = [pool.submit(client.search, "photos", [Query(image=picture)]) for _ in range(5)]
            embeds = [pool.submit(client.embed, picture, extractor="hsv-histogram") for _ in range(5)]
            time.sleep(0.15)
            assert not all(call.done() for call in searches)
            assert not all(call.done() for call in embeds)
            served.process.send_signal(number)
            served.wait_for("calls in flight finish")
            go_on.set()
            assert adding.result(20) == ["added", "added"]
            assert all(call.result(20).hits is not None for call in searches)
            assert all(call.result(20).vectors for call in embeds)
        assert served.process.wait(20) == 0
        with pytest.raises(ServerUnavailable):
            client.collections()
        assert not [line for line in served.log if "Traceback" in line or "ERROR" in line]


def test_a_call_that_outlasts_the_grace_is_ended_and_so_is_the_server(
    start: Start, extractors: Path, tmp_path: Path
) -> None:
    with start(tmp_path / "store", extractors, "--grace", "0.5") as served, Client(served.address) as client:
        client.create("vectors", descriptors=[Descriptor("plain", 8)])
        stored, forever = threading.Event(), threading.Event()

        def items() -> Iterator[NewItem]:
            yield NewItem("first", vectors={"plain": np.ones(8, np.float32)})
            stored.set()
            forever.wait(20)

        with ThreadPoolExecutor(1) as pool:
            adding = pool.submit(lambda: client.add("vectors", items()))
            assert stored.wait(10)
            served.process.send_signal(signal.SIGTERM)
            assert served.process.wait(10) == 0
            assert isinstance(adding.exception(20), ServerUnavailable)
            forever.set()


def test_a_signal_while_the_server_loads_ends_it(start: Start, store: Path, extractors: Path) -> None:
    with start(store, extractors, wait="listening on") as served:
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(20) == 0


def test_a_server_says_which_free_port_it_took(served: Any) -> None:
    port = int(served.address.rpartition(":")[2])
    assert 1024 < port < 65536
    assert served.address.startswith("127.0.0.1:")


def refused_start(start: Start, where: Path, extractors: Path, *flags: str) -> str:
    """Return the one line with which a server refuses to start."""
    with start(where, extractors, *flags, wait="") as server:
        assert server.process.wait(30) != 0
        server.wait_for("pixkin: ")
        return "\n".join(line for line in server.log if line)


def test_a_port_in_use_is_one_clear_line(start: Start, served: Any, extractors: Path, tmp_path: Path) -> None:
    said = refused_start(start, tmp_path / "store", extractors, "--grpc", served.address)
    assert said.splitlines()[-1].startswith(f"pixkin: cannot listen on {served.address}")
    assert "--grpc HOST:PORT" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:99999", "no-such-host.invalid:1"])
def test_an_address_that_is_none_is_one_clear_line(
    start: Start, extractors: Path, tmp_path: Path, address: str
) -> None:
    said = refused_start(start, tmp_path / "store", extractors, "--grpc", address)
    last = said.splitlines()[-1]
    assert last.startswith("pixkin: ")
    assert address in last
    assert "HOST:PORT" in last
    assert "Traceback" not in said


def test_cuda_where_there_is_none_is_refused_at_the_start_even_with_nothing_to_load(
    start: Start, tmp_path: Path
) -> None:
    if "CUDAExecutionProvider" in onnx_runtime().get_available_providers():
        pytest.skip("this machine may have CUDA")
    said = refused_start(start, tmp_path / "store", tmp_path / "none", "--device", "cuda")
    assert said.startswith("pixkin: --device cuda was asked for")
    assert said.endswith("[PROVIDER_MISSING]")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("flags", [(), ("--read-only",), ("--read-only", "--allow-writes")])
def test_a_server_without_leave_searches_and_refuses_every_write(
    start: Start, store: Path, extractors: Path, photos: Path, flags: tuple[str, ...]
) -> None:
    image = (photos / "red/0.jpg").read_bytes()
    with start(store, extractors, *flags, writes=False) as served, Client(served.address) as client:
        assert httpx.get(f"{served.page}/v1/settings", trust_env=False).json()["writes"] is False
        generation = client.describe("photos").generation
        for call in (
            lambda: client.create("new", descriptors=[Descriptor("plain", 8)]),
            lambda: client.drop("photos"),
            lambda: client.add("photos", [NewItem("new", image=image)]),
            lambda: client.update("photos", [ItemUpdate("red/0.jpg", labels=frozenset())]),
            lambda: client.remove("photos", ["red/0.jpg"]),
            lambda: client.search("photos", [Query(id="red/0.jpg")], Plan((DescriptorChoice("gap"),), rerank=REBUILD)),
        ):
            with pytest.raises(WritesDisabled, match="--allow-writes"):
                call()
        assert client.search("photos", [Query(image=image)], HISTOGRAM).hits[0].id == "red/0.jpg"
        assert client.describe("photos").generation == generation
        assert client.verify("photos").problems == ()


def listed_by_reflection(address: str) -> set[str]:
    from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

    with grpc.insecure_channel(address) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        [reply] = stub.ServerReflectionInfo(iter([request]), timeout=10)
        return {service.name for service in reply.list_services_response.service}


def test_reflection_lists_the_services_by_flag_alone(
    start: Start, served: Any, extractors: Path, tmp_path: Path
) -> None:
    pytest.importorskip("grpc_reflection")
    with start(tmp_path / "store", extractors, "--reflection") as open_server:
        assert listed_by_reflection(open_server.address) >= {*SERVICES, "grpc.health.v1.Health"}
    with pytest.raises(grpc.RpcError) as refused:
        listed_by_reflection(served.address)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_method_that_is_none_is_unimplemented(stubs: Any) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        stubs.channel.unary_unary("/pixkin.v1.Search/Divine")(b"", timeout=10)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_more_streams_than_a_server_takes_are_refused_and_then_taken_again(client: Client) -> None:
    client.create("streams", descriptors=[Descriptor("plain", 8)])
    go_on = threading.Event()

    def items(name: str) -> Iterator[NewItem]:
        yield NewItem(name, vectors={"plain": np.ones(8, np.float32)})
        go_on.wait(20)

    def add(number: int) -> str:
        try:
            return next(result.state for result in client.add_stream("streams", items(f"{number}"), timeout=30))
        except Overloaded as error:
            return error.stage

    with ThreadPoolExecutor(12) as pool:
        waiting = [pool.submit(add, number) for number in range(12)]
        time.sleep(1)
        go_on.set()
        states = [call.result(30) for call in waiting]
    assert set(states) == {"added", "streams"}
    assert states.count("streams") <= 4
    assert add(99) == "added"
    client.drop("streams")
