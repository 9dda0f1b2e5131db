"""A real server in a process of its own, with two small collections."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import PixkinError
from pixkin_proto.v1 import collections_pb2_grpc, embedding_pb2_grpc, search_pb2_grpc
from pixkin_server.api import ExtractorChoice, NewItem
from pixkin_server.client import Client
from pixkin_server.engine import Engine
from pixkin_server.folders import Report, add_pictures, walk
from pixkin_server.statuses import error_of_call


@dataclass
class Served:
    """A server's process, where it listens, the store and extractor directory behind it, and what it has said."""

    process: subprocess.Popen[str]
    store: Path
    extractors: Path
    address: str = ""
    log: list[str] = field(default_factory=list)
    _said: threading.Condition = field(default_factory=threading.Condition)

    def read(self) -> None:
        """Collect what the server says, so that it never waits for a reader."""
        for line in self.process.stderr or ():
            with self._said:
                self.log.append(line.rstrip())
                self._said.notify_all()
        with self._said:
            self.log.append("")
            self._said.notify_all()

    @property
    def page(self) -> str:
        """The address of its page, without a slash at the end."""
        return self.wait_for("page on ").rpartition(" ")[2].rstrip("/")

    def wait_for(self, text: str, *, seconds: float = 60) -> str:
        """Return the first line that has the text."""
        with self._said:
            self._said.wait_for(lambda: any(text in line for line in self.log) or self.log[-1:] == [""], seconds)
            found = [line for line in self.log if text in line]
        assert found, f"the server never said {text!r}: {self.log}"
        return found[0]

    @property
    def alive(self) -> bool:
        """Whether its process runs, says that it serves, and answers."""
        with grpc.insecure_channel(self.address) as channel, Client(self.address) as client:
            reply = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
            client.collections()
        return self.process.poll() is None and reply.status == health_pb2.HealthCheckResponse.SERVING


@dataclass(frozen=True)
class Stubs:
    """The bare stubs, without the client's own checks and limits."""

    channel: grpc.Channel
    embedding: embedding_pb2_grpc.EmbeddingStub
    search: search_pb2_grpc.SearchStub
    collections: collections_pb2_grpc.CollectionsStub


Start = Callable[..., AbstractContextManager[Served]]
Refusal = tuple[grpc.StatusCode, PixkinError]


@contextmanager
def started(
    store: Path,
    extractors: Path,
    *flags: str,
    wait: str = "pixkin: serving",
    program: Sequence[str] = ("-m", "pixkin_server"),
    default_http: bool = False,
    writes: bool = True,
) -> Iterator[Served]:
    """Run `pixkin serve` on free ports until the block ends; `wait` is what it must have said first.

    default_http: have HTTP listen where it does when nobody says where · writes: let callers change collections.
    """
    command = [sys.executable, *program, "serve", "--store", str(store), "--extractors", str(extractors)]
    command += ["--create", "--grpc", "127.0.0.1:0", "--device", "cpu", "--drain", "0", *flags]
    command += ["--allow-writes"] if writes else []
    if not default_http and not {"--http", "--no-http"} & {*flags}:
        command += ["--http", "127.0.0.1:0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    served = Served(process, store, extractors)
    reader = threading.Thread(target=served.read, daemon=True)
    reader.start()
    try:
        if wait:
            served.address = served.wait_for("listening on ").rpartition(" ")[2]
            served.wait_for(wait)
        yield served
    finally:
        process.terminate()
        process.wait(60)
        reader.join(10)
        if process.stderr:
            process.stderr.close()


@pytest.fixture(scope="session")
def start() -> Start:
    """How to run another server for the length of a block: store, extractor directory, flags."""
    return started


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory, extractors: Path, photos: Path) -> Path:
    """A store with `photos` (24 pictures, both extractors, labels) and `vectors` (50 imported signed vectors, d=8)."""
    path = tmp_path_factory.mktemp("served") / "store"
    with Engine(str(path), extractors=extractors) as engine:
        engine.create("photos", [ExtractorChoice("efficientnet-lite0"), ExtractorChoice("hsv-histogram")])
        report = Report()
        add_pictures(engine, "photos", walk(photos, labels_from_folders=True), report, root=str(photos))
        assert report.added == 24
        engine.create("vectors", descriptors=[Descriptor("plain", 8)])
        rows = np.random.default_rng(1).normal(size=(50, 8)).astype(np.float32)
        items = (NewItem(f"v{number:02}", vectors={"plain": row}) for number, row in enumerate(rows))
        assert {result.state for result in engine.add("vectors", items)} == {"added"}
    return path


@pytest.fixture(scope="session")
def served(store: Path, extractors: Path) -> Iterator[Served]:
    """A server over the store; what any test did to it, it is still the same process that serves at the end."""
    with started(store, extractors) as server:
        yield server
        assert server.alive
        assert not [line for line in server.log if "internal error" in line]


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    """A client of the server."""
    with Client(served.address) as client:
        yield client


@pytest.fixture(scope="session")
def stubs(served: Served) -> Iterator[Stubs]:
    """Stubs of the server that send messages of any size."""
    options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(served.address, options=options) as channel:
        yield Stubs(
            channel,
            embedding_pb2_grpc.EmbeddingStub(channel),
            search_pb2_grpc.SearchStub(channel),
            collections_pb2_grpc.CollectionsStub(channel),
        )


@pytest.fixture(scope="session")
def refusal() -> Callable[..., Refusal]:
    """Makes a call that must fail, and returns its code and the error that came with it."""

    def call(method: Callable[..., Any], request: Any, *, timeout: float = 20) -> Refusal:
        with pytest.raises(grpc.RpcError) as refused:
            _exhaust(method(request, timeout=timeout))
        return refused.value.code(), error_of_call(refused.value, "the server")

    return call


def _exhaust(reply: Any) -> None:
    for _ in reply if hasattr(reply, "__next__") else ():
        pass
