"""R-MAC: the maxima of square regions at several scales, each normalised, added up.

Tolias, Sicre, Jégou: Particular object retrieval with integral max-pooling of CNN activations, 2016. At level l = 1 … L
the regions are squares with the side floor(2 min(h, w) / (l + 1)); l of them lie along the shorter side and l + m along
the longer one, evenly spread, where m makes neighbours at level 1 overlap by about 40 %. The maximum of the whole map
counts as one more region, as in the authors' code.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto
from pixkin_proto.descriptors import Norm

from pixkin_export.graph import Graph
from pixkin_export.heads.normalisation import add_norm, normalised
from pixkin_export.heads.pooling import add_mac

Map = NDArray[np.float64]
OVERLAP = 0.4
STEPS = np.arange(2, 8)
"""How many regions may lie along the longer side at level 1 when the map is not square."""


def rmac(features: Map, *, levels: int) -> Map:
    """Return the sum of the L2-normalised regional maxima of a map (c, h, w), (c,)."""
    height, width = features.shape[1:]
    found = normalised(features.max(axis=(1, 2)), Norm.L2)
    for level in range(1, levels + 1):
        side = max(1, 2 * min(height, width) // (level + 1))
        for top in starts(height, min(height, width), side, level):
            for left in starts(width, min(height, width), side, level):
                region = features[:, top : top + side, left : left + side]
                found = found + normalised(region.max(axis=(1, 2)), Norm.L2)
    return found


def starts(length: int, shorter: int, side: int, level: int) -> list[int]:
    """Return where the regions of a level begin along an axis of `length` positions."""
    more = 0
    if length > shorter:
        steps = (length - shorter) / (STEPS - 1)
        more = int(abs((shorter - steps) / shorter - OVERLAP).argmin()) + 1
    count = level + more
    return [place * (length - side) // max(count - 1, 1) for place in range(count)]


def add_rmac(graph: Graph, features: str, *, levels: int) -> str:
    """Add the sum of the L2-normalised regional maxima of maps (n, c, h, w), float32 (n, c)."""
    add = graph.add
    shape = add("Shape", features)
    height, width = (add("Gather", shape, np.int64(axis)) for axis in (2, 3))
    shorter = add("Min", height, width)
    regions = add("Concat", *(_regions(graph, height, width, shorter, level) for level in range(1, levels + 1)), axis=0)
    maxima = _regional_maxima(graph, features, regions)
    summed = add("ReduceSum", add_norm(graph, maxima, Norm.L2), np.array([1]), keepdims=0)
    return add("Add", summed, add_norm(graph, add_mac(graph, features), Norm.L2))


def _regional_maxima(graph: Graph, features: str, regions: str) -> str:
    """Add the maxima of regions (r, 4), each left, top, right, bottom inclusive, of every map: (n, r, c)."""
    add = graph.add
    count = add("Shape", features, start=0, end=1)
    channels = add("Shape", features, start=1, end=2)
    each = add("Shape", regions, start=0, end=1)
    rows = add("Concat", count, each, np.array([1]), axis=0)
    numbers = add("Range", np.int64(0), add("Squeeze", count), np.int64(1))
    numbers = add("Cast", add("Unsqueeze", numbers, np.array([1, 2])), to=TensorProto.FLOAT)
    boxes = add("Expand", regions, add("Concat", count, each, np.array([4]), axis=0))
    rois = add("Reshape", add("Concat", add("Expand", numbers, rows), boxes, axis=2), np.array([-1, 5]))
    pooled = add("MaxRoiPool", features, rois, pooled_shape=[1, 1])
    return add("Reshape", pooled, add("Concat", count, each, channels, axis=0))


def _regions(graph: Graph, height: str, width: str, shorter: str, level: int) -> str:
    """Add the regions of a level, float32 (r, 4)."""
    add = graph.add
    side = add("Max", add("Div", add("Mul", shorter, np.int64(2)), np.int64(level + 1)), np.int64(1))
    tops, lefts = (_starts(graph, length, shorter, side, level) for length in (height, width))
    shape = add("Concat", add("Shape", tops), add("Shape", lefts), axis=0)
    grid = (
        add("Expand", lefts, shape),
        add("Expand", add("Unsqueeze", tops, np.array([1])), shape),
    )
    last = add("Sub", side, np.int64(1))
    corners = (*grid, *(add("Add", each, last) for each in grid))
    regions = add("Concat", *(add("Reshape", each, np.array([-1, 1])) for each in corners), axis=1)
    return add("Cast", regions, to=TensorProto.FLOAT)


def _starts(graph: Graph, length: str, shorter: str, side: str, level: int) -> str:
    """Add where the regions of a level begin along an axis, int64 (count,)."""
    add = graph.add
    longer = add("Sub", length, shorter)
    exact = {
        name: add("Cast", each, to=TensorProto.DOUBLE) for name, each in (("longer", longer), ("shorter", shorter))
    }
    steps = add("Div", exact["longer"], (STEPS - 1).astype(np.float64))
    overlap = add("Div", add("Sub", exact["shorter"], steps), exact["shorter"])
    nearest = add("ArgMin", add("Abs", add("Sub", overlap, np.float64(OVERLAP))), axis=0, keepdims=0)
    more = add("Where", add("Greater", longer, np.int64(0)), add("Add", nearest, np.int64(1)), np.int64(0))
    count = add("Add", more, np.int64(level))
    gaps = add("Max", add("Sub", count, np.int64(1)), np.int64(1))
    places = add("Range", np.int64(0), count, np.int64(1))
    return add("Div", add("Mul", places, add("Sub", length, side)), gaps)
