"""Grey alone, the space of the grey histogram (GCH): bin floor(B grey / 256)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pixkin_export.classic import channels
from pixkin_export.graph import Graph


def add(graph: Graph, bins: tuple[int, ...]) -> str:
    """Add the bin of every pixel, int32 (n, h, w); bins: of grey."""
    return graph.add("Div", graph.add("Mul", channels.add_grey(graph), np.int32(bins[0])), np.int32(256))


def formula(pixels: NDArray[np.uint8], bins: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the bin of every pixel (h, w, 3), int64 (h, w)."""
    return channels.grey(pixels) * bins[0] >> 8
