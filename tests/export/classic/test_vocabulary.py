from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_export.classic import sift
from pixkin_export.classic.vocabulary import davies_bouldin, learn, sample
from pixkin_proto.errors import InvalidArgument

Pixels = NDArray[np.uint8]
Vectors = NDArray[np.float32]
Run = Callable[[Pixels], Vectors]


@pytest.fixture(scope="module")
def run(start: Callable[..., Run]) -> Run:
    return start(sift, root=True)


@pytest.fixture(scope="module")
def descriptors(squares: Pixels, run: Run) -> Vectors:
    return sample(squares, run)


@pytest.fixture(scope="module")
def heaps() -> Vectors:
    """Descriptors in 12 heaps of 50."""
    draw = np.random.default_rng(1)
    centres = draw.random((12, 1, 128))
    return (centres + draw.normal(0, 0.01, (12, 50, 128))).reshape(-1, 128).astype(np.float32)


def test_all_descriptors_of_all_pictures_are_sampled_in_order(squares: Pixels, run: Run, descriptors: Vectors) -> None:
    assert np.array_equal(descriptors, run(squares).reshape(-1, 128))


@pytest.mark.parametrize("most", [1, 60, 979, 980])
def test_a_smaller_sample_is_drawn_from_all_pictures_alike(
    most: int, squares: Pixels, run: Run, descriptors: Vectors
) -> None:
    drawn = sample(squares, run, most=most)
    assert drawn.shape == (most, 128)
    assert np.array_equal(drawn, sample(iter(squares), run, most=most))
    index = [int(np.flatnonzero((descriptors == each).all(axis=1))[0]) for each in drawn]
    assert index == sorted(index)
    if most == 60:
        assert not np.array_equal(drawn, sample(squares, run, most=most, seed=1))
        assert min(index) < 200
        assert max(index) > 780


def test_words_are_the_middles_of_the_heaps(heaps: Vectors) -> None:
    words = learn(heaps, 12, batch=64)
    middles = heaps.reshape(12, 50, 128).mean(axis=1)
    away = np.linalg.norm(words[:, np.newaxis] - middles, axis=2)
    assert words.shape == (12, 128)
    assert words.dtype == np.float32
    assert sorted(away.argmin(axis=1)) == list(range(12))
    assert away.min(axis=1).max() < 0.1


def test_the_same_descriptors_give_the_same_words_and_another_seed_others(descriptors: Vectors) -> None:
    words = learn(descriptors, 30, batch=64)
    assert np.array_equal(words, learn(descriptors.copy(), 30, batch=64))
    assert not np.array_equal(words, learn(descriptors, 30, batch=64, seed=1))
    assert not np.array_equal(words, learn(descriptors, 30, batch=512))


def test_the_index_of_davies_and_bouldin_is_lowest_at_the_number_of_heaps(heaps: Vectors) -> None:
    index = davies_bouldin(heaps, [4, 12, 40])
    assert list(index) == [4, 12, 40]
    assert min(index, key=index.__getitem__) == 12


def test_too_few_descriptors_are_an_error_that_says_how_many_came(heaps: Vectors) -> None:
    with pytest.raises(
        InvalidArgument, match=r"^600 descriptors came, 600 of them different, and .* 600 words needs more"
    ):
        learn(heaps, 600)
    with pytest.raises(InvalidArgument, match=r"^1200 descriptors came, 600 of them different"):
        davies_bouldin(np.concatenate([heaps, heaps]), [12, 700])


def test_no_picture_is_an_error(run: Run) -> None:
    with pytest.raises(InvalidArgument, match=r"^0 descriptors came"):
        learn(sample([], run), 2)


@pytest.mark.parametrize(("words", "batch"), [(1, 64), (0, 64), (5, 0)])
def test_less_than_two_words_and_empty_steps_are_an_error(words: int, batch: int, heaps: Vectors) -> None:
    with pytest.raises(InvalidArgument, match="at least 2 words and a step of 1"):
        learn(heaps, words, batch=batch)
