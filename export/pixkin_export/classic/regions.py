"""The parts of a picture that have a histogram each.

A pixel's place is its centre (x + ½, y + ½) in a picture of w by h. All comparisons are of integers.
  - `whole`: one region.
  - `RxC`, such as `4x4`: R rows of C regions, row by row; the pixel is in row floor(R y / h) and column floor(C x / w).
    A picture with fewer rows or columns than the grid leaves regions empty.
  - `quadrants-ellipse`: five regions.
      - Region 4 is the ellipse around (w/2, h/2) with axes of ¾ w and ¾ h, its edge included:
        16 (2x + 1 - w)² h² + 16 (2y + 1 - h)² w² <= 9 w² h².
      - The rest are quadrants: 0 top left, 1 top right, 2 bottom left, 3 bottom right. Top is 2y + 1 < h and left is
        2x + 1 < w, so the middle row of an odd height counts as bottom and the middle column of an odd width as right.
"""

from __future__ import annotations

import re

import numpy as np
import onnx
from numpy.typing import NDArray
from pixkin_proto.axes import Axis, Outline
from pixkin_proto.errors import InvalidArgument

from pixkin_export.classic.counting import Extent
from pixkin_export.graph import Graph

WHOLE = "whole"
ELLIPSE = "quadrants-ellipse"
MOST = 64


def number_of(regions: str) -> int:
    """Return how many regions there are; raise InvalidArgument for a name that is none of the three."""
    if regions == ELLIPSE:
        return 5
    rows, columns = _grid(regions)
    return rows * columns


def add_first_bins(graph: Graph, extent: Extent, bins: str, regions: str, each: int) -> str:
    """Add `each` times the pixel's region to int32 bins (n, h, w); sides up to 16,384."""
    if number_of(regions) == 1:
        return bins
    first = _ellipse if regions == ELLIPSE else _cells
    return graph.add("Add", bins, first(graph, extent, regions, each))


def places(height: int, width: int, regions: str) -> NDArray[np.int64]:
    """Return the region of every pixel of a picture, int64 (h, w)."""
    y, x = np.mgrid[:height, :width]
    if regions != ELLIPSE:
        rows, columns = _grid(regions)
        return y * rows // height * columns + x * columns // width
    down, right = 2 * y + 1 - height, 2 * x + 1 - width
    inside = 16 * ((right * height) ** 2 + (down * width) ** 2) <= 9 * (height * width) ** 2
    return np.where(inside, 4, 2 * (down >= 0) + (right >= 0))


def regions_axis(regions: str) -> Axis:
    """Return the regions with their names and where they lie."""
    if regions == ELLIPSE:
        quadrants = {
            f"{down} {right}": Outline(x, y, 0.5, 0.5)
            for y, down in ((0.0, "top"), (0.5, "bottom"))
            for x, right in ((0.0, "left"), (0.5, "right"))
        }
        named = quadrants | {"centre": Outline(0.125, 0.125, 0.75, 0.75, ellipse=True)}
    else:
        rows, columns = _grid(regions)
        named = {
            f"row {row + 1}, column {column + 1}": Outline(column / columns, row / rows, 1 / columns, 1 / rows)
            for row in range(rows)
            for column in range(columns)
        }
    return Axis("region", tuple(named), tuple(named.values()))


def _grid(regions: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,2})x(\d{1,2})", "1x1" if regions == WHOLE else regions, re.ASCII)
    rows, columns = map(int, found.groups()) if found else (0, 0)
    if not (1 <= rows <= MOST and 1 <= columns <= MOST):
        raise InvalidArgument(
            f"there are no regions {regions!r}; use {WHOLE}, {ELLIPSE}, or a grid of ROWSxCOLUMNS such as 4x4, each 1 "
            f"to {MOST}"
        )
    return rows, columns


def _cells(graph: Graph, extent: Extent, regions: str, each: int) -> str:
    """Add the first bin of each place's cell of the grid, int32 (h, w)."""
    rows, columns = _grid(regions)
    down = graph.add("Mul", _parts(graph, extent.height, rows), np.int64(columns))
    cell = graph.add("Add", graph.add("Unsqueeze", down, np.array([1])), _parts(graph, extent.width, columns))
    return graph.add("Cast", graph.add("Mul", cell, np.int64(each)), to=onnx.TensorProto.INT32)


def _parts(graph: Graph, length: str, parts: int) -> str:
    """Add floor(parts i / length) for each index i, int64 (length,)."""
    index = graph.add("Range", np.int64(0), graph.add("Squeeze", length), np.int64(1))
    return graph.add("Div", graph.add("Mul", index, np.int64(parts)), length)


def _ellipse(graph: Graph, extent: Extent, _regions: str, each: int) -> str:
    """Add the first bin of each place's quadrant or of the ellipse, int32 (h, w)."""
    add = graph.add
    down, right = _from_centre(graph, extent.height), _from_centre(graph, extent.width)
    to_down = _squared(graph, add("Mul", down, extent.width), times=4)
    to_right = _squared(graph, add("Mul", right, extent.height), times=4)
    edge = _squared(graph, add("Mul", extent.height, extent.width), times=3)
    outside = add("Greater", add("Add", add("Unsqueeze", to_down, np.array([1])), to_right), edge)
    top = add("Unsqueeze", _side(graph, down, 2 * each), np.array([1]))
    quadrant = add("Add", top, _side(graph, right, each))
    return add("Where", outside, quadrant, np.int32(4 * each))


def _squared(graph: Graph, length: str, *, times: int) -> str:
    """Add (times length)² of int64; below 2^61 for sides up to 16,384."""
    longer = graph.add("Mul", length, np.int64(times))
    return graph.add("Mul", longer, longer)


def _from_centre(graph: Graph, length: str) -> str:
    """Add 2i + 1 - length for each index i, int64 (length,): twice the way from the centre."""
    end = graph.add("Squeeze", length)
    return graph.add("Range", graph.add("Sub", np.int64(1), end), end, np.int64(2))


def _side(graph: Graph, from_centre: str, first: int) -> str:
    """Add `first` where an index is not before the centre, else 0."""
    before = graph.add("Less", from_centre, np.int64(0))
    return graph.add("Where", before, np.int32(0), np.int32(first))
