"""Every kind of store, for the suite that holds all of them to one contract."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pytest
from pixkin_proto.descriptors import Descriptor
from pixkin_scoring.filters import parse_filter
from pixkin_scoring.items import AddResult, Item
from pixkin_scoring.query import ScoringQuery
from pixkin_scoring.stores import Store, open_store

KINDS = ["embedded", "opensearch-3.8.0", "opensearch-2.19.1"]
COLOURS = Descriptor("hsv.colours", 4, non_negative=True, default_measure="chi2")

Opener = Callable[[], Store]
Finder = Callable[..., list[str]]
Adder = Callable[..., list[AddResult]]


@pytest.fixture(params=KINDS)
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Open the same place, empty at first, as often as it is called."""
    kind, _, version = request.param.partition("-")
    place = request.getfixturevalue("nodes")(version).url if kind == "opensearch" else str(tmp_path / "store")
    with ExitStack() as opened:
        first = opened.enter_context(closing(open_store(place)))
        for left in first.list():
            first.drop(left)
        yield lambda: opened.enter_context(closing(open_store(place)))


@pytest.fixture
def store(opener: Opener) -> Store:
    """A store with the empty collection `photos` of one descriptor of four dimensions."""
    store = opener()
    store.create("photos", [COLOURS])
    return store


@pytest.fixture
def soon() -> float:
    """A deadline that no working store misses."""
    return time.monotonic() + 60


@pytest.fixture
def add(store: Store, soon: float) -> Adder:
    """Add items to `photos`: whole ones, or ids, whose vectors then are (1, 0, 0, 0), (2, 0, 0, 0) and so on."""

    def add(*items: Item | AddResult | str) -> list[AddResult]:
        made = [one(entry, place) if isinstance(entry, str) else entry for place, entry in enumerate(items, start=1)]
        return list(store.add("photos", made, deadline=soon))

    return add


@pytest.fixture
def item() -> Callable[..., Item]:
    """Make an item of `photos` from its id, the four components of its vector and any of its fields."""

    def make(name: str, *vector: float, **fields: object) -> Item:
        return Item(name, {COLOURS.name: np.array(vector or (1, 0, 0, 0), dtype=np.float32)}, **fields)

    return make


@pytest.fixture
def found() -> Finder:
    """Search a store's `photos` with a vector, and return the ids, best first."""

    def found(
        store: Store,
        *vector: float,
        measure: str = "euclidean",
        where: tuple[str, ...] = (),
        depth: int = 100,
        exclude: frozenset[str] = frozenset(),
    ) -> list[str]:
        query = ScoringQuery(COLOURS.name, measure, np.array(vector, dtype=np.float64), exclude=exclude)
        return store.candidates("photos", query, depth=depth, filters=parse_filter(where)).ids

    return found


@pytest.fixture
def listed() -> Finder:
    """Return the ids of a store's `photos` that satisfy conditions."""

    def listed(store: Store, *where: str) -> list[str]:
        return [item.id for item in store.list_items("photos", parse_filter(where), size=100)]

    return listed


def one(name: str, first: float) -> Item:
    """Return an item whose vector has one component."""
    return Item(name, {COLOURS.name: np.array([first, 0, 0, 0], dtype=np.float32)})
