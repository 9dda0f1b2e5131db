"""An embedded store, another process that uses it, and hands on its file."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from pixkin_proto.descriptors import Descriptor
from pixkin_scoring.items import AddResult, Item
from pixkin_scoring.query import ScoringQuery
from pixkin_scoring.stores.embedded.store import EmbeddedStore

GREY = Descriptor("grey", 4)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    """A store with the empty collection `photos` of one descriptor of four dimensions."""
    with closing(EmbeddedStore(str(tmp_path / "store"))) as store:
        store.create("photos", [GREY])
        yield store


@pytest.fixture
def photos(store: EmbeddedStore) -> Path:
    """The file of `photos`."""
    return Path(store.name) / "photos.sqlite"


@pytest.fixture
def change(photos: Path) -> Callable[..., None]:
    """Do to the file of `photos` what no store would do."""

    def change(statement: str, *parameters: bytes) -> None:
        with closing(sqlite3.connect(photos)) as connection, connection:
            connection.execute(statement, parameters)

    return change


@pytest.fixture
def peer(store: EmbeddedStore) -> Iterator[subprocess.Popen[str]]:
    """Another process on the same store."""
    process = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("peer.py"), store.name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def ask(peer: subprocess.Popen[str]) -> Callable[[str], str]:
    """Send a line to the other process, and return its answer."""

    def ask(line: str) -> str:
        peer.stdin.write(f"{line}\n")
        peer.stdin.flush()
        return peer.stdout.readline().strip()

    return ask


@pytest.fixture
def items() -> Callable[..., list[Item]]:
    """Make items of `photos`; the shorter an id, the nearer its vector to the ones that `found` looks for."""

    def items(*names: str, thumbnail: int = 0) -> list[Item]:
        return [Item(name, {"grey": np.full(4, len(name), np.float32)}, thumbnail=b"x" * thumbnail) for name in names]

    return items


@pytest.fixture
def add(items: Callable[..., list[Item]]) -> Callable[..., list[AddResult]]:
    """Add items to a store's `photos` by their ids."""

    def add(store: EmbeddedStore, *names: str, seconds: float = 60) -> list[AddResult]:
        return list(store.add("photos", items(*names), deadline=time.monotonic() + seconds))

    return add


@pytest.fixture
def found() -> Callable[[EmbeddedStore], list[str]]:
    """Search a store's `photos`, and return all ids, best first."""

    def found(store: EmbeddedStore) -> list[str]:
        query = ScoringQuery("grey", "euclidean", np.ones(4))
        return store.candidates("photos", query, depth=100_000, filters=()).ids

    return found
