"""How calls wait, end in time, and stop when nobody waits for them any more."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from PIL import Image
from pixkin_proto.errors import Deadline, InvalidArgument, Overloaded, PixkinError
from pixkin_proto.v1 import collections_pb2 as pb
from pixkin_proto.v1 import embedding_pb2, search_pb2, types_pb2
from pixkin_server import calls
from pixkin_server.api import ExtractorChoice, Query
from pixkin_server.calls import MAX_STREAMS, MAX_WAITING, THREADS, Calls, patience
from pixkin_server.client import Client
from pixkin_server.statuses import error_of_call

pytestmark = pytest.mark.slow


class Caller:
    """The part of gRPC's context that calls look at."""

    def __init__(self, seconds: float | None = None) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds
        self._gone: list[Callable[[Any], Any]] = []

    def time_remaining(self) -> float | None:
        """Return the seconds left."""
        return None if self._end is None else self._end - time.monotonic()

    def add_done_callback(self, callback: Callable[[Any], Any]) -> None:
        """Remember whom to tell."""
        self._gone.append(callback)

    def leave(self) -> None:
        """Be gone."""
        for callback in self._gone:
            callback(self)


@pytest.fixture
def workers() -> Iterator[Calls]:
    made = Calls()
    yield made
    made.close()


async def until(holds: Callable[[], bool], *, seconds: float = 10) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        await asyncio.sleep(0.01)


def test_a_caller_who_leaves_at_the_moment_of_an_answer_has_left(workers: Calls) -> None:
    async def story() -> None:
        go_on = threading.Event()
        asked = asyncio.ensure_future(workers.run(Caller(), go_on.wait, 20))
        await asyncio.sleep(0.05)
        go_on.set()
        time.sleep(0.05)  # noqa: ASYNC251  # the loop must not see the answer before it sees that the caller left
        await asyncio.sleep(0)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked

    asyncio.run(story())


def test_a_call_whose_caller_left_before_its_turn_never_runs(workers: Calls) -> None:
    go_on = threading.Event()
    ran: list[str] = []

    async def story() -> None:
        busy = [asyncio.ensure_future(workers.run(Caller(), go_on.wait, 20)) for _ in range(THREADS)]
        left = asyncio.ensure_future(workers.run(Caller(), ran.append, "left"))
        late = asyncio.ensure_future(workers.run(Caller(0.2), ran.append, "late"))
        await asyncio.sleep(0.1)
        left.cancel()
        with pytest.raises(Deadline):
            await late
        go_on.set()
        await asyncio.gather(*busy)
        await workers.run(Caller(), ran.append, "stayed")

    asyncio.run(story())
    assert ran == ["stayed"]


def test_a_call_that_still_runs_is_counted_although_its_caller_left(workers: Calls) -> None:
    go_on = threading.Event()

    async def story() -> None:
        for _ in range(MAX_WAITING // THREADS):
            tasks = [asyncio.ensure_future(workers.run(Caller(0.1), go_on.wait, 20)) for _ in range(THREADS)]
            await asyncio.gather(*tasks, return_exceptions=True)
        waiting = [asyncio.ensure_future(workers.run(Caller(), int)) for _ in range(MAX_WAITING - THREADS)]
        await asyncio.sleep(0.05)
        with pytest.raises(Overloaded) as refused:
            await workers.run(Caller(), int)
        assert refused.value.waiting == MAX_WAITING
        go_on.set()
        await asyncio.gather(*waiting)
        assert await workers.run(Caller(), int) == 0

    asyncio.run(story())


async def endless(stop: threading.Event) -> AsyncIterator[int]:
    """Send numbers until stopped, and then nothing."""
    number = 0
    while not stop.is_set():
        yield number
        number += 1
        await asyncio.sleep(0.001)
    await asyncio.sleep(100)


async def drained(stream: AsyncIterator[int], seen: Callable[[int], Any] = int) -> None:
    """Read a stream to its end."""
    async for number in stream:
        seen(number)


def test_the_work_of_a_stream_ends_when_its_caller_leaves(workers: Calls) -> None:
    ended = threading.Event()

    def work(numbers: Iterator[int | None]) -> Iterator[int]:
        yield from (number for number in numbers if number is not None)
        ended.set()

    async def story() -> None:
        caller = Caller()

        stream = workers.stream(caller, endless(threading.Event()), work)
        reading = asyncio.ensure_future(drained(stream))
        await asyncio.sleep(0.2)
        caller.leave()
        await until(ended.is_set)
        reading.cancel()

    asyncio.run(story())


def test_more_streams_than_threads_are_refused_until_one_ends(workers: Calls) -> None:
    def work(numbers: Iterator[int | None]) -> Iterator[int]:
        return (number for number in numbers if number is not None)

    async def story() -> None:
        callers = [Caller() for _ in range(MAX_STREAMS)]
        streams = [workers.stream(each, endless(threading.Event()), work) for each in callers]
        for stream in streams:
            await anext(stream)
        with pytest.raises(Overloaded):
            await anext(workers.stream(Caller(), endless(threading.Event()), work))
        await streams[0].aclose()  # type: ignore[attr-defined]
        again = workers.stream(Caller(), endless(threading.Event()), work)
        assert await anext(again) == 0
        for stream in [*streams[1:], again]:
            await stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(story())


def test_a_stream_whose_caller_neither_sends_nor_reads_ends(workers: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "MAX_IDLE_SECONDS", 0.5)
    monkeypatch.setattr(calls, "MAX_UNREAD", 5)
    stop = threading.Event()
    stop.set()

    def pauses(numbers: Iterator[int | None]) -> Iterator[int]:
        return (0 for number in numbers if number is not None)

    def floods(_: Iterator[int | None]) -> Iterator[int]:
        yield from range(1000)

    async def story() -> None:
        with pytest.raises(Deadline, match="to send"):
            await anext(workers.stream(Caller(), endless(stop), pauses))
        flood = workers.stream(Caller(), endless(stop), floods)
        assert await anext(flood) == 0
        await asyncio.sleep(1.5)
        read: list[int] = []
        with pytest.raises(Deadline, match="to read"):
            await drained(flood, read.append)
        assert len(read) < 20

    asyncio.run(story())


def test_patience_leaves_time_to_tell_who_holds_the_lock() -> None:
    assert patience(Caller(10)) == pytest.approx(9.5, abs=0.1)
    assert patience(Caller(0.4)) == pytest.approx(0.2, abs=0.1)
    assert patience(Caller(-1)) == 0


@pytest.fixture(scope="session")
def vast() -> bytes:
    """A JPEG of 12 megapixels in few bytes: a tenth of a second to decode."""
    out = BytesIO()
    Image.fromarray(np.full((3000, 4000, 3), 120, np.uint8)).save(out, "JPEG", quality=30)
    return out.getvalue()


def embedding(image: bytes) -> embedding_pb2.EmbedRequest:
    return embedding_pb2.EmbedRequest(extractor="hsv-histogram", image=image)


def spent(served: Any) -> float:
    """Return the processor time that a server has taken, in ticks: what it works at, however busy the machine is."""
    if not Path("/proc/self/stat").exists():
        pytest.skip("the processor time of another process is read from /proc")
    fields = Path(f"/proc/{served.process.pid}/stat").read_text().rpartition(")")[2].split()
    return float(fields[11]) + float(fields[12])


def settle(served: Any) -> None:
    """Wait until no call runs or waits."""
    end = time.monotonic() + 60
    connection = HTTPConnection(served.page.removeprefix("http://"), timeout=60)
    while True:
        connection.request("GET", "/metrics")
        if b"pixkin_calls_waiting 0.0" in connection.getresponse().read():
            connection.close()
            return
        assert time.monotonic() < end, "calls never ended"
        time.sleep(0.05)


def cost_of_one(client: Client, served: Any, image: bytes) -> float:
    """Return the processor time of one embedding, in ticks."""
    client.embed(image, extractor="hsv-histogram", timeout=60)
    before = spent(served)
    for _ in range(5):
        client.embed(image, extractor="hsv-histogram", timeout=60)
    return max((spent(served) - before) / 5, 1.0)


def test_a_deadline_of_a_millisecond_is_answered_at_once_and_leaves_no_work(
    client: Client, vast: bytes, served: Any
) -> None:
    for _ in range(30):
        with pytest.raises(Deadline):
            client.embed(vast, extractor="hsv-histogram", timeout=0.001)
    assert client.search("vectors", [Query(id="v01")]).hits
    assert served.alive


def test_too_many_calls_are_refused_as_overload_and_the_server_recovers(
    stubs: Any, client: Client, vast: bytes, served: Any
) -> None:
    waiting = [stubs.embedding.Embed.future(embedding(vast), timeout=60) for _ in range(MAX_WAITING * 2)]
    reasons = []
    for call in waiting:
        error = call.exception(60)
        reasons.append(error_of_call(error, "").reason if error else "")
        if error:
            assert call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        if len(reasons) == MAX_WAITING and "OVERLOADED" in reasons:
            break
    for call in waiting:
        call.cancel()
    assert set(reasons) == {"", "OVERLOADED"}
    assert client.search("vectors", [Query(id="v01")], timeout=60).hits
    assert served.alive


def test_searches_of_clients_that_left_do_not_hold_up_others(
    stubs: Any, client: Client, served: Any, vast: bytes
) -> None:
    alone = cost_of_one(client, served, vast)
    calls = [stubs.embedding.Embed.future(embedding(vast), timeout=60) for _ in range(MAX_WAITING - 4)]
    calls[0].result(60)
    before = spent(served)
    for call in calls:
        call.cancel()
    assert client.embed(vast, extractor="hsv-histogram", timeout=60).vectors
    settle(served)
    assert spent(served) - before < alone * MAX_WAITING / 2  # those that had begun, this one, and none of the others


def test_a_batch_stops_when_its_client_leaves(stubs: Any, client: Client, served: Any, vast: bytes) -> None:
    alone = cost_of_one(client, served, vast)
    query = search_pb2.Query(image=search_pb2.ImageQuery(data=vast))
    plan = search_pb2.Plan(descriptors=[search_pb2.DescriptorChoice(name="histogram")])
    one = search_pb2.SearchRequest(collection="photos", queries=[query], plan=plan)
    call = stubs.search.SearchBatch.future(search_pb2.SearchBatchRequest(requests=[one] * 40), timeout=60)
    time.sleep(0.3)
    before = spent(served)
    call.cancel()
    settle(served)
    assert spent(served) - before < alone * 15


def test_an_addition_whose_client_leaves_lets_others_write(stubs: Any, client: Client, photos: Any) -> None:
    client.create("left", [ExtractorChoice("hsv-histogram")])
    image = (photos / "red/0.jpg").read_bytes()
    let_go = threading.Event()

    def requests() -> Iterator[pb.AddRequest]:
        yield pb.AddRequest(header=pb.AddHeader(collection="left"))
        for number in range(3):
            yield pb.AddRequest(item=pb.NewItem(id=f"{number}", image=image))
        let_go.wait(20)

    stream = stubs.collections.Add(requests(), timeout=60)
    stored = [next(stream) for _ in range(3)]
    stream.cancel()
    let_go.set()
    assert {result.state for result in stored} == {pb.AddResult.ADDED}
    update = pb.UpdateRequest(collection="left", items=[pb.ItemUpdate(id="1", labels=pb.LabelSet(labels=["x"]))])
    assert stubs.collections.Update(update, timeout=10).updated == ["1"]
    assert client.describe("left").items == 3
    client.drop("left")


def test_a_url_is_no_address_of_a_server() -> None:
    with pytest.raises(InvalidArgument, match="HOST:PORT, not http://x; the URL of a cluster is a --store"):
        Client("http://x")


@pytest.mark.parametrize(
    "address", ["127.0.0.1:1", "no-such-host.invalid:5", "127.0.0.1", "", "::::", "unix:/nowhere", " "]
)
def test_a_dead_address_is_an_error_of_ours_in_every_method(address: str) -> None:
    with Client(address, timeout=0.5) as client:
        for call in (
            client.collections,
            client.extractors,
            lambda: client.search("vectors", [Query(id="v01")]),
            lambda: client.search_batch([]),
            lambda: list(client.embed_stream([b"x"])),
            lambda: client.add("vectors", [], timeout=0.5) or client.describe("vectors"),
            lambda: client.missing("vectors", []),
        ):
            with pytest.raises(PixkinError) as refused:
                call()
            assert refused.value.reason in {"SERVER_UNAVAILABLE", "DEADLINE"}


def test_a_closed_client_says_so(served: Any) -> None:
    client = Client(served.address)
    client.close()
    with pytest.raises(PixkinError, match="cannot be sent"):
        client.collections()


def test_many_threads_may_share_a_client(client: Client) -> None:
    def ask(number: int) -> str:
        return client.search("vectors", [Query(id=f"v{number:02}")]).hits[0].id

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(ask, list(range(50)) * 4))
    assert found == [ask(number) for number in range(50)] * 4


def test_a_vector_too_large_for_a_reply_is_never_a_defect(stubs: Any, refusal: Any, client: Client) -> None:
    descriptor = types_pb2.Descriptor(name="plain", dim=2)
    stubs.collections.Create(pb.CreateRequest(name="wordy", descriptors=[descriptor]), timeout=20)
    vector = types_pb2.NamedVector(data=np.ones(2, "<f4").tobytes())
    text = types_pb2.Attribute(text="x" * 9_000_000)
    items = [pb.NewItem(id=f"{number}", vectors=[vector], attributes={"a": text}) for number in range(9)]
    requests = [pb.AddRequest(header=pb.AddHeader(collection="wordy")), *(pb.AddRequest(item=item) for item in items)]
    assert len(list(stubs.collections.Add(iter(requests), timeout=60))) == 9
    code, error = refusal(stubs.collections.ListItems, pb.ListItemsRequest(collection="wordy"))
    assert (code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_SIZE")
    assert len(stubs.collections.ListItems(pb.ListItemsRequest(collection="wordy", size=2), timeout=20).items) == 2
    client.drop("wordy")
