"""One number of each channel of a feature map: the classic poolings of image retrieval.

Maps are (n, c, h, w) float32 in a graph and (c, h, w) float64 in a formula, of any height and width.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pixkin_export.graph import Graph

Map = NDArray[np.float64]
POSITIONS = np.array([2, 3])
COLUMNS = np.array([3])
LEAST = 1e-6
"""What GeM takes for smaller activations, as its authors' code does: a root of 0 has no slope."""


def add_over_positions(graph: Graph, reduction: str, features: str, *, keepdims: int = 0) -> str:
    """Add a ReduceSum, ReduceMean or ReduceL2 over positions, each row first and then the rows, (n, c).

    In one step ONNX Runtime adds them up one after the other in float32: the mean of 224 × 224 equal activations is
    then wrong by 6e-4, that of 1024 × 1024 by 1e-2. Row by row it is 3e-6, and faster (measured).
    """
    rows = graph.add(reduction, features, COLUMNS, keepdims=1)
    return graph.add(reduction, rows, POSITIONS, keepdims=keepdims)


def add_gap(graph: Graph, features: str) -> str:
    """Add the mean over positions (global average pooling; Lin et al., Network in Network, 2014), (n, c)."""
    return add_over_positions(graph, "ReduceMean", features)


def gap(features: Map) -> Map:
    """Return the mean over positions, (c,)."""
    return features.mean(axis=(1, 2))


def add_sum(graph: Graph, features: str) -> str:
    """Add the sum over positions (SPoC without its centre prior; Babenko and Lempitsky, 2015), (n, c)."""
    return add_over_positions(graph, "ReduceSum", features)


def total(features: Map) -> Map:
    """Return the sum over positions, (c,)."""
    return features.sum(axis=(1, 2))


def add_mac(graph: Graph, features: str) -> str:
    """Add the maximum over positions (MAC; Razavian et al., 2014; Tolias et al., 2016), (n, c)."""
    return graph.add("ReduceMax", features, POSITIONS, keepdims=0)


def mac(features: Map) -> Map:
    """Return the maximum over positions, (c,)."""
    return features.max(axis=(1, 2))


def add_gem(graph: Graph, features: str, *, p: float) -> str:
    """Add the generalised mean over positions, (Σ x^p / positions)^(1/p) with x at least LEAST, (n, c).

    p = 1 is the mean and p → ∞ the maximum (GeM; Radenović, Tolias, Chum, 2019). Powers are of shares of the maximum,
    since those of activations soon leave what float32 holds.
    """
    least = graph.add("Max", features, np.float32(LEAST))
    largest = graph.add("GlobalMaxPool", least)
    powers = graph.add("Pow", graph.add("Div", least, largest), np.float32(p))
    root = graph.add("Pow", add_over_positions(graph, "ReduceMean", powers, keepdims=1), np.float32(1 / p))
    return graph.add("Flatten", graph.add("Mul", root, largest))


def gem(features: Map, *, p: float) -> Map:
    """Return the generalised mean over positions, (c,)."""
    least = np.maximum(features, LEAST)
    largest = least.max(axis=(1, 2))
    shares = least / largest[:, np.newaxis, np.newaxis]
    return largest * np.power(np.power(shares, p).mean(axis=(1, 2)), 1 / p)
