"""Lengths that become 1: a zero vector stays zero."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import Norm

from pixkin_export.graph import Graph

TINY = np.float32(np.finfo(np.float32).tiny)
_LENGTHS = {Norm.L1: "ReduceL1", Norm.L2: "ReduceL2"}
_ORDERS = {Norm.L1: 1, Norm.L2: 2}


def add_norm(graph: Graph, vectors: str, norm: Norm) -> str:
    """Add vectors (…, d) divided by their length, which `norm` names; NONE adds nothing."""
    if norm is Norm.NONE:
        return vectors
    length = graph.add(_LENGTHS[norm], vectors, np.array([-1]), keepdims=1)
    return graph.add("Div", vectors, graph.add("Max", length, TINY))


def normalised(vectors: NDArray[np.float64], norm: Norm) -> NDArray[np.float64]:
    """Return vectors (…, d) divided by their length, which `norm` names."""
    if norm is Norm.NONE:
        return vectors
    lengths = np.linalg.norm(vectors, ord=_ORDERS[norm], axis=-1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1.0)
