"""Local binary patterns: which fine texture is where.

**Codes.** Around each pixel, g_k is the grey at eight points at distance 1, k · 45° counter-clockwise from the right;
those on the diagonals lie at 0.70711 and are interpolated between four pixels. Outside the picture grey is 0. Bit k is
set where g_k >= the pixel's own grey, in integers: so one colour everywhere sets all bits on every machine. A pattern
is uniform when its bits change at most twice around the circle. Of the 256 patterns
  - `nri-uniform` gives each of the 58 uniform ones a code, and one to all others: 59;
  - `uniform` counts the bits of uniform ones, 0 to 8, and has 9 for all others: 10, the same for a turned texture.
**Histogram.** Component C region + code is the number of pixels with this code (of C) in this region (see `regions`, by
default cells of a 2x2 grid), divided by all pixels, so the components sum to 1. Cells of one size are thereby
L1-normalised each, up to their number.

Source: T. Ojala, M. Pietikäinen and T. Mäenpää, Multiresolution gray-scale and rotation invariant texture
classification with local binary patterns, TPAMI 24, 2002; codes as `skimage.feature.local_binary_pattern` gives them
with the methods `nri_uniform` and `uniform`, but where rounding decides there.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from pixkin_proto.errors import InvalidArgument

from pixkin_export.classic.channels import add_grey, grey
from pixkin_export.classic.counting import add_extent, add_shares, shares
from pixkin_export.classic.regions import add_first_bins, number_of, places
from pixkin_export.graph import Graph

NRI_UNIFORM, UNIFORM = "nri-uniform", "uniform"
CODES = {NRI_UNIFORM: 59, UNIFORM: 10}
GRID = "2x2"
RING = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))
"""Rows down and columns right of the pixel next to each point."""
NEAR, FAR = 29_289, 70_711
"""1 - sin 45° and sin 45° in 1/100,000, as scikit-image rounds them."""


def add(graph: Graph, *, codes: str = NRI_UNIFORM, regions: str = GRID) -> str:
    """Add the histogram of pixels uint8 (n, h, w, 3), sides up to 16,384: float32 (n, dim), sum 1.

    Raises InvalidArgument for codes and regions that there are not.
    """
    size = dim(codes=codes, regions=regions)
    extent = add_extent(graph)
    found = graph.add("Gather", _table(codes), _patterns(graph))
    placed = add_first_bins(graph, extent, found, regions, CODES[codes])
    return add_shares(graph, placed, size, count=extent.pictures, total=extent.area, rows=extent.rows)


def formula(pixels: NDArray[np.uint8], *, codes: str = NRI_UNIFORM, regions: str = GRID) -> NDArray[np.float64]:
    """Return the histogram of pixels (h, w, 3), float64 (dim,)."""
    size = dim(codes=codes, regions=regions)
    height, width, _ = pixels.shape
    return shares(CODES[codes] * places(height, width, regions) + coded(pixels, codes=codes), size)


def coded(pixels: NDArray[np.uint8], *, codes: str = NRI_UNIFORM) -> NDArray[np.int64]:
    """Return the code of every pixel (h, w, 3), int64 (h, w)."""
    own = grey(pixels)
    around = np.pad(own, 1)
    found = np.empty(own.shape, np.int64)
    for y, x in np.ndindex(*own.shape):
        ring = [int(around[y + 1 + down, x + 1 + right]) for down, right in RING]
        for k in range(1, 8, 2):
            sides = ring[k - 1] + ring[(k + 1) % 8]
            whole = NEAR**2 * int(own[y, x]) + NEAR * FAR * sides + FAR**2 * ring[k]
            ring[k] = whole // (NEAR + FAR) ** 2  # rounded down, and so not below an integer that it was not below
        found[y, x] = _code([each >= int(own[y, x]) for each in ring], codes)
    return found


def dim(*, codes: str = NRI_UNIFORM, regions: str = GRID) -> int:
    """Return the number of components: codes times regions."""
    if codes not in CODES:
        raise InvalidArgument(f"there are no LBP codes {codes!r}; use {' or '.join(CODES)}")
    return CODES[codes] * number_of(regions)


def _code(bits: list[bool], codes: str) -> int:
    """Return the code of a pattern; uniform ones are numbered by their ones, then by the turns from 1…10…0."""
    ones, changes = sum(bits), sum(bits[k] != bits[k - 1] for k in range(8))
    if changes > 2:
        return CODES[codes] - 1
    if codes == UNIFORM or ones == 0:
        return ones
    if ones == 8:
        return 57
    start = next(k for k in range(8) if bits[k] and not bits[k - 1])
    return 1 + 8 * (ones - 1) + (-start) % 8


def _table(codes: str) -> NDArray[np.int32]:
    """Return the code of every pattern, (256,); bit k of the index is bit k of the pattern."""
    return np.array([_code([bool(index >> k & 1) for k in range(8)], codes) for index in range(256)], np.int32)


def _patterns(graph: Graph) -> str:
    """Add the sum of 2^k for every bit k that is set, int32 (n, h, w)."""
    # Integers below 2^53 in float64, which every provider pads: the sums are exact.
    own = graph.add("Cast", add_grey(graph), to=onnx.TensorProto.DOUBLE)
    around = graph.add("Pad", own, np.array([0, 1, 1, 0, 1, 1]), np.float64(0))
    ring = [_shifted(graph, around, down, right) for down, right in RING]
    bits = [_bit(graph, own, ring, k) for k in range(8)]
    pattern = bits[0]
    for bit in bits[1:]:
        pattern = graph.add("Add", pattern, bit)
    return pattern


def _shifted(graph: Graph, around: str, down: int, right: int) -> str:
    """Add the pixels that lie down and right of each, from the picture with a border of one pixel."""
    start, end = np.array([1 + down, 1 + right]), np.array([down - 1, right - 1])
    end[end == 0] = np.iinfo(np.int64).max
    return graph.add("Slice", around, start, end, np.array([1, 2]))


def _bit(graph: Graph, own: str, ring: list[str], k: int) -> str:
    """Add 2^k where point k is at least as bright as the pixel, else 0: int32 (n, h, w)."""
    point, least = ring[k], own
    if k % 2:
        sides = graph.add("Mul", graph.add("Add", ring[k - 1], ring[(k + 1) % 8]), np.float64(NEAR * FAR))
        point = graph.add("Add", sides, graph.add("Mul", ring[k], np.float64(FAR**2)))
        least = graph.add("Mul", own, np.float64((NEAR + FAR) ** 2 - NEAR**2))
    set_ = graph.add("GreaterOrEqual", point, least)
    return graph.add("Where", set_, np.int32(1 << k), np.int32(0))
