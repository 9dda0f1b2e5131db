"""The three channels of a picture, and its grey."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray

from pixkin_export.graph import Graph

GREY = (4899, 9617, 1868)
"""Weights of red, green and blue in 1/16384: 0.299, 0.587 and 0.114 (ITU-R BT.601), as OpenCV rounds them for YCrCb.

Its COLOR_RGB2GRAY has one bit more and differs by 1 for 0.3 % of all colours.
"""


def add_channels(graph: Graph) -> tuple[str, str, str]:
    """Add red, green and blue, each int32 (n, h, w)."""
    red, green, blue = (
        graph.add("Cast", graph.add("Gather", Graph.pixels, np.int64(channel), axis=3), to=onnx.TensorProto.INT32)
        for channel in range(3)
    )
    return red, green, blue


def add_grey(graph: Graph) -> str:
    """Add floor((4899 R + 9617 G + 1868 B + 8192) / 16384), int32 (n, h, w)."""
    return add_weighted(graph, add_channels(graph), GREY)


def add_weighted(graph: Graph, channels: tuple[str, str, str], weights: tuple[int, int, int]) -> str:
    """Add the rounded mean, int32; weights: of the three int32 channels in 1/16384, 16384 together."""
    first, second, third = (
        graph.add("Mul", channel, np.int32(weight)) for channel, weight in zip(channels, weights, strict=True)
    )
    both = graph.add("Add", graph.add("Add", first, second), third)
    return graph.add("Div", graph.add("Add", both, np.int32(8192)), np.int32(16384))


def grey(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the grey of pixels (h, w, 3), int64 (h, w): what `add_grey` adds."""
    return (pixels @ np.array(GREY) + 8192) >> 14
