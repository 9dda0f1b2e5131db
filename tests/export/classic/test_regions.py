from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_export.classic import histogram
from pixkin_export.classic.regions import number_of, places
from pixkin_proto.errors import InvalidArgument

Start = Callable[..., Callable[[NDArray[np.uint8]], NDArray[np.float32]]]


@pytest.mark.parametrize(("height", "width"), [(7, 5), (64, 48), (1, 9)])
@pytest.mark.parametrize("regions", ["1x1", "2x2", "3x4", "64x2"])
def test_a_grid_cuts_a_picture_into_even_cells(regions: str, height: int, width: int, start: Start) -> None:
    rows, columns = map(int, regions.split("x"))
    # Pixel i is in the cell that has the pixel's upper edge i / length of the way.
    down = np.searchsorted(np.arange(1, rows + 1) / rows, np.arange(height) / height + 1e-9, side="right")
    right = np.searchsorted(np.arange(1, columns + 1) / columns, np.arange(width) / width + 1e-9, side="right")
    assert np.array_equal(places(height, width, regions), down[:, np.newaxis] * columns + right)
    run = start(histogram, space="grey", bins=(1,), regions=regions)
    counted = np.bincount(places(height, width, regions).ravel(), minlength=number_of(regions))
    assert np.array_equal(
        run(np.zeros((1, height, width, 3), np.uint8))[0], counted.astype(np.float32) / np.float32(height * width)
    )


def test_cells_of_a_grid_differ_by_a_row_and_a_column_at_most() -> None:
    heights = np.bincount(places(71, 1, "4x1").ravel())
    assert heights.tolist() == [18, 18, 18, 17]


def test_the_whole_picture_is_a_grid_of_one_cell() -> None:
    assert number_of("whole") == 1
    assert not places(5, 4, "whole").any()


@pytest.mark.parametrize("regions", ["", "0x4", "4x65", "4x", "axb", "4x4x4", "-1x4", "quadrants", "٤x٤"])
def test_other_regions_are_answered_with_those_there_are(regions: str) -> None:
    with pytest.raises(InvalidArgument, match=r"use whole, quadrants-ellipse, or a grid of ROWSxCOLUMNS such as 4x4"):
        number_of(regions)
