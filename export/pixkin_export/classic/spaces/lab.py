"""CIELAB of sRGB under D65, computed in integers so that a colour is in the same bin on every machine.

L* = 116 f(Y) - 16, a* = 500 (f(X) - f(Y)), b* = 200 (f(Y) - f(Z)), where X, Y and Z are relative to white and f(t) is
∛t above (6/29)³, else t (29/6)² / 3 + 4/29 (CIE 15; sRGB: IEC 61966-2-1). Here
  - a channel v is linear(v) in 1/65535, rounded;
  - X, Y and Z in 1/65535 are weighted means of the three, with weights in 1/16384 that sum to 16384: greys have
    X = Y = Z and so a* = b* = 0 exactly;
  - f of these is looked up, in 1/65535, rounded.
L*, a* and b* are thereby within 0.1 of their values without rounding. L* is cut into even bins from 0 to 100, a* and b*
from -110 to 110 (colours of sRGB reach -108 to 99). An odd number of bins has the greys amid a bin; an even number has
an edge there, with exact greys on the upper side. The pixel's bin is (L A + a) B + b.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import onnx
from numpy.typing import NDArray

from pixkin_export.classic.channels import add_channels, add_weighted
from pixkin_export.graph import Graph

ONE = 65_535
XYZ: tuple[tuple[int, int, int], ...] = ((7110, 6164, 3110), (3484, 11717, 1183), (291, 1794, 14299))
"""What red, green and blue add to X, Y and Z of white, in 1/16384."""


@cache
def linear() -> NDArray[np.int32]:
    """Return the linear light of each channel value, (256,) in 1/65535."""
    v = np.arange(256) / 255
    return np.rint(ONE * np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)).astype(np.int32)


@cache
def cube_root() -> NDArray[np.uint16]:
    """Return f of each X, Y or Z in 1/65535, (65536,) in 1/65535."""
    t = np.arange(ONE + 1) / ONE
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.rint(ONE * f).astype(np.uint16)


def add(graph: Graph, bins: tuple[int, ...]) -> str:
    """Add the bin of every pixel, int32 (n, h, w); bins: of L*, a* and b*."""
    red, green, blue = (graph.add("Gather", linear(), channel) for channel in add_channels(graph))
    x, y, z = (_cube_root(graph, add_weighted(graph, (red, green, blue), weights)) for weights in XYZ)
    lightness = _lightness(graph, y, bins[0])
    # 500 / 220 and 200 / 220 are 50 / 22 and 20 / 22, which keep 256 bins within 31 bits.
    a = _even(graph, graph.add("Sub", x, y), times=50, bins=bins[1])
    b = _even(graph, graph.add("Sub", y, z), times=20, bins=bins[2])
    both = graph.add("Add", graph.add("Mul", lightness, np.int32(bins[1])), a)
    return graph.add("Add", graph.add("Mul", both, np.int32(bins[2])), b)


def formula(pixels: NDArray[np.uint8], bins: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the bin of every pixel (h, w, 3), int64 (h, w)."""
    light = linear().astype(np.int64)[pixels]
    x, y, z = np.moveaxis(cube_root().astype(np.int64)[(light @ np.array(XYZ).T + 8192) >> 14], 2, 0)
    lightness = np.clip((116 * y - 16 * ONE) * bins[0] // (100 * ONE), 0, bins[0] - 1)
    a = (500 * (x - y) + 110 * ONE) * bins[1] // (220 * ONE)
    b = (200 * (y - z) + 110 * ONE) * bins[2] // (220 * ONE)
    return (lightness * bins[1] + a) * bins[2] + b


def _cube_root(graph: Graph, light: str) -> str:
    return graph.add("Cast", graph.add("Gather", cube_root(), light), to=onnx.TensorProto.INT32)


def _lightness(graph: Graph, y: str, bins: int) -> str:
    """Add the bin of L*, at most the last one (white is 100), at least 0 (f of black is rounded down)."""
    add = graph.add
    above = add("Max", add("Sub", add("Mul", y, np.int32(116)), np.int32(16 * ONE)), np.int32(0))
    bin_ = add("Div", add("Mul", above, np.int32(bins)), np.int32(100 * ONE))
    return add("Min", bin_, np.int32(bins - 1))


def _even(graph: Graph, difference: str, *, times: int, bins: int) -> str:
    """Add the bin of times difference / 22 between -½ and ½."""
    add = graph.add
    above = add("Add", add("Mul", difference, np.int32(times)), np.int32(11 * ONE))
    return add("Div", add("Mul", above, np.int32(bins)), np.int32(22 * ONE))
