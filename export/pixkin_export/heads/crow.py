"""CroW: positions weighted by how much happens there, channels by how seldom they fire.

Kalantidis, Mellina, Osindero: Cross-dimensional weighting for aggregated deep convolutional features, 2016. With
x[k, i, j] not negative: S = Σ_k x, the weight of a position is √(S / √(Σ S²)); Q_k is the share of positions where
x[k] > 0, the weight of a channel is ln((c ε + Σ Q) / (ε + Q_k)) with ε = 1e-6. Component k is the weighted sum.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from pixkin_export.graph import Graph
from pixkin_export.heads.normalisation import TINY
from pixkin_export.heads.pooling import add_over_positions

Map = NDArray[np.float64]
EPSILON = 1e-6


def add_crow(graph: Graph, features: str) -> str:
    """Add the weighted sums of maps (n, c, h, w), float32 (n, c)."""
    add = graph.add
    positive = add("Relu", features)
    summed = add("ReduceSum", positive, np.array([1]), keepdims=1)
    length = add_over_positions(graph, "ReduceL2", summed, keepdims=1)
    spatial = add("Sqrt", add("Div", summed, add("Max", length, TINY)))
    pooled = add_over_positions(graph, "ReduceSum", add("Mul", features, spatial))
    fires = add("Cast", add("Greater", features, np.float32(0)), to=TensorProto.FLOAT)
    shares = add("Add", add_over_positions(graph, "ReduceMean", fires), np.float32(EPSILON))
    everything = add("ReduceSum", shares, np.array([1]), keepdims=1)
    rarity = add("Relu", add("Log", add("Div", everything, shares)))  # is not negative; so a graph can tell
    return add("Mul", pooled, rarity)


def crow(features: Map) -> Map:
    """Return the weighted sums of a map (c, h, w), (c,)."""
    summed = np.maximum(features, 0).sum(axis=0)
    length = np.sqrt((summed**2).sum())
    spatial = np.sqrt(summed / length) if length > 0 else summed
    shares = (features > 0).mean(axis=(1, 2)) + EPSILON
    return (features * spatial).sum(axis=(1, 2)) * np.log(shares.sum() / shares)
