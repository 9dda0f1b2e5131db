"""Hue, saturation and value.

With M and m the largest and smallest of r, g, b and d = M - m, a pixel has three bins, of H, S and V:
  - hue: floor(H hue / 360°). Hue in sixths of the circle is N / d with N = g - b where M = r (plus 6d if negative),
    b - r + 2d where M = g, r - g + 4d where M = b; so the bin is floor(H N / 6d). Greys (d = 0) are in bin 0.
  - saturation: min(S - 1, floor(S d / M)); black is in bin 0.
  - value: floor(V M / 256).
All divisions are of integers, so a colour at the edge of a bin is in the same bin on every machine. The pixel's bin is
(hue S + saturation) V + value.

Source: A. R. Smith, Color gamut transform pairs, SIGGRAPH 1978.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pixkin_export.classic.channels import add_channels
from pixkin_export.graph import Graph


def add(graph: Graph, bins: tuple[int, ...]) -> str:
    """Add the bin of every pixel, int32 (n, h, w); bins: of hue, saturation and value."""
    hues, saturations, values = bins
    red, green, blue = add_channels(graph)
    largest = graph.add("Max", red, green, blue)
    spread = graph.add("Sub", largest, graph.add("Min", red, green, blue))
    saturation = graph.add("Min", _floor(graph, spread, largest, times=saturations), np.int32(saturations - 1))
    value = graph.add("Div", graph.add("Mul", largest, np.int32(values)), np.int32(256))
    share = math.gcd(hues, 6)
    sixths = _hue(graph, (red, green, blue), largest, spread)
    hue = _floor(graph, sixths, graph.add("Mul", spread, np.int32(6 // share)), times=hues // share)
    tint = graph.add("Add", graph.add("Mul", hue, np.int32(saturations)), saturation)
    return graph.add("Add", graph.add("Mul", tint, np.int32(values)), value)


def formula(pixels: NDArray[np.uint8], bins: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the bin of every pixel (h, w, 3), int64 (h, w)."""
    hues, saturations, values = bins
    red, green, blue = np.moveaxis(pixels.astype(np.int64), 2, 0)
    largest = pixels.max(axis=2).astype(np.int64)
    spread = largest - pixels.min(axis=2)
    around = [(green - blue) % np.maximum(6 * spread, 1), blue - red + 2 * spread, red - green + 4 * spread]
    sixths = np.select([largest == red, largest == green, largest == blue], around)
    hue = hues * sixths // np.maximum(6 * spread, 1)
    saturation = np.minimum(saturations - 1, saturations * spread // np.maximum(largest, 1))
    return (hue * saturations + saturation) * values + values * largest // 256


def _hue(graph: Graph, channels: tuple[str, str, str], largest: str, spread: str) -> str:
    """Add N, hue in sixths of the circle times d: int32 (n, h, w), 0 to 6d - 1, or 0."""
    add = graph.add
    red, green, blue = channels
    around_red = add("Sub", green, blue)
    around_green = add("Add", add("Sub", blue, red), add("Mul", spread, np.int32(2)))
    around_blue = add("Add", add("Sub", red, green), add("Mul", spread, np.int32(4)))
    other = add("Where", add("Equal", largest, green), around_green, around_blue)
    sixths = add("Where", add("Equal", largest, red), around_red, other)
    turned = add("Add", sixths, add("Mul", spread, np.int32(6)))
    return add("Where", add("Less", sixths, np.int32(0)), turned, sixths)


def _floor(graph: Graph, numerator: str, denominator: str, *, times: int) -> str:
    """Add floor(times numerator / denominator) of non-negative int32, where 0/0 is 0."""
    above = graph.add("Max", denominator, np.int32(1))
    return graph.add("Div", graph.add("Mul", numerator, np.int32(times)), above)
