"""Every store: listing, getting, fetching and scanning items."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from pixkin_proto.errors import (
    InvalidId,
    UnknownDescriptor,
    UnknownItem,
)
from pixkin_scoring.items import AddResult, Item
from pixkin_scoring.stores import Store

Adder = Callable[..., list[AddResult]]
Maker = Callable[..., Item]
COLOURS = "hsv.colours"


def test_items_are_listed_by_id_from_any_id_on(store: Store, add: Adder) -> None:
    add("b", "é", "B", "a", "🐈")
    first = store.list_items("photos", (), size=2)
    rest = store.list_items("photos", (), size=10, after=first[-1].id)
    assert [item.id for item in first + rest] == ["B", "a", "b", "é", "🐈"]
    assert store.list_items("photos", (), size=0) == []
    with pytest.raises(InvalidId):
        store.list_items("photos", (), size=1, after="\udc80")


def test_more_items_than_a_statement_takes_are_read_in_their_order(store: Store, add: Adder) -> None:
    ids = [f"{number:04}" for number in range(1300)]
    add(*ids)
    back = ids[::-1]
    assert [*store.get("photos", back)] == back
    assert store.fetch("photos", COLOURS, back)[:, 0].tolist() == list(range(1300, 0, -1))
    assert len(store.labels("photos", ids)) == 1300


def test_labels_are_given_for_all_items_or_for_some(store: Store, add: Adder, item: Maker) -> None:
    add(item("a", labels=frozenset({"x", "y"})), "b", item("c", labels=frozenset({"x"})))
    assert store.labels("photos") == {"a": {"x", "y"}, "b": frozenset(), "c": {"x"}}
    assert store.labels("photos", ["c", "none"]) == {"c": {"x"}}


def test_fetch_takes_short_names_and_repeats_and_names_what_is_missing(store: Store, add: Adder) -> None:
    add("a", "b")
    assert store.fetch("photos", "colours", ["b", "a", "b"])[:, 0].tolist() == [2, 1, 2]
    assert store.fetch("photos", "", []).shape == (0, 4)
    with pytest.raises(UnknownItem, match="none"):
        store.fetch("photos", COLOURS, ["a", "none"])
    with pytest.raises(UnknownDescriptor, match=COLOURS):
        store.fetch("photos", "hog", ["a"])


def test_a_scan_can_be_resumed_after_any_block(store: Store, add: Adder) -> None:
    add(*(f"{number:02}" for number in range(10)))
    whole = [*store.scan("photos", COLOURS, block=4)]
    assert [len(ids) for ids, _ in whole] == [4, 4, 2]
    assert np.concatenate([vectors for _, vectors in whole])[:, 0].tolist() == list(range(1, 11))
    resumed = [*store.scan("photos", COLOURS, block=4, after=whole[0][0][-1])]
    assert [ids for ids, _ in resumed] == [ids for ids, _ in whole[1:]]
