"""Every store: candidates and filters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from pixkin_scoring.items import AddResult, Item
from pixkin_scoring.query import ScoringQuery
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
