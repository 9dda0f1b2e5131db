"""The vectors in memory follow the file."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from pixkin_proto.errors import PixkinError
from pixkin_scoring.filters import Condition
from pixkin_scoring.items import AddResult, Item, ItemUpdate
from pixkin_scoring.measures import values
from pixkin_scoring.query import ScoringQuery
from pixkin_scoring.stores.embedded import matrix, reading
from pixkin_scoring.stores.embedded.store import EmbeddedStore

Adder = Callable[..., list[AddResult]]
Maker = Callable[..., list[Item]]
Finder = Callable[[EmbeddedStore], list[str]]
Changer = Callable[..., None]


def mixtures(*numbers: int) -> list[Item]:
    """Make items whose vectors differ in their proportions."""
    return [
        Item(f"{number:04}", {"grey": np.array([number % 37, number % 11, 1, number % 5], np.float32)})
        for number in numbers
    ]


def by_formula(store: EmbeddedStore, query: ScoringQuery) -> list[str]:
    ids = [item.id for item in store.list_items("photos", (), size=100_000)]
    found = values("kl", query.vector, store.fetch("photos", "grey", ids), normalise=query.normalise)
    return [ids[place] for place in np.argsort(found, kind="stable")[:10]]


def test_the_memory_follows_a_collection_that_grows_changes_and_shrinks(
    items: Maker, store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrix, "LEAST_RESERVE_BYTES", 16 * 100)
    monkeypatch.setattr(reading, "BLOCK_BYTES", 16 * 7)
    soon = time.monotonic() + 60

    def check(items: int) -> None:
        for normalise in (True, False):
            query = ScoringQuery("grey", "kl", np.array([3.0, 2, 1, 4]), normalise=normalise)
            best = store.candidates("photos", query, depth=10, filters=())
            assert best.ids == by_formula(store, query)
        described = store.describe("photos")
        # The vectors, their logarithms twice, and what stands beside them.
        assert (described.items, described.bytes["memory"]) == (items, items * (3 * 16 + 3 * 8 + 1))

    for turn in range(1, 6):
        list(store.add("photos", mixtures(*range(turn * 90)), deadline=soon))
        check(turn * 90)
    changed = [Item(item.id, {"grey": item.vectors["grey"][::-1]}) for item in mixtures(*range(0, 450, 7))]
    list(store.add("photos", changed, deadline=soon))
    check(450)
    removed = [f"{number:04}" for number in range(0, 450, 2)]
    store.remove("photos", removed, deadline=soon)
    check(225)


def test_a_few_removed_items_leave_gaps_that_nobody_finds(found: Finder, store: EmbeddedStore) -> None:
    soon = time.monotonic() + 60
    list(store.add("photos", mixtures(*range(100)), deadline=soon))
    query = ScoringQuery("grey", "kl", np.array([3.0, 2, 1, 4]))
    best = store.candidates("photos", query, depth=10, filters=()).ids
    store.remove("photos", best[:3], deadline=soon)
    found = store.candidates("photos", query, depth=10, filters=()).ids
    assert found == by_formula(store, query)
    assert found[:7] == best[3:]


def test_labels_change_without_reading_vectors_again(
    found: Finder, add: Adder, change: Changer, store: EmbeddedStore
) -> None:
    add(store, "a", "bb")
    found(store)
    change("UPDATE vectors_1 SET vector = x'00'")
    store.update("photos", [ItemUpdate("a", labels=frozenset({"cat"}))], deadline=time.monotonic() + 60)
    query = ScoringQuery("grey", "euclidean", np.ones(4))
    assert store.candidates("photos", query, depth=9, filters=(Condition("label", ("cat",)),)).ids == ["a"]


def test_a_closed_store_gives_its_memory_back_and_opens_again(found: Finder, add: Adder, store: EmbeddedStore) -> None:
    add(store, "a")
    found(store)
    assert store.describe("photos").bytes["memory"] > 0
    store.close()
    assert store.describe("photos").bytes["memory"] == 0
    assert found(store) == ["a"]


def test_a_collection_that_was_closed_meanwhile_says_so(store: EmbeddedStore) -> None:
    opened = store._open("photos")
    opened.close()
    with pytest.raises(PixkinError, match="closed or replaced"):
        opened.describe()
