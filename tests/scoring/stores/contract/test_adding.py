"""Every store: adding and replacing items, and refusing bad ones."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import (
    DimensionMismatch,
    InvalidArgument,
    InvalidFilter,
    InvalidId,
    InvalidImage,
    NotFinite,
    PixkinError,
    UnknownDescriptor,
)
from pixkin_scoring.items import AddResult, FileFacts, Item
from pixkin_scoring.stores import Store

Adder = Callable[..., list[AddResult]]
Maker = Callable[..., Item]
Opener = Callable[[], Store]
Finder = Callable[..., list[str]]
COLOURS = "hsv.colours"


def states(results: list[AddResult]) -> list[str]:
    return [result.state for result in results]


def test_what_was_added_comes_back_as_it_was(store: Store, add: Adder, item: Maker) -> None:
    whole = item(
        "Bilder/Grüße 🐈.jpg",
        0.1,
        -0.0,
        1e15,
        1e-45,
        labels=frozenset({"cat", "ちゃ"}),
        attributes={"year": 2024.5, "camera": "X100"},
        source="/photos/Bilder/Grüße 🐈.jpg",
        root="/photos",
        file=FileFacts(123, 2**62, b"h" * 32),
        width=640,
        height=480,
        thumbnail=b"jpeg",
    )
    assert states(add(whole)) == ["added"]
    [back] = store.get("photos", [whole.id], thumbnails=True, vectors=True).values()
    assert back.vectors[COLOURS].tobytes() == whole.vectors[COLOURS].tobytes()
    assert store.fetch("photos", COLOURS, [whole.id]).tobytes() == whole.vectors[COLOURS].tobytes()
    lean = {"vectors": {}, "thumbnail": b""}
    assert vars(back) | lean == vars(whole) | lean
    assert back.thumbnail == b"jpeg"
    assert store.get("photos", [whole.id, "none"]) == {whole.id: Item(**(vars(whole) | lean))}


def test_adding_an_id_again_replaces_all_of_it(found: Finder, store: Store, add: Adder, item: Maker) -> None:
    add(item("a", 1, 0, 0, 0, labels=frozenset({"old"}), attributes={"year": 1}, thumbnail=b"old", root="/photos"))
    add("b")
    assert states(add(item("a", 0, 5, 0, 0, labels=frozenset({"new"})))) == ["replaced"]
    [back] = store.get("photos", ["a"], thumbnails=True, vectors=True).values()
    assert (back.labels, back.attributes, back.thumbnail) == ({"new"}, {}, b"")
    assert back.vectors[COLOURS].tolist() == [0, 5, 0, 0]
    assert store.describe("photos").items == 2
    assert found(store, 0, 5, 0, 0)[0] == "a"


def test_the_same_id_twice_in_one_call_is_stored_once(store: Store, add: Adder, item: Maker) -> None:
    assert states(add(item("a", 1, 1, 1, 1), item("a", 2, 2, 2, 2))) == ["added", "replaced"]
    assert store.fetch("photos", COLOURS, ["a"]).tolist() == [[2, 2, 2, 2]]


REFUSED: dict[str, tuple[Item, type[PixkinError]]] = {
    "NaN": (Item("bad", {COLOURS: np.array([0, math.nan, 0, 0], dtype=np.float32)}), NotFinite),
    "infinite": (Item("bad", {COLOURS: np.array([0, math.inf, 0, 0], dtype=np.float32)}), NotFinite),
    "1e30": (Item("bad", {COLOURS: np.array([1e30, 0, 0, 0], dtype=np.float32)}), NotFinite),
    "three dimensions": (Item("bad", {COLOURS: np.ones(3, dtype=np.float32)}), DimensionMismatch),
    "no vector": (Item("bad"), InvalidArgument),
    "another descriptor": (
        Item("bad", {COLOURS: np.ones(4, dtype=np.float32), "hog": np.ones(2, dtype=np.float32)}),
        UnknownDescriptor,
    ),
    "empty id": (Item(""), InvalidId),
    "513 bytes of id": (Item("é" * 256 + "x"), InvalidId),
    "id that is no UTF-8": (Item("bad\udc80"), InvalidId),
}


def bad(**fields: object) -> Item:
    return Item("bad", {COLOURS: np.ones(4, dtype=np.float32)}, **fields)


REFUSED |= {
    "empty label": (bad(labels=frozenset({""})), InvalidArgument),
    "513 bytes of label": (bad(labels=frozenset({"x" * 513})), InvalidArgument),
    "label that is no UTF-8": (bad(labels=frozenset({"\udc80"})), InvalidArgument),
    "attribute name with a space": (bad(attributes={"a b": 1}), InvalidFilter),
    "attribute called label": (bad(attributes={"label": "cat"}), InvalidArgument),
    "NaN attribute": (bad(attributes={"year": math.nan}), InvalidArgument),
    "huge attribute": (bad(attributes={"year": 10**400}), InvalidArgument),
    "whole number beyond 2^53": (bad(attributes={"year": 2**53 + 1}), InvalidArgument),
    "whole number of numpy beyond 2^53": (bad(attributes={"year": np.int64(2**63 - 1)}), InvalidArgument),
    "no attribute": (bad(attributes={"year": None}), InvalidArgument),
    "source that is no UTF-8": (bad(source="/\udc80"), InvalidArgument),
    "size beyond 64 bits": (bad(file=FileFacts(size=2**64)), InvalidArgument),
    "short SHA-256": (bad(file=FileFacts(sha256=b"short")), InvalidArgument),
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_bad_item_is_refused_alone_and_nothing_of_it_is_stored(
    listed: Finder, store: Store, add: Adder, why: str
) -> None:
    item, error = REFUSED[why]
    results = add("a", item, "b")
    assert states(results) == ["added", "refused", "added"]
    assert [result.id for result in results] == ["a", item.id, "b"]
    assert isinstance(results[1].error, error)
    assert listed(store) == ["a", "b"]
    assert store.verify("photos").problems == ()


def test_a_call_with_nothing_but_refusals_leaves_the_generation(store: Store, add: Adder) -> None:
    before = store.generation("photos")
    assert states(add(REFUSED["NaN"][0])) == ["refused"]
    assert store.generation("photos") == before


def test_a_refusal_on_the_way_to_the_store_keeps_its_place(add: Adder) -> None:
    refused = AddResult("broken.jpg", "refused", InvalidImage("corrupt", "broken.jpg is no picture"))
    results = add("a", refused, "b")
    assert results[1] is refused
    assert [result.id for result in results] == ["a", "broken.jpg", "b"]


def test_an_id_from_another_root_is_refused(store: Store, add: Adder, item: Maker) -> None:
    add(item("cat.jpg", root="/photos"))
    [result] = add(item("cat.jpg", 9, 9, 9, 9, root="/drawings"))
    assert isinstance(result.error, InvalidId)
    assert "--prefix" in result.error.message
    assert "/photos" in result.error.message
    assert states(add(item("cat.jpg", root="/photos"))) == ["replaced"]
    assert store.describe("photos").roots == ("/photos",)


def test_thumbnails_are_kept_only_where_the_collection_wants_them(store: Store, item: Maker, soon: float) -> None:
    lean = store.create("lean", store.describe("photos").descriptors, thumbnails=False)
    list(store.add(lean.name, [item("a", thumbnail=b"jpeg")], deadline=soon))
    assert store.get(lean.name, ["a"], thumbnails=True)["a"].thumbnail == b""


def test_items_are_taken_lazily_and_results_come_once_a_batch_is_visible(
    opener: Opener, store: Store, item: Maker, soon: float
) -> None:
    taken: list[int] = []

    def endless() -> Iterator[Item]:
        while True:
            taken.append(len(taken))
            yield item(f"{len(taken):06}")

    results = store.add("photos", endless(), deadline=soon)
    first = next(results)
    assert first == AddResult("000001", "added")
    assert len(taken) == 256
    assert opener().describe("photos").items == 256
    results.close()
    assert store.verify("photos").items == 256


def test_slow_items_are_durable_when_a_second_has_passed(
    listed: Finder, store: Store, item: Maker, soon: float
) -> None:
    def slow() -> Iterator[Item]:
        yield item("a")
        time.sleep(1.1)
        yield item("b")
        pytest.fail("the first batch was not committed when its time was over")

    results = store.add("photos", slow(), deadline=soon)
    assert next(results).id == "a"
    results.close()
    assert listed(store) == ["a"]


def test_an_abandoned_call_gives_the_right_to_write_back(store: Store, add: Adder, item: Maker, soon: float) -> None:
    results = store.add("photos", (item(str(number)) for number in range(1000)), deadline=soon)
    next(results)
    del results
    assert states(add("later")) == ["added"]


def test_zero_vectors_are_stored_and_found(found: Finder, store: Store, add: Adder, item: Maker) -> None:
    add(item("zero", 0, 0, 0, 0), item("one", 1, 0, 0, 0))
    assert found(store, 1, 0, 0, 0, measure="chi2") == ["one", "zero"]
    assert store.verify("photos").problems == ()


def test_a_pause_in_the_stream_commits_what_has_come(store: Store) -> None:
    sent = []

    def items() -> Iterator[Item | None]:
        for name in ("a", "b"):
            sent.append(name)
            yield Item(name, {"d": np.ones(4, np.float32)})
            yield None

    store.create("c", [Descriptor("d", 4)])
    for result in store.add("c", items(), deadline=math.inf):
        assert result.id == sent[-1]
        assert result.id in store.get("c", [result.id])
