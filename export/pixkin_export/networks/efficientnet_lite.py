"""EfficientNet-Lite0 as an ONNX graph with two possible outputs: `gap` and `logits`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray

from pixkin_export.graph import Graph
from pixkin_export.networks.efficientnet_lite_layers import BLOCKS, CLASSES, FEATURES, INPUT, Block

EPSILON = 1e-3
"""Of batch normalisation, as in the TensorFlow original (PyTorch's own default is 1e-5)."""

Weights = Mapping[str, NDArray[np.float32]]


def build(weights: Weights, outputs: Sequence[str]) -> onnx.ModelProto:
    """Return the network for pixels uint8 (n, 224, 224, 3) RGB.

    weights: as `sources.efficientnet_lite.read_weights` returns them · outputs: of
      - gap (n, 1280): the last feature map averaged over positions, L2-normalised; a zero map stays zero;
      - logits (n, 1000): the scores of the ImageNet classes before softmax.
    """
    network = _Network(weights)
    pooled = network.pooled()
    builders = {"gap": (network.gap, FEATURES), "logits": (network.logits, CLASSES)}
    for name in outputs:
        builders[name][0](pooled, name)
    return network.graph.model({name: builders[name][1] for name in outputs})


class _Network:
    """The graph while it grows. Inside, feature maps are float32 (n, channels, rows, columns), rows = columns."""

    def __init__(self, weights: Weights) -> None:
        self.graph = Graph("efficientnet-lite0", INPUT, INPUT)
        self._weights = weights
        self._size = INPUT

    def pooled(self) -> str:
        """Add everything up to the pooled features (n, 1280, 1, 1)."""
        features = self._activated("_conv_stem", "_bn0", self._scaled(), kernel=3, stride=2)
        for index, block in enumerate(BLOCKS):
            features = self._block(f"_blocks.{index}", block, features)
        features = self._activated("_conv_head", "_bn1", features)
        return self.graph.add("GlobalAveragePool", features)

    def gap(self, pooled: str, output: str) -> None:
        """Add the L2-normalised features."""
        add, axis = self.graph.add, np.array([1])
        flat = add("Flatten", pooled)
        length = add("Max", add("ReduceL2", flat, axis, keepdims=1), np.float32(np.finfo(np.float32).tiny))
        add("Div", flat, length, output=output)

    def logits(self, pooled: str, output: str) -> None:
        """Add the classifier, as a 1x1 convolution: a matrix product sums in another order for a batch than for one."""
        kernel = self._weights["_fc.weight"][:, :, np.newaxis, np.newaxis]
        scores = self.graph.add("Conv", pooled, kernel, self._weights["_fc.bias"], kernel_shape=[1, 1])
        self.graph.add("Flatten", scores, output=output)

    def _scaled(self) -> str:
        """Add (x - 127) / 128 and the one change of layout."""
        add = self.graph.add
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
        return self.graph.add("Add", inner, features) if block.residual else inner

    def _activated(self, name: str, normalisation: str, features: str, **shape: int) -> str:
        """Add a convolution and ReLU6."""
        linear = self._convolution(name, normalisation, features, **shape)
        return self.graph.add("Clip", linear, np.float32(0), np.float32(6))

    def _convolution(
        self, name: str, normalisation: str, features: str, *, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> str:
        """Add a convolution with its batch normalisation folded in, padded as TensorFlow's SAME: the odd one last."""
        size = -(-self._size // stride)
        missing = max((size - 1) * stride + kernel - self._size, 0)
        self._size = size
        before, after = missing // 2, missing - missing // 2
        return self.graph.add(
            "Conv",
            features,
            *folded(self._weights, name, normalisation),
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[before, before, after, after],
            group=groups,
        )


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
