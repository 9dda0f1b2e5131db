"""A real server in a process of its own, with two small collections."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from pixkin_proto.descriptors import Descriptor
from pixkin_server.api import ExtractorChoice, NewItem
from pixkin_server.client import Client
from pixkin_server.demo.process import running_server
from pixkin_server.engine import Engine
from pixkin_server.folders import Report, add_pictures, walk


@dataclass(frozen=True)
class Served:
    """Where a server listens, and the store and extractor directory behind it."""

    address: str
    store: Path
    extractors: Path


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
    """A server over the store."""
    with running_server(str(store), extractors=extractors, device="cpu") as address:
        yield Served(address, store, extractors)


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    """A client of the server."""
    with Client(served.address) as client:
        yield client
