"""The EfficientNet-Lite networks as plain numpy, written from the paper alone: what their graphs are held against.

Nothing is folded, padded or laid out as in the graph.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from pixkin_export.networks.efficientnet_lite_layers import Block, Lite

Weights = Mapping[str, NDArray[np.float32]]
Map = NDArray[np.float32]
EPSILON = 1e-3


def layers_of(lite: Lite, weights: Weights, picture: NDArray[np.uint8]) -> dict[str, Map]:
    """Return features (1280, h, w), penultimate (1280,) and logits (1000,) of a picture (size, size, 3) RGB."""
    features = (picture.astype(np.float32) - 127).transpose(2, 0, 1) / np.float32(128)
    features = _relu6(_normalised(weights, "_bn0", _dense(features, weights["_conv_stem.weight"], stride=2)))
    for number, block in enumerate(lite.blocks):
        features = _block(weights, f"_blocks.{number}", block, features)
    features = _relu6(_normalised(weights, "_bn1", _dense(features, weights["_conv_head.weight"])))
    pooled = features.mean(axis=(1, 2))
    logits = weights["_fc.weight"] @ pooled + weights["_fc.bias"]
    return {"features": features, "penultimate": pooled, "logits": logits}


def _block(weights: Weights, name: str, block: Block, features: Map) -> Map:
    inner = features
    if block.expansion > 1:
        inner = _relu6(_normalised(weights, f"{name}._bn0", _dense(inner, weights[f"{name}._expand_conv.weight"])))
    inner = _depthwise(inner, weights[f"{name}._depthwise_conv.weight"], block.stride)
    inner = _relu6(_normalised(weights, f"{name}._bn1", inner))
    inner = _normalised(weights, f"{name}._bn2", _dense(inner, weights[f"{name}._project_conv.weight"]))
    return inner + features if block.residual else inner


def _dense(features: Map, kernel: NDArray[np.float32], stride: int = 1) -> Map:
    """Convolve (c, h, w) with (out, c, k, k)."""
    return _added(
        np.tensordot(kernel[:, :, row, column], shifted, axes=1)
        for row, column, shifted in _shifted(features, kernel.shape[-1], stride)
    )


def _depthwise(features: Map, kernel: NDArray[np.float32], stride: int) -> Map:
    """Convolve each channel of (c, h, w) with its own (1, k, k)."""
    return _added(
        kernel[:, 0, row, column][:, np.newaxis, np.newaxis] * shifted
        for row, column, shifted in _shifted(features, kernel.shape[-1], stride)
    )


def _added(parts: Iterator[Map]) -> Map:
    total = next(parts)
    for part in parts:
        total += part
    return total


def _shifted(features: Map, kernel: int, stride: int) -> Iterator[tuple[int, int, Map]]:
    """Yield what each place of a kernel meets in (c, h, w), padded with zeros as TensorFlow's SAME."""
    sizes = features.shape[1:]
    missing = [max((-(-size // stride) - 1) * stride + kernel - size, 0) for size in sizes]
    padded = np.pad(features, ((0, 0), *((each // 2, each - each // 2) for each in missing)))
    for row in range(kernel):
        for column in range(kernel):
            last = (row + sizes[0] + missing[0] - kernel + 1, column + sizes[1] + missing[1] - kernel + 1)
            yield row, column, padded[:, row : last[0] : stride, column : last[1] : stride]


def _normalised(weights: Weights, name: str, features: Map) -> Map:
    """Apply batch normalisation with the stored statistics."""
    gamma, beta, mean, variance = (
        weights[f"{name}.{part}"][:, np.newaxis, np.newaxis]
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    return gamma * (features - mean) / np.sqrt(variance + np.float32(EPSILON)) + beta


def _relu6(features: Map) -> Map:
    return np.clip(features, 0, 6)
