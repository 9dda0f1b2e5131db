"""What a network itself says of a picture: the numbers of a layer, and the class that it would choose."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from pixkin_export.graph import Graph

Vector = NDArray[np.float64]


def add_layer(graph: Graph, values: str) -> str:
    """Add the values of a layer, (n, d)."""
    return graph.add("Identity", values)


def layer(values: Vector) -> Vector:
    """Return the values of a layer, (d,)."""
    return values


def add_class(graph: Graph, scores: str) -> str:
    """Add a vector that is 1 at the largest score and 0 elsewhere (of equal ones the first), float32 (n, d)."""
    count = graph.add("Squeeze", graph.add("Shape", scores, start=1, end=2))
    classes = graph.add("Range", np.int64(0), count, np.int64(1))
    largest = graph.add("ArgMax", scores, axis=1, keepdims=1)
    return graph.add("Cast", graph.add("Equal", classes, largest), to=TensorProto.FLOAT)


def chosen_class(scores: Vector) -> Vector:
    """Return a vector that is 1 at the largest score and 0 elsewhere, (d,)."""
    return (np.arange(len(scores)) == scores.argmax()).astype(np.float64)
