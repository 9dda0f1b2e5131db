from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_export.classic import bovw, sift
from pixkin_proto.errors import InvalidArgument

Pixels = NDArray[np.uint8]
Vectors = NDArray[np.float32]
Start = Callable[..., Callable[[Pixels], Vectors]]


@pytest.mark.parametrize("root", [True, False])
def test_each_point_counts_for_its_nearest_word(root: bool, start: Start, squares: Pixels) -> None:  # noqa: FBT001 - pytest passes parameters by name
    points = start(sift, step=bovw.STEP, root=root)(squares).reshape(len(squares), -1, 128)
    words = points.reshape(-1, 128)[::31]
    made = start(bovw, vocabulary=words, root=root)(squares)
    for histogram, each in zip(made, points, strict=True):
        nearest = np.linalg.norm(each[:, np.newaxis] - words, axis=2).argmin(axis=1)
        assert np.array_equal(histogram, (np.bincount(nearest, minlength=len(words)) / len(each)).astype(np.float32))


def test_the_first_of_equal_words_counts(start: Start, squares: Pixels, words: Vectors) -> None:
    twice = np.concatenate([words, words])
    made = start(bovw, vocabulary=twice)(squares)
    assert np.array_equal(made[:, : len(words)], start(bovw, vocabulary=words)(squares))
    assert not made[:, len(words) :].any()


def test_parameters_of_the_points_are_those_of_sift(start: Start, squares: Pixels, words: Vectors) -> None:
    made = start(bovw, vocabulary=words, size=(64, 64), cell=3, step=16)(squares)
    points = sift.dim(cell=3, step=16) // 128
    assert np.array_equal(np.rint(made * points) / np.float32(points), made)


@pytest.mark.parametrize("shape", [(0, 128), (3, 127), (128,)])
def test_a_vocabulary_of_another_shape_is_an_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidArgument, match=r"shape \(words, 128\)"):
        bovw.dim(vocabulary=np.zeros(shape, np.float32))


def test_a_vocabulary_that_is_not_finite_is_an_error(words: Vectors) -> None:
    with pytest.raises(InvalidArgument, match="not finite"):
        bovw.dim(vocabulary=np.where(np.arange(128) == 5, np.float32(np.nan), words))
