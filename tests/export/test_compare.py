from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_export.compare import CALIBRATING, HELD_OUT, LEAST, TOP, divide, how_near
from pixkin_proto.errors import InvalidArgument

Pixels = NDArray[np.uint8]
Vectors = NDArray[np.float32]


def table(vectors: Vectors) -> Callable[[Pixels], dict[str, Vectors]]:
    """An extractor that has a vector for the number which a picture consists of."""
    return lambda pixels: {"own": vectors[pixels[:, 0, 0, 0]]}


def numbered(count: int) -> list[Pixels]:
    return [np.full((2, 3, 3), place, np.uint8) for place in range(count)]


@pytest.fixture
def vectors() -> Vectors:
    return np.random.default_rng(4).normal(size=(30, 6)).astype(np.float32)


def test_an_extractor_is_as_near_to_itself_as_can_be(vectors: Vectors) -> None:
    [near] = how_near(table(vectors), table(3 * vectors), numbered(30))
    assert (near.descriptor, near.top_10, near.pictures) == ("own", 1.0, 30)
    assert near.cosine_min == pytest.approx(1)
    assert near.cosine_mean == pytest.approx(1)


def test_the_least_cosine_and_the_mean_are_those_of_the_pictures(vectors: Vectors) -> None:
    other = vectors.copy()
    other[7] *= -1
    [near] = how_near(table(vectors), table(other), numbered(30))
    assert near.cosine_min == pytest.approx(-1)
    assert near.cosine_mean == pytest.approx(28 / 30)


def test_neighbours_are_counted_without_the_picture_itself() -> None:
    angles = np.arange(24) / 24
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    other = ring.copy()
    other[-1] = -ring[-1]  # among the ten nearest of the ten before it, and of itself
    [near] = how_near(table(ring), table(other), numbered(24))
    lost = 0.0
    for place in range(24):
        nearest = set(np.argsort(-np.delete(ring, place, 0) @ ring[place], kind="stable")[:TOP])
        found = set(np.argsort(-np.delete(other, place, 0) @ other[place], kind="stable")[:TOP])
        lost += TOP - len(nearest & found)
    assert lost > 0
    assert near.top_10 == pytest.approx(1 - lost / (24 * TOP))


def test_zero_vectors_are_near_to_each_other_alone(vectors: Vectors) -> None:
    vectors[3] = 0
    other = vectors.copy()
    assert how_near(table(vectors), table(other), numbered(30))[0].cosine_min == pytest.approx(1)
    other[3] = 1
    assert how_near(table(vectors), table(other), numbered(30))[0].cosine_min == 0


def test_too_few_pictures_to_have_neighbours_are_refused(vectors: Vectors) -> None:
    with pytest.raises(InvalidArgument, match="10 pictures are too few to compare 10 neighbours; give 11"):
        how_near(table(vectors), table(vectors), numbered(TOP))


@pytest.mark.parametrize("count", [LEAST, 41, 199, 200, 777, 5000])
def test_what_calibrates_is_not_compared(count: int) -> None:
    calibrating, held_out = divide(range(count), "folder")
    assert not set(calibrating) & set(held_out)
    assert len(calibrating) == len(set(calibrating)) == min(CALIBRATING, count // 2)
    assert len(held_out) == len(set(held_out)) == min(HELD_OUT, count - len(calibrating))
    for part in (calibrating, held_out):
        assert part == sorted(part)
        assert np.diff([0, *part, count]).max() <= 2 * count / len(part) + 1


@pytest.mark.parametrize(("count", "found"), [(0, "no pictures"), (LEAST - 1, "39 pictures")])
def test_a_folder_with_too_few_pictures_is_named(count: int, found: str) -> None:
    with pytest.raises(InvalidArgument, match=f"holidays has {found}, and calibrating takes 40 or more") as raised:
        divide(range(count), "holidays")
    assert "\n" not in raised.value.message
