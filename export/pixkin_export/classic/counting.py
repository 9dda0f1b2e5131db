"""How many of a picture's places fall into which bin, as shares of all places."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray

from pixkin_export.graph import Graph


class Extent(NamedTuple):
    """Names of int64 tensors (1,) about the input, and of `rows` = [n, h * w], int64 (2,)."""

    pictures: str
    height: str
    width: str
    area: str
    rows: str


def add_extent(graph: Graph) -> Extent:
    """Add the input's numbers of pictures, rows, columns and pixels."""
    add = graph.add
    shape = add("Shape", Graph.pixels)
    pictures, height, width = (add("Slice", shape, np.array([axis]), np.array([axis + 1])) for axis in range(3))
    area = add("Mul", height, width)
    return Extent(pictures, height, width, area, add("Concat", pictures, area, axis=0))


def add_shares(graph: Graph, bins: str, dim: int, *, count: str, total: str, rows: str) -> str:
    """Add the number of places in each bin, divided by all places: float32 (n, dim), sum 1.

    bins: integers, 0 to dim - 1, that can be reshaped to `rows` = [n, places]; `count` = [n], `total` = [places].
    Counting is of integers, so it is exact and the same in every order.
    """
    add = graph.add
    counts = add(
        "ScatterElements",
        add("Expand", np.int32(0), add("Concat", count, np.array([dim]), axis=0)),
        add("Reshape", bins, rows),
        add("Expand", np.int32(1), rows),
        axis=1,
        reduction="add",
    )
    return add("Div", *(add("Cast", each, to=onnx.TensorProto.FLOAT) for each in (counts, total)))


def shares(bins: NDArray[np.int64], dim: int) -> NDArray[np.float64]:
    """Return the share of each bin, (dim,); bins: of any shape, not empty."""
    return np.bincount(bins.ravel(), minlength=dim) / bins.size
