"""Every store: descriptors that come later, attachments, verification."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import (
    DimensionMismatch,
    InvalidArgument,
    NotFinite,
    PixkinError,
    UnknownDescriptor,
    UnknownItem,
)
from pixkin_scoring.items import AddResult
from pixkin_scoring.query import ScoringQuery
from pixkin_scoring.stores import Store

Adder = Callable[..., list[AddResult]]
COLOURS = "hsv.colours"
SHAPES = Descriptor("hog", 2)


def test_a_descriptor_is_added_to_all_items_and_searched(store: Store, add: Adder, soon: float) -> None:
    add("a", "b", "c")
    blocks = [(["c", "a"], np.array([[3, 0], [1, 0]], np.float32)), (["b"], np.array([[2, 0]], np.float32))]
    store.add_descriptor("photos", SHAPES, iter(blocks), deadline=soon)
    assert [descriptor.name for descriptor in store.describe("photos").descriptors] == [COLOURS, "hog"]
    assert store.fetch("photos", "hog", ["a", "b", "c"])[:, 0].tolist() == [1, 2, 3]
    nearest = store.candidates("photos", ScoringQuery("hog", "euclidean", np.array([3.0, 0])), depth=2, filters=())
    assert nearest.ids == ["c", "b"]
    assert store.verify("photos").problems == ()


@pytest.mark.parametrize(
    ("ids", "vectors", "error"),
    [
        (["a"], [[1, 1]], InvalidArgument),
        (["a", "b", "none"], [[1, 1]] * 3, UnknownItem),
        (["a", "b"], [[1, 1, 1]] * 2, DimensionMismatch),
        (["a", "b"], [[1, math.nan]] * 2, NotFinite),
        (["a", "b"], [[1, 1]], InvalidArgument),
    ],
)
def test_a_descriptor_that_does_not_fit_all_items_leaves_nothing_behind(
    store: Store, add: Adder, soon: float, ids: list[str], vectors: list[list[float]], error: type[PixkinError]
) -> None:
    add("a", "b")
    before = store.describe("photos")
    with pytest.raises(error):
        store.add_descriptor("photos", SHAPES, [(ids, np.array(vectors, np.float32))], deadline=soon)
    assert store.describe("photos").descriptors == before.descriptors
    assert store.generation("photos") == before.generation


def test_a_descriptor_is_not_declared_twice(store: Store, soon: float) -> None:
    with pytest.raises(InvalidArgument, match="already"):
        store.add_descriptor("photos", Descriptor(COLOURS, 4), [], deadline=soon)


def test_a_descriptor_may_be_computed_from_a_scan_of_the_same_collection(store: Store, add: Adder, soon: float) -> None:
    add(*(f"{number:03}" for number in range(100)))
    halves = ((ids, vectors[:, :2] / 2) for ids, vectors in store.scan("photos", COLOURS, block=30))
    store.add_descriptor("photos", SHAPES, halves, deadline=soon)
    assert store.fetch("photos", "hog", ["099"]).tolist() == [[50, 0]]


def test_vectors_of_some_items_are_replaced_and_searched(store: Store, add: Adder, soon: float) -> None:
    add("a", "b", "c")
    store.add_descriptor(
        "photos", SHAPES, [(["a", "b", "c"], np.array([[1, 0], [2, 0], [3, 0]], np.float32))], deadline=soon
    )
    query = ScoringQuery("hog", "euclidean", np.array([9.0, 0]))
    assert store.candidates("photos", query, depth=1, filters=()).ids == ["c"]
    before = store.generation("photos")
    store.put_vectors("photos", "hog", [(["b"], np.array([[9, 0]], np.float32))], deadline=soon)
    assert store.candidates("photos", query, depth=1, filters=()).ids == ["b"]
    assert store.fetch("photos", "hog", ["a", "b", "c"])[:, 0].tolist() == [1, 9, 3]
    assert store.generation("photos") > before
    assert store.verify("photos").problems == ()


@pytest.mark.parametrize(
    ("descriptor", "ids", "vectors", "error"),
    [
        ("none", ["a"], [[1, 1]], UnknownDescriptor),
        ("hog", ["a", "none"], [[1, 1]] * 2, UnknownItem),
        ("hog", ["a", "b"], [[1, 1, 1]] * 2, DimensionMismatch),
        ("hog", ["a", "b"], [[1, math.nan]] * 2, NotFinite),
        ("hog", ["a", "b"], [[1, 1]], InvalidArgument),
    ],
)
def test_vectors_that_do_not_fit_replace_none(
    store: Store,
    add: Adder,
    soon: float,
    descriptor: str,
    ids: list[str],
    vectors: list[list[float]],
    error: type[PixkinError],
) -> None:
    add("a", "b")
    store.add_descriptor("photos", SHAPES, [(["a", "b"], np.array([[1, 0], [2, 0]], np.float32))], deadline=soon)
    with pytest.raises(error):
        store.put_vectors("photos", descriptor, [(ids, np.array(vectors, np.float32))], deadline=soon)
    assert store.fetch("photos", "hog", ["a", "b"])[:, 0].tolist() == [1, 2]


def test_an_attachment_is_kept_with_the_generation_of_its_write(store: Store, add: Adder, soon: float) -> None:
    assert store.get_attachment("photos", "graph") is None
    store.put_attachment("photos", "graph", b"one", deadline=soon)
    add("a")
    store.put_attachment("photos", "graph", b"two" * 1_000_000, deadline=soon)
    assert store.get_attachment("photos", "graph") == (b"two" * 1_000_000, store.generation("photos"))


def test_a_sound_collection_has_no_problems(store: Store, add: Adder) -> None:
    add("a", "b")
    checked = store.verify("photos")
    assert (checked.items, checked.problems) == (2, ())
