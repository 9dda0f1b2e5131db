"""Where in a picture which colours are: an HSV histogram of five regions, 405 numbers, counted exactly.

**Colours.** With M and m the largest and smallest of r, g, b and d = M - m, a pixel has three bins:
  - hue, 9 bins: floor(9 hue / 360°). Hue in sixths of the circle is N / d with N = g - b where M = r (plus 6d if
    negative), b - r + 2d where M = g, r - g + 4d where M = b; so the bin is floor(3N / 2d). Greys (d = 0) are in bin 0.
  - saturation, 3 bins: min(2, floor(3d / M)); black is in bin 0.
  - value, 3 bins: floor(3M / 256).
All divisions are of integers, so a colour at the edge of a bin is in the same bin on every machine.

**Regions.** A pixel's place is its centre (x + ½, y + ½) in a picture of w by h.
  - Region 4 is the ellipse around (w/2, h/2) with axes of ¾ w and ¾ h, its edge included:
    16 (2x + 1 - w)² h² + 16 (2y + 1 - h)² w² <= 9 w² h².
  - The rest are quadrants: 0 top left, 1 top right, 2 bottom left, 3 bottom right. Top is 2y + 1 < h and left is
    2x + 1 < w, so the middle row of an odd height counts as bottom and the middle column of an odd width as right.

Component 81 region + 9 hue + 3 saturation + value is the number of such pixels divided by all pixels of the picture, so
the 405 components sum to 1.
"""

from __future__ import annotations

import numpy as np
import onnx

from pixkin_export.graph import Graph

HUES, SATURATIONS, VALUES, REGIONS = 9, 3, 3, 5
COLOURS = HUES * SATURATIONS * VALUES
DIM = REGIONS * COLOURS


def build() -> onnx.ModelProto:
    """Return the graph for pixels uint8 (n, h, w, 3) RGB, sides up to 16,384; output `histogram` (n, 405)."""
    graph = Graph("hsv-histogram")
    add = graph.add
    shape = add("Shape", Graph.pixels)
    count, height, width = (add("Slice", shape, np.array([axis]), np.array([axis + 1])) for axis in range(3))
    area = add("Mul", height, width)
    rows = add("Concat", count, area, axis=0)
    bins = add("Add", _colour_bins(graph), _first_bins(graph, height, width))
    counts = add(
        "ScatterElements",
        add("Expand", np.int32(0), add("Concat", count, np.array([DIM]), axis=0)),
        add("Reshape", bins, rows),
        add("Expand", np.int32(1), rows),
        axis=1,
        reduction="add",
    )
    add("Div", _float(graph, counts), _float(graph, area), output="histogram")
    return graph.model({"histogram": DIM})


def _colour_bins(graph: Graph) -> str:
    """Add 9 hue + 3 saturation + value, int32 (n, h, w)."""
    add = graph.add
    red, green, blue = (
        add("Cast", add("Gather", Graph.pixels, np.int64(channel), axis=3), to=onnx.TensorProto.INT32)
        for channel in range(3)
    )
    largest = add("Max", red, green, blue)
    spread = add("Sub", largest, add("Min", red, green, blue))
    saturation = add("Min", _floor(graph, spread, largest, times=3), np.int32(SATURATIONS - 1))
    value = add("Div", add("Mul", largest, np.int32(VALUES)), np.int32(256))
    hue = _hue_bin(graph, red, green, blue, largest, spread)
    return add("Add", add("Mul", add("Add", add("Mul", hue, np.int32(3)), saturation), np.int32(3)), value)


def _hue_bin(graph: Graph, red: str, green: str, blue: str, largest: str, spread: str) -> str:
    add = graph.add
    around_red = add("Sub", green, blue)
    around_green = add("Add", add("Sub", blue, red), add("Mul", spread, np.int32(2)))
    around_blue = add("Add", add("Sub", red, green), add("Mul", spread, np.int32(4)))
    other = add("Where", add("Equal", largest, green), around_green, around_blue)
    sixths = add("Where", add("Equal", largest, red), around_red, other)
    turned = add("Add", sixths, add("Mul", spread, np.int32(6)))
    positive = add("Where", add("Less", sixths, np.int32(0)), turned, sixths)
    return _floor(graph, positive, add("Mul", spread, np.int32(2)), times=3)


def _floor(graph: Graph, numerator: str, denominator: str, *, times: int) -> str:
    """Add floor(times numerator / denominator) of non-negative int32, where 0/0 is 0."""
    above = graph.add("Max", denominator, np.int32(1))
    return graph.add("Div", graph.add("Mul", numerator, np.int32(times)), above)


def _first_bins(graph: Graph, height: str, width: str) -> str:
    """Add the first bin of each place's region, int32 (h, w)."""
    add = graph.add
    down, right = _from_centre(graph, height), _from_centre(graph, width)
    to_down = _squared(graph, add("Mul", down, width), times=4)
    to_right = _squared(graph, add("Mul", right, height), times=4)
    edge = _squared(graph, add("Mul", height, width), times=3)
    outside = add("Greater", add("Add", add("Unsqueeze", to_down, np.array([1])), to_right), edge)
    quadrant = add("Add", add("Unsqueeze", _side(graph, down, 2), np.array([1])), _side(graph, right, 1))
    return add("Where", outside, quadrant, np.int32(COLOURS * 4))


def _squared(graph: Graph, length: str, *, times: int) -> str:
    """Add (times length)² of int64; below 2^61 for sides up to 16,384."""
    longer = graph.add("Mul", length, np.int64(times))
    return graph.add("Mul", longer, longer)


def _from_centre(graph: Graph, length: str) -> str:
    """Add 2i + 1 - length for each index i, int64 (length,): twice the way from the centre."""
    add = graph.add
    end = add("Squeeze", length)
    return add("Range", add("Sub", np.int64(1), end), end, np.int64(2))


def _side(graph: Graph, from_centre: str, region: int) -> str:
    """Add the first bin of `region` where an index is not before the centre, else 0."""
    before = graph.add("Less", from_centre, np.int64(0))
    return graph.add("Where", before, np.int32(0), np.int32(COLOURS * region))


def _float(graph: Graph, integers: str) -> str:
    return graph.add("Cast", integers, to=onnx.TensorProto.FLOAT)
