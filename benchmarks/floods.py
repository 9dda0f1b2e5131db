"""How long other calls take beside a caller who sends requests that are many in little: p99 beside against p99 alone.

Two connections send each flood over and over, a pause after each, while one caller searches by id over gRPC and one
over HTTP. The first two floods send as many bytes that ask for little: what they cost is the machine's.
"""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from statistics import quantiles
from time import perf_counter, sleep
from urllib.parse import urlsplit

import grpc
import numpy as np
import report
from interfaces import search_by
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.v1 import search_pb2
from pixkin_server.api import NewItem, Query
from pixkin_server.client import Client
from pixkin_server.engine import Engine
from servers import serving

SENDERS = 2
PAUSE_SECONDS = 0.5
PROBE_SECONDS = 3.0
REST_SECONDS = 2.5  # a body that was refused is read and dropped for two
BETWEEN_SECONDS = 0.005
MOST = 2.0
MILLION = 1_000_000
PACKAGES = ("grpcio", "protobuf", "starlette", "uvicorn", "h11", "python-multipart")
Flood = Callable[[str, str], None]
"""Sends one body; takes the addresses of gRPC and HTTP."""


def measure() -> Iterator[report.Row]:
    """Yield two rows for each flood and interface."""
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        _make_collection(home)
        with serving(home, "store", "--allow-writes") as served:
            _probed(served.grpc, served.page)  # what is first is slow
            yield from _rows(served.grpc, urlsplit(served.page).netloc)


def _make_collection(home: Path) -> None:
    rows = np.random.default_rng(0).random((1000, 64), dtype=np.float32)
    with Engine(str(home / "store"), extractors=home / "extractors") as engine:
        engine.create("some", descriptors=[Descriptor("d", 64)])
        for _ in engine.add("some", (NewItem(f"{at:04}", vectors={"d": row}) for at, row in enumerate(rows))):
            pass


def _rows(grpc_address: str, http: str) -> Iterator[report.Row]:
    for name, flood in FLOODS.items():
        alone = _probed(grpc_address, http)  # each time anew: a machine is not as busy all the while
        with _flooding(flood, grpc_address, http):
            beside = _probed(grpc_address, http)
        sleep(REST_SECONDS)
        for wire, ms in alone.items():
            yield {"figure": f"alone before {name}, {wire}, p99 ms", "value": ms, "limit": "", "ok": True}
            yield report.at_most(f"beside {name}, {wire}, p99 to p99 alone", beside[wire] / ms, MOST)


def _probed(grpc_address: str, http: str) -> dict[str, float]:
    """Return the p99 in ms of searches by id over each interface, one caller each at the same time."""
    taken: dict[str, list[float]] = {"gRPC": [], "HTTP": []}
    where = urlsplit(f"//{http.removeprefix('http://').rstrip('/')}")
    with Client(grpc_address) as client, closing(HTTPConnection(where.hostname or "", where.port)) as web:
        calls: dict[str, Callable[[], object]] = {
            "gRPC": lambda: client.search("some", [Query(id="0001")]),
            "HTTP": lambda: search_by(web, {"id": "0001"}, "some"),
        }
        probes = [threading.Thread(target=_probe, args=(call, taken[wire])) for wire, call in calls.items()]
        for probe in probes:
            probe.start()
        for probe in probes:
            probe.join()
    return {wire: quantiles(ms, n=100)[98] for wire, ms in taken.items()}


def _probe(call: Callable[[], object], taken: list[float]) -> None:
    end = perf_counter() + PROBE_SECONDS
    while perf_counter() < end or len(taken) < 2:
        began = perf_counter()
        call()
        taken.append((perf_counter() - began) * 1000)
        sleep(BETWEEN_SECONDS)


@contextmanager
def _flooding(flood: Flood, grpc_address: str, http: str) -> Iterator[None]:
    ending = threading.Event()

    def send() -> None:
        while not ending.is_set():
            with suppress(OSError, grpc.RpcError):
                flood(grpc_address, http)
            ending.wait(PAUSE_SECONDS)

    senders = [threading.Thread(target=send) for _ in range(SENDERS)]
    for sender in senders:
        sender.start()
    sleep(0.5)
    try:
        yield
    finally:
        ending.set()
        for sender in senders:
            sender.join()


def _http(path: str, headers: Mapping[str, str], body: bytes, *, chunked: bool = False) -> Flood:
    """Return what sends a request in one piece and reads until the server closes."""
    said = {**headers, **({"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(body))})}
    lines = "".join(f"{name}: {value}\r\n" for name, value in said.items())

    def send(_: str, http: str) -> None:
        where = urlsplit(f"//{http}")
        with socket.create_connection((where.hostname, where.port), timeout=30) as connection:
            head = f"POST {path} HTTP/1.1\r\nHost: {http}\r\nConnection: close\r\n{lines}\r\n"
            with suppress(ConnectionError):
                connection.sendall(head.encode() + body)
            while connection.recv(65536):
                pass

    return send


def _grpc(method: str, message: bytes) -> Flood:
    """Return what sends the bytes of a message."""

    def send(address: str, _: str) -> None:
        with grpc.insecure_channel(
            address, options=[("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
        ) as channel:
            channel.unary_unary(method)(message, timeout=60)

    return send


def _form(part: bytes, times: int) -> bytes:
    return part * times + b"--X--\r\n"


JSON = {"Content-Type": "application/json"}
LINES = {"Content-Type": "application/x-ndjson"}
FORM = {"Content-Type": "multipart/form-data; boundary=X"}
FLOODS: dict[str, Flood] = {
    "6 MB in one piece": _http("/nowhere", {}, bytes(6 * MILLION)),
    "6 MB in one piece over gRPC": _grpc(
        "/pixkin.v1.Search/Search", b"\n\x04some\x7a" + b"\x80\x9b\xee\x02" + bytes(6 * MILLION)
    ),
    "chunks of one byte": _http("/v1/embed/stream", LINES, b"1\r\n \r\n" * MILLION, chunked=True),
    "chunks of one byte, unknown path": _http("/nowhere", {}, b"1\r\n \r\n" * MILLION, chunked=True),
    "chunks with extensions": _http("/v1/search", JSON, b"1;abcdefgh=ijklmnop\r\n \r\n" * 200_000, chunked=True),
    "empty lines": _http("/v1/embed/stream", LINES, b"\n" * 3 * MILLION),
    "lines that are no JSON": _http("/v1/embed/stream", LINES, b"x\n" * 20_000),
    "a million queries in JSON": _http(
        "/v1/search", JSON, b'{"collection":"some","queries":[' + b'{"id":"1"},' * MILLION + b"{}]}"
    ),
    "a million re-rankings in JSON": _http(
        "/v1/search", JSON, b'{"collection":"some","plan":{"rerank":[' + b'"mmr",' * MILLION + b'"mmr"]}}'
    ),
    "a million ids in JSON": _http("/v1/collections/some/remove", JSON, b'{"ids":[' + b'"1",' * MILLION + b'"1"]}'),
    "JSON nested a million deep": _http("/v1/search", JSON, b"[" * MILLION),
    "many small headers": _http("/v1/search", {f"a{at}": "b" for at in range(40_000)}, b""),
    "many parts": _http(
        "/v1/search",
        FORM,
        _form(b'--X\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n\r\n', 200_000),
    ),
    "a part of many headers": _http("/v1/search", FORM, b"--X\r\n" + b"a: b\r\n" * MILLION),
    "a part of near boundaries": _http(
        "/v1/search",
        FORM,
        b'--X\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
        + b"\r\n--" * MILLION
        + b"\r\n--X--\r\n",
    ),
    "a million queries over gRPC": _grpc("/pixkin.v1.Search/Search", b"\n\x04some" + b"\x12\x03\x12\x011" * MILLION),
    "millions of empty queries over gRPC": _grpc("/pixkin.v1.Search/Search", b"\n\x04some" + b"\x12\x00" * 8 * MILLION),
    "a million re-rankings over gRPC": _grpc(
        "/pixkin.v1.Search/Search",
        search_pb2.SearchRequest(collection="some", plan={"rerank": ["mmr"] * MILLION}).SerializeToString(),
    ),
    "a million searches over gRPC": _grpc("/pixkin.v1.Search/SearchBatch", b"\n\x00" * MILLION),
    "a million ids over gRPC": _grpc("/pixkin.v1.Collections/Remove", b"\n\x04some" + b"\x12\x011" * MILLION),
    "a million files over gRPC": _grpc("/pixkin.v1.Collections/Missing", b"\n\x04some" + b"\x12\x00" * MILLION),
}


if __name__ == "__main__":
    report.main(measure, PACKAGES, __doc__)
