"""Every store: making, describing and dropping collections."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import (
    CollectionExists,
    InvalidArgument,
    InvalidName,
    UnknownCollection,
)
from pixkin_scoring.items import AddResult
from pixkin_scoring.query import ScoringQuery
from pixkin_scoring.stores import Store

Adder = Callable[..., list[AddResult]]
Opener = Callable[[], Store]
Finder = Callable[..., list[str]]
COLOURS = "hsv.colours"
SHAPES = Descriptor("hog", 2)


def test_a_new_collection_is_described_as_it_was_declared(store: Store) -> None:
    made = store.create("drawings", [SHAPES], thumbnails=False)
    assert made == store.describe("drawings")
    assert (made.name, made.descriptors, made.items, made.thumbnails) == ("drawings", (SHAPES,), 0, False)
    assert made.bytes["disk"] > 0
    assert made.store == store.name
    assert store.list() == ["drawings", "photos"]


def test_a_place_where_nothing_was_made_has_no_collections_and_finds_none(opener: Opener) -> None:
    empty = opener()
    assert empty.list() == []
    with pytest.raises(UnknownCollection, match="photos"):
        empty.describe("photos")


def test_a_collection_is_not_made_twice(store: Store) -> None:
    with pytest.raises(CollectionExists):
        store.create("photos", [SHAPES])
    assert store.describe("photos").descriptors[0].name == COLOURS


def test_a_descriptor_declared_twice_or_wrongly_makes_no_collection(store: Store) -> None:
    with pytest.raises(InvalidArgument, match="twice"):
        store.create("twice", [SHAPES, SHAPES])
    with pytest.raises(InvalidName):
        store.create("wrong", [Descriptor("HOG", 2)])
    assert store.list() == ["photos"]


@pytest.mark.parametrize("name", ["", "Photos", "../photos", "a/b", "a" * 65, "photos.sqlite"])
def test_a_name_that_breaks_the_rule_is_refused_everywhere(store: Store, name: str, soon: float) -> None:
    for call in (
        lambda: store.create(name, [SHAPES]),
        lambda: store.describe(name),
        lambda: store.drop(name),
        lambda: list(store.add(name, [], deadline=soon)),
        lambda: store.generation(name),
    ):
        with pytest.raises(InvalidName):
            call()


def test_every_operation_names_a_collection_that_is_not_there(store: Store, soon: float) -> None:
    for call in (
        lambda: store.describe("none"),
        lambda: store.drop("none"),
        lambda: list(store.add("none", [], deadline=soon)),
        lambda: store.update("none", [], deadline=soon),
        lambda: store.remove("none", [], deadline=soon),
        lambda: store.get("none", ["a"]),
        lambda: store.list_items("none", (), size=1),
        lambda: store.labels("none"),
        lambda: store.fetch("none", COLOURS, []),
        lambda: list(store.scan("none", COLOURS)),
        lambda: store.candidates("none", ScoringQuery(COLOURS, "euclidean", np.ones(4)), depth=1, filters=()),
        lambda: store.add_descriptor("none", SHAPES, [], deadline=soon),
        lambda: store.put_attachment("none", "graph", b"", deadline=soon),
        lambda: store.get_attachment("none", "graph"),
        lambda: store.generation("none"),
        lambda: store.verify("none"),
    ):
        with pytest.raises(UnknownCollection, match=r"'none' in .* \(it has: photos\)"):
            call()


def test_a_dropped_collection_is_gone_and_its_name_is_free(found: Finder, store: Store, add: Adder) -> None:
    add("a")
    assert found(store, 1, 0, 0, 0) == ["a"]
    store.drop("photos")
    assert store.list() == []
    with pytest.raises(UnknownCollection):
        found(store, 1, 0, 0, 0)
    store.create("photos", [Descriptor(COLOURS, 4)])
    assert found(store, 1, 0, 0, 0) == []


def test_a_second_opener_sees_a_collection_that_was_dropped_and_made_anew(
    found: Finder, opener: Opener, store: Store, add: Adder
) -> None:
    add("a")
    other = opener()
    assert found(other, 1, 0, 0, 0) == ["a"]
    store.drop("photos")
    with pytest.raises(UnknownCollection):
        found(other, 1, 0, 0, 0)
    store.create("photos", [Descriptor(COLOURS, 4)])
    add("b")
    assert found(other, 1, 0, 0, 0) == ["b"]
    other.close()
    assert store.verify("photos").problems == ()


def test_a_closed_store_may_be_closed_again(store: Store) -> None:
    store.close()
    store.close()
