"""The EfficientNet-Lite networks as nodes of a graph."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray

from pixkin_export.graph import Graph
from pixkin_export.networks.efficientnet_lite_layers import Block, Lite

EPSILON = 1e-3
"""Of batch normalisation, as in the TensorFlow original (PyTorch's own default is 1e-5)."""

Weights = Mapping[str, NDArray[np.float32]]


def add_network(graph: Graph, lite: Lite, weights: Weights, *, logits: bool) -> dict[str, str]:
    """Add the network for the graph's pixels; returns the names of its layers.

    features (n, 1280, h, w): the last feature map, after ReLU6 · penultimate (n, 1280): averaged over positions ·
    logits (n, 1000), where asked for: the scores of the ImageNet classes before softmax. weights: as
    `sources.efficientnet_lite.read_weights` returns them.
    """
    network = _Network(graph, lite, weights)
    features = network.features()
    pooled = graph.add("GlobalAveragePool", features)
    layers = {"features": features, "penultimate": graph.add("Flatten", pooled)}
    return {**layers, "logits": network.logits(pooled)} if logits else layers


class _Network:
    """The graph while it grows. Inside, feature maps are float32 (n, channels, rows, columns), rows = columns."""

    def __init__(self, graph: Graph, lite: Lite, weights: Weights) -> None:
        self._graph, self._lite, self._weights = graph, lite, weights
        self._size = lite.size

    def features(self) -> str:
        """Add everything up to the last feature map (n, 1280, h, w)."""
        features = self._activated("_conv_stem", "_bn0", self._scaled(), kernel=3, stride=2)
        for index, block in enumerate(self._lite.blocks):
            features = self._block(f"_blocks.{index}", block, features)
        return self._activated("_conv_head", "_bn1", features)

    def logits(self, pooled: str) -> str:
        """Add the classifier, as a 1x1 convolution: a matrix product sums in another order for a batch than for one."""
        kernel = self._weights["_fc.weight"][:, :, np.newaxis, np.newaxis]
        scores = self._graph.add("Conv", pooled, kernel, self._weights["_fc.bias"], kernel_shape=[1, 1])
        return self._graph.add("Flatten", scores)

    def _scaled(self) -> str:
        """Add (x - 127) / 128 and the one change of layout."""
        add = self._graph.add
        values = add("Cast", add("Transpose", Graph.pixels, perm=[0, 3, 1, 2]), to=onnx.TensorProto.FLOAT)
        return add("Mul", add("Sub", values, np.float32(127)), np.float32(1 / 128))

    def _block(self, name: str, block: Block, features: str) -> str:
        inner = features
        if block.expansion > 1:
            inner = self._activated(f"{name}._expand_conv", f"{name}._bn0", inner)
        inner = self._activated(
            f"{name}._depthwise_conv",
            f"{name}._bn1",
            inner,
            kernel=block.kernel,
            stride=block.stride,
            groups=block.width,
        )
        inner = self._convolution(f"{name}._project_conv", f"{name}._bn2", inner)
        return self._graph.add("Add", inner, features) if block.residual else inner

    def _activated(self, name: str, normalisation: str, features: str, **shape: int) -> str:
        """Add a convolution and ReLU6."""
        linear = self._convolution(name, normalisation, features, **shape)
        return self._graph.add("Clip", linear, np.float32(0), np.float32(6))

    def _convolution(
        self, name: str, normalisation: str, features: str, *, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> str:
        """Add a convolution with its batch normalisation folded in, padded as TensorFlow's SAME: the odd one last."""
        before, after, self._size = same_padding(self._size, kernel, stride)
        return self._graph.add(
            "Conv",
            features,
            *folded(self._weights, name, normalisation),
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[before, before, after, after],
            group=groups,
        )


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int, int]:
    """Return TensorFlow's SAME padding before and after `size` positions, and how many positions come out."""
    out = -(-size // stride)
    missing = max((out - 1) * stride + kernel - size, 0)
    return missing // 2, missing - missing // 2, out


def folded(weights: Weights, name: str, normalisation: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return kernel (out, in, k, k) and bias (out,) of a convolution that also does its batch normalisation.

    γ (Wx - μ) / √(σ² + ε) + β = (γ / √(σ² + ε)) W x + (β - γ μ / √(σ² + ε)), computed in float64.
    """
    gamma, beta, mean, variance = (
        weights[f"{normalisation}.{part}"].astype(np.float64)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gamma / np.sqrt(variance + EPSILON)
    kernel = weights[f"{name}.weight"] * scale[:, np.newaxis, np.newaxis, np.newaxis]
    return kernel.astype(np.float32), (beta - mean * scale).astype(np.float32)
