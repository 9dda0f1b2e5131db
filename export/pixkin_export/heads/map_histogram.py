"""cnn-hist: how the activations of each feature map are distributed, whatever their place.

For each map with the least value a and the largest b, bin k = 0 … bins - 1 counts the positions with
a + k (b - a) / bins <= x < a + (k + 1) (b - a) / bins, the last one b too; a map that is the same everywhere is all in
bin 0. Counts are divided by the number of positions. Components go by layer, then map, then bin. Source: the
histograms of feature maps in "KTH image search" (2017), which had 3 bins of block{1..5}_conv2 of VGG16.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from pixkin_export.graph import Graph
from pixkin_export.heads.pooling import POSITIONS

Map = NDArray[np.float64]


def add_map_histogram(graph: Graph, *features: str, bins: int) -> str:
    """Add the histograms of maps (n, c, h, w) of several layers, float32 (n, bins Σ c)."""
    parts = [_of_layer(graph, each, bins) for each in features]
    return parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=1)


def _of_layer(graph: Graph, features: str, bins: int) -> str:
    add = graph.add
    least = add("ReduceMin", features, POSITIONS, keepdims=1)
    spread = add("Sub", add("ReduceMax", features, POSITIONS, keepdims=1), least)
    # Without a spread nothing is above the first edge: 0 < 1.
    width = add("Where", add("Greater", spread, np.float32(0)), spread, np.float32(1))
    above = add("Mul", add("Sub", features, least), np.float32(bins))
    shares = [_share(graph, above, add("Mul", width, np.float32(edge))) for edge in range(1, bins)]
    one = add("ConstantOfShape", add("Shape", shares[0]), value=_ONE)
    edges = [one, *shares]
    # Fewer reach a higher edge; Relu lets the graph prove it.
    counts = [add("Relu", add("Sub", low, high)) for low, high in pairwise(edges)]
    stacked = add("Concat", *(add("Unsqueeze", each, np.array([2])) for each in (*counts, shares[-1])), axis=2)
    return add("Flatten", stacked)


def _share(graph: Graph, values: str, edge: str) -> str:
    """Add the share of the positions that reach an edge, float32 (n, c)."""
    reach = graph.add("Cast", graph.add("GreaterOrEqual", values, edge), to=TensorProto.FLOAT)
    return graph.add("ReduceMean", reach, POSITIONS, keepdims=0)


_ONE = TensorProto(data_type=TensorProto.FLOAT, dims=[1], float_data=[1.0])


def map_histogram(*features: Map, bins: int) -> Map:
    """Return the histograms of the maps (c, h, w) of several layers, (bins Σ c,)."""
    return np.concatenate([_histograms(each, bins) for each in features])


def _histograms(features: Map, bins: int) -> Map:
    flat = features.reshape(len(features), -1)
    least = flat.min(axis=1, keepdims=True)
    spread = flat.max(axis=1, keepdims=True) - least
    places = np.floor((flat - least) * bins / np.where(spread > 0, spread, 1.0))
    places = np.minimum(places, bins - 1).astype(np.int64) + bins * np.arange(len(features))[:, np.newaxis]
    return np.bincount(places.ravel(), minlength=bins * len(features)) / flat.shape[1]
