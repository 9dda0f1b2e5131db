"""The HSV histogram against its definition in rational numbers, one pixel at a time."""

from __future__ import annotations

import colorsys
import itertools
from collections.abc import Callable
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_export.classic import histogram

Pixels = NDArray[np.uint8]
Run = Callable[[Pixels], NDArray[np.float32]]
COLOURS, DIM = 81, 405
EDGES = (0, 1, 84, 85, 86, 127, 128, 169, 170, 171, 254, 255)
SIZES = [(1, 1), (1, 2), (1, 7), (9, 1), (2, 2), (3, 3), (4, 5), (5, 4), (8, 8), (16, 24), (17, 31), (33, 20)]


@pytest.fixture(scope="module")
def histograms(start: Callable[..., Run]) -> Run:
    return start(histogram)


def colour_bins(histograms: Run, colours: Pixels) -> NDArray[np.int64]:
    """Return each colour's bin: that of a picture of this one pixel, which is in the ellipse. colours: (n, 3)."""
    return histograms(colours[:, np.newaxis, np.newaxis]).argmax(axis=1) - 4 * COLOURS


@cache
def colour_bin(red: int, green: int, blue: int) -> int:
    largest, spread = max(red, green, blue), max(red, green, blue) - min(red, green, blue)
    if spread == 0:
        hue = Fraction(0)
    elif largest == red:
        hue = Fraction(green - blue, spread) % 6
    elif largest == green:
        hue = 2 + Fraction(blue - red, spread)
    else:
        hue = 4 + Fraction(red - green, spread)
    saturation = Fraction(spread, largest) if largest else Fraction(0)
    return 9 * int(9 * hue / 6) + 3 * min(2, int(3 * saturation)) + int(Fraction(3 * largest, 256))


def region(row: int, column: int, height: int, width: int) -> int:
    x, y = column + Fraction(1, 2), row + Fraction(1, 2)
    if ((x - Fraction(width, 2)) / (width * Fraction(3, 8))) ** 2 + (
        (y - Fraction(height, 2)) / (height * Fraction(3, 8))
    ) ** 2 <= 1:
        return 4
    return 2 * (y >= Fraction(height, 2)) + (x >= Fraction(width, 2))


def counts(picture: Pixels) -> NDArray[np.int64]:
    height, width = picture.shape[:2]
    found = np.zeros(DIM, np.int64)
    for row, column in np.ndindex(height, width):
        found[COLOURS * region(row, column, height, width) + colour_bin(*map(int, picture[row, column]))] += 1
    return found


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_counts_are_exact_for_every_picture_of_a_batch(histograms: Run, height: int, width: int) -> None:
    random = np.random.default_rng(height * 100 + width)
    pictures = random.integers(0, 256, (4, height, width, 3), dtype=np.uint8)
    pictures[1] = random.choice(np.array(EDGES, np.uint8), pictures[1].shape)
    pictures[2] = pictures[2, :, :, :1]
    computed = histograms(pictures)
    for picture, made in zip(pictures, computed, strict=True):
        expected = counts(picture).astype(np.float32) / np.float32(height * width)
        assert np.array_equal(made, expected)
    alone = [histograms(picture[np.newaxis])[0] for picture in pictures]
    assert np.array_equal(computed, np.stack(alone))


def test_colours_at_the_edges_of_bins_are_in_the_bins_that_the_definition_says(histograms: Run) -> None:
    colours = np.array(list(itertools.product(EDGES, repeat=3)), np.uint8)
    assert colour_bins(histograms, colours).tolist() == [colour_bin(*map(int, colour)) for colour in colours]


def test_colours_away_from_the_edges_are_where_colorsys_has_them(histograms: Run) -> None:
    colours = np.random.default_rng(3).integers(0, 256, (5000, 3), dtype=np.uint8)
    compared = 0
    for colour, computed in zip(colours, colour_bins(histograms, colours), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*(colour / 255.0))
        places = np.array([9 * hue, 3 * saturation, 3 * value * 255 / 256])
        if abs(places - places.round()).min() > 1e-9:
            compared += 1
            assert computed == np.floor(places) @ [9, 3, 1], colour
    assert compared > 4000


def test_greys_are_told_apart_by_value_alone(histograms: Run) -> None:
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, np.newaxis], 3, axis=1)
    assert colour_bins(histograms, greys).tolist() == [0] * 86 + [1] * 85 + [2] * 85


def test_the_middle_row_and_column_of_odd_sizes_count_as_bottom_and_right(histograms: Run) -> None:
    row = histograms(np.zeros((1, 1, 101, 3), np.uint8))[0]
    column = histograms(np.zeros((1, 101, 1, 3), np.uint8))[0]
    assert np.flatnonzero(row).tolist() == [2 * COLOURS, 3 * COLOURS, 4 * COLOURS]
    assert np.flatnonzero(column).tolist() == [1 * COLOURS, 3 * COLOURS, 4 * COLOURS]


def test_a_very_wide_picture_has_its_ellipse(histograms: Run) -> None:
    # Two of the four rows cross it, ½ of a pixel from its centre: √(1 - (0.5 / 1.5)²) of ¾ of the width.
    wide = histograms(np.zeros((1, 4, 16_384, 3), np.uint8))[0].reshape(5, COLOURS)
    inside = 0.75 * np.sqrt(8 / 9) / 2
    assert wide[:, 0] == pytest.approx([(1 - inside) / 4] * 4 + [inside], abs=1e-4)


def test_a_mirrored_picture_of_even_sides_swaps_left_and_right(histograms: Run) -> None:
    picture = np.random.default_rng(5).integers(0, 256, (1, 40, 60, 3), dtype=np.uint8)
    there, back = (histograms(each)[0].reshape(5, COLOURS) for each in (picture, picture[:, :, ::-1].copy()))
    assert np.array_equal(there[[1, 0, 3, 2, 4]], back)
