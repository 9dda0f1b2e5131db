"""A real node behind a proxy with faults, a connection to it, and stores with small collections."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import UnknownCollection
from pixkin_scoring.items import Item
from pixkin_scoring.stores import open_store
from pixkin_scoring.stores.layout import IndexLayout
from pixkin_scoring.stores.opensearch import claims, reading
from pixkin_scoring.stores.opensearch.connection import Connection
from pixkin_scoring.stores.opensearch.settings import ConnectionSettings
from pixkin_scoring.stores.opensearch.store import OpenSearchStore
from pixkin_server.opensearch_node.node import Node, start_node

from tests.scoring.stores.opensearch.fault_proxy import FaultProxy

HUES = Descriptor("hues", 4, non_negative=True, default_measure="chi2")
Maker = Callable[..., str]


@pytest.fixture
def proxy(nodes: Callable[[str], Node]) -> Iterator[FaultProxy]:
    """A proxy in front of the newest node, which passes everything on until told otherwise."""
    with FaultProxy(nodes("3.8.0").url) as proxy:
        yield proxy


@pytest.fixture
def connection(proxy: FaultProxy) -> Iterator[Connection]:
    """A connection through the proxy."""
    connection = Connection(proxy.url, ConnectionSettings())
    yield connection
    connection.close()


@pytest.fixture
def through(proxy: FaultProxy) -> Iterator[OpenSearchStore]:
    """A store that is reached through the proxy."""
    with closing(open_store(proxy.url)) as store:
        yield store


@pytest.fixture
def direct(proxy: FaultProxy) -> Iterator[OpenSearchStore]:
    """The same store, reached without the proxy."""
    with closing(open_store(proxy.upstream)) as store:
        yield store


@pytest.fixture
def make(direct: OpenSearchStore) -> Iterator[Maker]:
    """Make a collection of so many items in the store behind the proxy; returns its name. It is gone afterwards."""
    with making(direct) as make:
        yield make


@pytest.fixture
def own_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    """A node of the test's own, which it may stop and kill."""
    # Half of what a start costs is the compiling of code that a short life does not need.
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
    with start_node("3.8.0", data=tmp_path / "node", heap="512m") as node:
        yield node


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let calls that name no deadline try again for a tenth of a second, where tests provoke hundreds of faults."""
    monkeypatch.setitem(Connection.ask.__kwdefaults__, "retry_seconds", 0.1)
    monkeypatch.setattr(claims, "CLUSTER_SECONDS", 4.0)
    monkeypatch.setitem(reading.get_documents.__kwdefaults__, "retry_seconds", 0.1)


@contextlib.contextmanager
def making(store: OpenSearchStore) -> Iterator[Maker]:
    """Yield what makes collections in a store; in the end they are dropped, and those named after them."""
    made: list[str] = []

    def make(count: int = 0, *, layout: IndexLayout | None = None, descriptors: Sequence[Descriptor] = (HUES,)) -> str:
        name = f"made-{uuid.uuid4().hex[:12]}"
        made.append(name)
        store.create(name, descriptors, layout=layout)
        results = list(store.add(name, items(count), deadline=soon()))
        assert {result.state for result in results} <= {"added"}
        return name

    yield make
    for name in [left for left in store.list() if any(left == name or left.startswith(f"{name}-") for name in made)]:
        with contextlib.suppress(UnknownCollection):
            store.drop(name)


def items(count: int) -> Iterator[Item]:
    """Yield items with random vectors, the same at every call."""
    draw = np.random.default_rng(3)
    for number in range(count):
        yield Item(
            f"{number:05}",
            {HUES.name: draw.random(HUES.dim, dtype=np.float32)},
            labels=frozenset({f"label {number % 3}"}),
            attributes={"year": 2000.0 + number % 20},
            thumbnail=b"jpeg",
        )


def soon(seconds: float = 60) -> float:
    """Return the instant so many seconds from now."""
    return time.monotonic() + seconds
