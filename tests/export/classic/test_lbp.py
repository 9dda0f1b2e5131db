"""LBP against scikit-image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_export.classic import lbp
from pixkin_export.classic.channels import grey
from pixkin_proto.errors import InvalidArgument
from skimage.feature import local_binary_pattern

Pixels = NDArray[np.uint8]
Start = Callable[..., Callable[[Pixels], NDArray[np.float32]]]
METHODS = {"nri-uniform": "nri_uniform", "uniform": "uniform"}


def tied(light: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return where a point between pixels is as bright as its pixel, so that scikit-image's rounding decides."""
    around = np.pad(light, 1)
    near, far = 1 - 0.70711, 0.70711
    inner, found = np.s_[1:-1], np.zeros(light.shape, bool)
    for down, right in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
        beside = np.roll(around, -right, axis=1) + np.roll(around, -down, axis=0)
        across = np.roll(around, (-down, -right), axis=(0, 1))
        value = near * near * around + near * far * beside + far * far * across
        found |= abs(value - around)[inner, inner] < 1e-6
    return found


@pytest.mark.parametrize("codes", METHODS)
def test_codes_are_those_of_scikit_image_away_from_ties(codes: str, squares: Pixels) -> None:
    noise = np.random.default_rng(5).integers(0, 4, (3, 64, 64, 1), dtype=np.uint8) * np.ones(3, np.uint8)
    for picture in (*squares[:8], *noise):
        light = grey(picture)
        expected = local_binary_pattern(light.astype(np.uint8), 8, 1, METHODS[codes])
        clear = ~tied(light)
        assert clear.mean() > 0.3
        assert np.array_equal(lbp.coded(picture, codes=codes)[clear], expected[clear])


@pytest.mark.parametrize("codes", METHODS)
def test_a_histogram_counts_the_codes_of_each_cell(codes: str, start: Start, squares: Pixels) -> None:
    size = lbp.CODES[codes]
    made = start(lbp, codes=codes, regions="2x2")(squares[:2])
    for picture, histogram in zip(squares, made, strict=False):
        found = lbp.coded(picture, codes=codes)
        cells = [found[row : row + 32, column : column + 32] for row in (0, 32) for column in (0, 32)]
        counted = [np.bincount(cell.ravel(), minlength=size) for cell in cells]
        assert np.array_equal(histogram, np.concatenate(counted) / np.float32(64 * 64))


def test_a_picture_turned_by_a_quarter_keeps_its_histogram_where_turns_do_not_count(
    start: Start, squares: Pixels
) -> None:
    turned = np.ascontiguousarray(np.rot90(squares, axes=(1, 2)))
    any_turn, with_turns = (start(lbp, codes=codes, regions="whole") for codes in ("uniform", "nri-uniform"))
    assert np.array_equal(any_turn(squares), any_turn(turned))
    assert not np.array_equal(with_turns(squares), with_turns(turned))


def test_one_colour_sets_all_bits_inside(start: Start) -> None:
    made = start(lbp, codes="uniform", regions="whole")(np.full((1, 10, 10, 3), 90, np.uint8))
    assert made[0].argmax() == 8
    assert made[0, 8] == pytest.approx(0.64)


def test_unknown_codes_are_answered_with_those_there_are() -> None:
    with pytest.raises(InvalidArgument, match="no LBP codes 'ror'; use nri-uniform or uniform"):
        lbp.dim(codes="ror")
