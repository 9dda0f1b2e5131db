"""Red, green and blue as they are: bin floor(B v / 256) of each channel, and (red G + green) B + blue of the pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pixkin_export.classic.channels import add_channels
from pixkin_export.graph import Graph


def add(graph: Graph, bins: tuple[int, ...]) -> str:
    """Add the bin of every pixel, int32 (n, h, w); bins: of red, green and blue."""
    red, green, blue = (
        graph.add("Div", graph.add("Mul", channel, np.int32(number)), np.int32(256))
        for channel, number in zip(add_channels(graph), bins, strict=True)
    )
    both = graph.add("Add", graph.add("Mul", red, np.int32(bins[1])), green)
    return graph.add("Add", graph.add("Mul", both, np.int32(bins[2])), blue)


def formula(pixels: NDArray[np.uint8], bins: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the bin of every pixel (h, w, 3), int64 (h, w)."""
    each = pixels.astype(np.int64) * bins >> 8
    return np.ravel_multi_index(tuple(np.moveaxis(each, 2, 0)), bins)
