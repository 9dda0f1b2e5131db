"""Every store: candidates and filters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from pixkin_proto.errors import PixkinError, UnknownCollection
from pixkin_scoring.filters import parse_filter
from pixkin_scoring.items import AddResult, Candidates, Item
from pixkin_scoring.query import CandidateSearch, ScoringQuery
from pixkin_scoring.stores import Store

Adder = Callable[..., list[AddResult]]
Maker = Callable[..., Item]
Opener = Callable[[], Store]
Finder = Callable[..., list[str]]
COLOURS = "hsv.colours"


def test_candidates_come_best_first_with_values_and_ties_by_id(store: Store, add: Adder, item: Maker) -> None:
    add(item("c", 1, 0, 0, 0), item("far", 4, 0, 0, 0), item("a", 1, 0, 0, 0), item("b", 1, 0, 0, 0))
    query = ScoringQuery(COLOURS, "euclidean", np.array([2.0, 0, 0, 0]))
    best = store.candidates("photos", query, depth=100, filters=())
    assert best.ids == ["a", "b", "c", "far"]
    assert best.values.tolist() == [1, 1, 1, 2]
    assert store.candidates("photos", query, depth=2, filters=()).ids == ["a", "b"]


def test_excluded_items_are_left_out_and_others_take_their_place(found: Finder, store: Store, add: Adder) -> None:
    add("a", "b", "c")
    assert found(store, 1, 0, 0, 0, depth=2, exclude=frozenset({"a", "none"})) == ["b", "c"]


def test_an_empty_collection_and_a_filter_that_nothing_satisfies_find_nothing(
    found: Finder, store: Store, add: Adder
) -> None:
    assert found(store, 1, 0, 0, 0) == []
    add("a")
    assert found(store, 1, 0, 0, 0, where=("label=none",)) == []
    assert found(store, 1, 0, 0, 0, measure="kl", where=("label=none",)) == []


@pytest.mark.parametrize("measure", ["euclidean", "manhattan", "cosine", "chi2", "kl", "intersection"])
def test_every_write_is_visible_to_the_next_search(
    found: Finder, store: Store, add: Adder, item: Maker, soon: float, measure: str
) -> None:
    add(item("a", 9, 1, 0, 0), item("b", 1, 9, 0, 0))
    assert found(store, 9, 1, 0, 0, measure=measure) == ["a", "b"]
    add(item("c", 8, 2, 0, 0))
    assert found(store, 9, 1, 0, 0, measure=measure) == ["a", "c", "b"]
    add(item("a", 0, 0, 1, 9))
    assert found(store, 9, 1, 0, 0, measure=measure) == ["c", "b", "a"]
    store.remove("photos", ["c"], deadline=soon)
    assert found(store, 9, 1, 0, 0, measure=measure) == ["b", "a"]


def test_a_second_store_on_the_same_place_sees_every_write(
    found: Finder, listed: Finder, opener: Opener, store: Store, add: Adder, soon: float
) -> None:
    other = opener()
    assert found(other, 1, 0, 0, 0) == []
    add("a", "b")
    assert found(other, 1, 0, 0, 0) == ["a", "b"]
    other.remove("photos", ["a"], deadline=soon)
    assert found(store, 1, 0, 0, 0) == listed(store) == ["b"]
    assert store.describe("photos").items == 1


@pytest.fixture
def catalogue(store: Store, add: Adder, item: Maker) -> Store:
    add(
        item("a", labels=frozenset({"cat", "black"}), attributes={"year": 1999, "place": "Rome"}),
        item("b", labels=frozenset({"dog"}), attributes={"year": 2005.5, "place": "Bonn"}),
        item("c", labels=frozenset({"cat"}), attributes={"year": "2005.5", "place": "Rome"}),
        item("d", labels=frozenset({"o'hara", "日本"}), attributes={"year": -3}),
        item("e", attributes={"serial": "9007199254740993", "code": "007"}),
        item("f", attributes={"serial": 2**53, "code": 7}),
    )
    return store


FILTERED = {
    ("label=cat",): "ac",
    ("label=cat", "label=dog"): "abc",
    ("label=cat", "place=Bonn", "place=Rome"): "ac",
    ("label=cat", "label=dog", "place=Bonn"): "b",
    ("label=o'hara",): "d",
    ("label=日本",): "d",
    ("year=1999",): "a",
    ("year=1999.0",): "a",
    ("year=2005.5",): "bc",
    ("year=1999..2005",): "a",
    ("year=1999..2005.5",): "ab",
    ("year=..0",): "d",
    ("year=2000..",): "b",
    ("year=..0", "year=2005..2006"): "bd",
    ("year=..0", "year=1999"): "ad",
    ("place=",): "",
    ("serial=9007199254740993",): "e",
    ("serial=9007199254740992",): "f",
    ("code=007",): "e",
    ("code=7",): "f",
    ("none=1",): "",
    ("place=Rome", "year=2000.."): "",
}


@pytest.mark.parametrize("where", FILTERED)
def test_a_filter_keeps_the_same_items_in_a_list_and_in_a_search(
    found: Finder, listed: Finder, catalogue: Store, where: tuple[str, ...]
) -> None:
    assert listed(catalogue, *where) == [*FILTERED[where]]
    assert found(catalogue, 1, 0, 0, 0, where=where) == [*FILTERED[where]]


def test_a_filter_may_have_thousands_of_alternatives(listed: Finder, catalogue: Store) -> None:
    assert listed(catalogue, *(f"year={year}" for year in range(1990, 5000))) == ["a"]
    assert listed(catalogue, *(f"label={label}" for label in range(5000)), "label=dog") == ["b"]


@pytest.fixture
def many(store: Store, add: Adder, item: Maker) -> dict[str, list[float]]:
    """Thirty items with vectors of their own, and these by id."""
    draw = np.random.default_rng(12)
    rows = {f"{n:02}": draw.random(4, dtype=np.float32).tolist() for n in range(30)}
    add(*(item(name, *row, labels=frozenset({f"third {int(name) % 3}"})) for name, row in rows.items()))
    return rows


@pytest.mark.parametrize("measure", ["chi2", "cosine", "kl", "intersection"])
@pytest.mark.parametrize(("depth", "vectors"), [(10, 0), (10, 1), (10, 4), (10, 10), (10, 25), (30, 29), (100, 100)])
def test_so_many_of_the_first_candidates_as_are_asked_for_come_with_their_vectors(
    store: Store, many: dict[str, list[float]], measure: str, depth: int, vectors: int
) -> None:
    query = ScoringQuery(COLOURS, measure, np.array([0.4, 0.3, 0.2, 0.1]), exclude=frozenset({"07"}))
    bare = store.candidates("photos", query, depth=depth, filters=())
    found = store.candidates("photos", query, depth=depth, filters=(), vectors=vectors)
    assert bare.vectors is None
    assert (found.ids[:depth], found.values[:depth].tolist()) == (bare.ids, bare.values.tolist())
    assert len(found.ids) == min(max(depth, vectors), 29)
    if not vectors:
        assert found.vectors is None
        return
    assert found.vectors is not None
    assert found.vectors.dtype == np.float32
    assert found.vectors.tolist() == [many[name] for name in found.ids[:vectors]]


def test_vectors_of_no_candidates_are_no_rows(store: Store, many: dict[str, list[float]]) -> None:
    query = ScoringQuery(COLOURS, "chi2", np.array([0.4, 0.3, 0.2, 0.1]))
    found = store.candidates("photos", query, depth=10, filters=parse_filter(["label=none"]), vectors=5)
    assert found.ids == []
    assert found.vectors is not None
    assert found.vectors.shape == (0, 4)


def test_vectors_are_those_of_now(store: Store, many: dict[str, list[float]], add: Adder, item: Maker) -> None:
    query = ScoringQuery(COLOURS, "cosine", np.array([1.0, 0, 0, 0]))
    add(item("07", 5, 0, 0, 0))
    found = store.candidates("photos", query, depth=3, filters=(), vectors=1)
    assert (found.ids[0], found.vectors.tolist()) == ("07", [[5, 0, 0, 0]])  # type: ignore[union-attr]  # as asked for


def test_searches_of_a_batch_have_vectors_and_errors_of_their_own(store: Store, many: dict[str, list[float]]) -> None:
    query = ScoringQuery(COLOURS, "chi2", np.array([0.4, 0.3, 0.2, 0.1]))
    searches = [
        CandidateSearch("photos", query, 10, vectors=vectors, filters=parse_filter(filters))
        for vectors, filters in ((0, []), (10, []), (3, ["label=third 1"]), (25, []), (2, ["label=none"]))
    ]
    for several in (searches, searches[:2], [*searches[:3], CandidateSearch("nowhere", query, 10, vectors=2)]):
        outcomes = store.candidates_batch(several)
        assert len(outcomes) == len(several)
        for search, outcome in zip(several, outcomes, strict=True):
            if isinstance(outcome, PixkinError):
                assert (search.collection, type(outcome)) == ("nowhere", UnknownCollection)
                continue
            alone = store.candidates(
                "photos", query, depth=search.depth, filters=search.filters, vectors=search.vectors
            )
            assert outcome.ids == alone.ids
            assert rows_of(outcome) == rows_of(alone) == [many[name] for name in outcome.ids[: search.vectors]]


def rows_of(found: Candidates) -> list[list[float]]:
    return [] if found.vectors is None else found.vectors.tolist()
