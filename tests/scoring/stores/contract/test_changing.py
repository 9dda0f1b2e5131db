"""Every store: updating, renaming and removing items."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import (
    InvalidArgument,
    InvalidId,
    UnknownItem,
)
from pixkin_scoring.items import AddResult, FileFacts, Item, ItemUpdate
from pixkin_scoring.stores import Store

Adder = Callable[..., list[AddResult]]
Maker = Callable[..., Item]
Finder = Callable[..., list[str]]
COLOURS = "hsv.colours"
SHAPES = Descriptor("hog", 2)


def states(results: list[AddResult]) -> list[str]:
    return [result.state for result in results]


def test_an_update_changes_what_it_names_and_keeps_the_rest(store: Store, add: Adder, item: Maker, soon: float) -> None:
    add(item("a", 0, 3, 0, 0, labels=frozenset({"cat"}), attributes={"year": 2024}, source="/a", thumbnail=b"jpeg"))
    [result] = store.update("photos", [ItemUpdate("a", labels=frozenset({"dog"}))], deadline=soon)
    assert result == AddResult("a", "updated")
    store.update("photos", [ItemUpdate("a", file=FileFacts(5, 6, b"h" * 32))], deadline=soon)
    store.update("photos", [ItemUpdate("a", attributes={"camera": "X100"}, source="/b")], deadline=soon)
    back = store.get("photos", ["a"], thumbnails=True, vectors=True)["a"]
    assert (back.labels, back.attributes, back.source) == ({"dog"}, {"camera": "X100"}, "/b")
    assert (back.file, back.thumbnail) == (FileFacts(5, 6, b"h" * 32), b"jpeg")
    assert back.vectors[COLOURS].tolist() == [0, 3, 0, 0]


def test_an_update_that_changes_nothing_writes_nothing(store: Store, add: Adder, item: Maker, soon: float) -> None:
    add(item("a", labels=frozenset({"cat"}), attributes={"year": 2024}))
    before = store.generation("photos")
    same = ItemUpdate(
        "a", labels=frozenset({"cat"}), attributes={"year": 2024}, file=FileFacts(), source="", new_id="a"
    )
    assert store.update("photos", [same, ItemUpdate("a")], deadline=soon) == []
    assert store.generation("photos") == before


def test_a_renamed_item_is_found_under_its_new_id_alone(
    found: Finder, listed: Finder, store: Store, add: Adder, soon: float
) -> None:
    add("a", "b")
    assert found(store, 1, 0, 0, 0) == ["a", "b"]
    assert states(store.update("photos", [ItemUpdate("a", new_id="z")], deadline=soon)) == ["updated"]
    assert found(store, 1, 0, 0, 0) == ["z", "b"]
    assert listed(store) == ["b", "z"]
    assert store.fetch("photos", COLOURS, ["z"]).tolist() == [[1, 0, 0, 0]]


def test_a_bad_update_is_refused_alone(store: Store, add: Adder, soon: float) -> None:
    add("a", "b")
    results = store.update(
        "photos",
        [
            ItemUpdate("none", labels=frozenset({"cat"})),
            ItemUpdate("none\udc80", labels=frozenset({"cat"})),
            ItemUpdate("a", new_id="b"),
            ItemUpdate("a", new_id=""),
            ItemUpdate("a", labels=frozenset({""})),
            ItemUpdate("b", labels=frozenset({"cat"})),
        ],
        deadline=soon,
    )
    kinds = [type(result.error) for result in results]
    assert kinds == [UnknownItem, UnknownItem, InvalidId, InvalidId, InvalidArgument, type(None)]
    assert store.labels("photos") == {"a": frozenset(), "b": frozenset({"cat"})}


def test_removed_items_are_gone_from_everywhere(
    found: Finder, listed: Finder, store: Store, add: Adder, item: Maker, soon: float
) -> None:
    add(item("a", labels=frozenset({"cat"})), "b", "c")
    assert found(store, 2, 0, 0, 0) == ["b", "a", "c"]
    assert store.remove("photos", ["a", "none", "c", "a"], deadline=soon) == ["a", "c"]
    assert found(store, 2, 0, 0, 0) == listed(store) == ["b"]
    assert listed(store, "label=cat") == []
    assert store.verify("photos").problems == ()
    before = store.generation("photos")
    assert store.remove("photos", ["a"], deadline=soon) == []
    assert store.generation("photos") == before


def test_an_item_added_after_others_were_removed_is_not_mistaken_for_them(
    found: Finder, store: Store, add: Adder, item: Maker, soon: float
) -> None:
    add("a", "b", "c")
    assert found(store, 3, 0, 0, 0)[0] == "c"
    store.remove("photos", ["c"], deadline=soon)
    add(item("d", 0, 0, 0, 9))
    assert found(store, 0, 0, 0, 9) == ["d", "a", "b"]


def test_every_write_that_changes_something_raises_the_generation(store: Store, add: Adder, soon: float) -> None:
    seen = [store.generation("photos")]
    for write in (
        lambda: add("a", "b"),
        lambda: add("a"),
        lambda: store.update("photos", [ItemUpdate("a", labels=frozenset({"cat"}))], deadline=soon),
        lambda: store.remove("photos", ["b"], deadline=soon),
        lambda: store.put_attachment("photos", "graph", b"data", deadline=soon),
        lambda: store.add_descriptor("photos", SHAPES, [(["a"], np.ones((1, 2), np.float32))], deadline=soon),
    ):
        write()
        seen.append(store.generation("photos"))
    assert seen == sorted(set(seen))
    assert store.describe("photos").generation == seen[-1]
