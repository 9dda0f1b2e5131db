"""CIELAB bins against scikit-image's CIELAB."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_export.classic import histogram
from pixkin_export.classic.spaces import lab
from skimage.color import rgb2lab

Pixels = NDArray[np.uint8]
Start = Callable[..., Callable[[Pixels], NDArray[np.float32]]]
GRID = np.array(list(itertools.product(range(0, 256, 5), repeat=3)), np.uint8)[:, np.newaxis]
LOWEST, WIDTHS = np.array([0, -110, -110]), np.array([100, 220, 220])


@pytest.mark.parametrize("bins", [(5, 7, 7), (4, 8, 8), (20, 41, 41)])
def test_colours_away_from_the_edges_are_in_the_bins_of_scikit_image(bins: tuple[int, int, int]) -> None:
    exact = (rgb2lab(GRID / 255)[:, 0] - LOWEST) / WIDTHS * bins
    clear = (abs(exact - exact.round()) > 0.1 / WIDTHS * bins).all(axis=1)
    expected = np.ravel_multi_index(tuple(np.floor(exact[clear]).astype(int).T), bins)
    assert clear.mean() > 0.85
    assert np.array_equal(lab.formula(GRID, bins)[clear, 0], expected)


def test_the_finest_bins_of_all_colours_are_within_their_number() -> None:
    finest = (256, 256, 256)
    computed = np.stack(np.unravel_index(lab.formula(GRID, finest).ravel(), finest))
    # a* reaches from -86.2 to 98.2, b* from -107.9 to 94.5.
    assert computed.min(axis=1).tolist() == [0, 27, 2]
    assert computed.max(axis=1).tolist() == [255, 242, 237]


def test_the_graph_agrees_on_every_colour_of_a_grid_and_with_256_bins_a_channel(start: Start) -> None:
    run = start(histogram, space="lab", bins=(256, 8, 8), regions="whole")
    some = GRID[::97, np.newaxis]
    assert np.array_equal(run(some).argmax(axis=1), lab.formula(some[:, 0], (256, 8, 8))[:, 0])
    for bins in ((2, 256, 1), (1, 1, 256)):
        run = start(histogram, space="lab", bins=bins, regions="whole")
        assert np.array_equal(run(some).argmax(axis=1), lab.formula(some[:, 0], bins)[:, 0])


@pytest.mark.parametrize("bins", [(10, 7, 7), (10, 8, 8)])
def test_greys_are_told_apart_by_lightness_alone(bins: tuple[int, int, int]) -> None:
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, np.newaxis, np.newaxis], 3, axis=2)
    lightness, a, b = np.unravel_index(lab.formula(greys, bins).ravel(), bins)
    assert set(a) == set(b) == {bins[1] // 2}
    assert (np.diff(lightness) >= 0).all()
    assert set(lightness) == set(range(10))
