"""EfficientNet-Lite0 against a forward pass in numpy that shares no code with the graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_embedding.encoder import Session
from pixkin_export.asked import ask
from pixkin_export.networks.efficientnet_lite_layers import LITE0
from pixkin_export.sources.efficientnet_lite import LiteSource

pytestmark = pytest.mark.slow

Floats = NDArray[np.float64]
Weights = Mapping[str, NDArray[np.float32]]
STRIDES = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1]


def forward(weights: Weights, crop: NDArray[np.uint8]) -> tuple[Floats, Floats]:
    """Return pooled features (1280,) and logits (1000,) of a (224, 224, 3) picture, in float64, channels last."""

    def normalised(maps: Floats, name: str) -> Floats:
        scaled = (maps - weights[f"{name}.running_mean"]) / np.sqrt(weights[f"{name}.running_var"].astype(float) + 1e-3)
        return np.asarray(scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"])

    def pointwise(maps: Floats, name: str) -> Floats:
        return np.asarray(maps @ weights[f"{name}.weight"][:, :, 0, 0].T.astype(float))

    x = (crop.astype(float) - 127) / 128
    x = relu6(normalised(convolved(x, weights["_conv_stem.weight"].T, 2, np.matmul), "_bn0"))
    for index, stride in enumerate(STRIDES):
        before, name = x, f"_blocks.{index}"
        if f"{name}._expand_conv.weight" in weights:
            x = relu6(normalised(pointwise(x, f"{name}._expand_conv"), f"{name}._bn0"))
        kernel = weights[f"{name}._depthwise_conv.weight"][:, 0].T
        x = relu6(normalised(convolved(x, kernel, stride, np.multiply), f"{name}._bn1"))
        x = normalised(pointwise(x, f"{name}._project_conv"), f"{name}._bn2")
        if x.shape == before.shape:
            x = x + before
    pooled = relu6(normalised(pointwise(x, "_conv_head"), "_bn1")).mean(axis=(0, 1))
    return pooled, weights["_fc.weight"].astype(float) @ pooled + weights["_fc.bias"]


def relu6(maps: Floats) -> Floats:
    return np.minimum(np.maximum(maps, 0), 6)


def convolved(maps: Floats, kernel: NDArray[np.float32], stride: int, product: np.ufunc) -> Floats:
    """Convolve as TensorFlow's padding "SAME" does: ceil(n / stride) places, the odd row of padding at the end.

    kernel: (columns, rows, in, out) for a matrix product with each place, (columns, rows, channels) for depthwise.
    """
    side, size = maps.shape[0], kernel.shape[0]
    places = -(-side // stride)
    total = max((places - 1) * stride + size - side, 0)
    around = (total // 2, total - total // 2)
    padded = np.pad(maps, (around, around, (0, 0)))
    until = (places - 1) * stride + 1
    shifts = (
        product(padded[row : row + until : stride, column : column + until : stride], kernel[column, row].astype(float))
        for column, row in np.ndindex(size, size)
    )
    return np.asarray(sum(shifts))


def test_features_and_logits_equal_the_forward_pass_in_numpy(
    lite0: Session,
    weights: Weights,
    crops: NDArray[np.uint8],
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    computed = lite0.run(crops, ["gap", "logits"])
    pooled, logits = (np.stack(each) for each in zip(*[forward(weights, crop) for crop in crops], strict=True))
    gap = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
    furthest = {"gap": abs(computed["gap"] - gap).max(), "logits": abs(computed["logits"] - logits).max()}
    for name, value in furthest.items():
        record_testsuite_property(f"efficientnet-lite0: largest difference of {name}", float(value))
    assert np.array_equal(computed["logits"].argmax(axis=1), logits.argmax(axis=1))
    assert furthest["gap"] < 1e-6
    assert furthest["logits"] < 1e-4
    assert np.ptp(logits.argmax(axis=1)) > 0


def test_a_batch_gives_each_picture_the_bits_that_it_gets_alone(lite0: Session, crops: NDArray[np.uint8]) -> None:
    together = lite0.run(crops, ["gap", "logits"])
    for index, crop in enumerate(crops):
        alone = lite0.run(crop[np.newaxis], ["gap", "logits"])
        assert all(np.array_equal(alone[name][0], together[name][index]) for name in together)


def test_logits_are_left_out_unless_asked_for(weights: Weights) -> None:
    model = ask("lite0", LiteSource(LITE0, weights), ["gap"]).model
    assert [output.name for output in model.graph.output] == ["gap"]
    assert not [each.name for each in model.graph.initializer if list(each.dims)[:2] == [1000, 1280]]


def test_a_network_that_feels_nothing_answers_zero_and_not_nan(weights: Weights, crops: NDArray[np.uint8]) -> None:
    numb = {**weights, "_bn1.weight": weights["_bn1.weight"] * 0, "_bn1.bias": weights["_bn1.bias"] * 0 - 1}
    model = ask("lite0", LiteSource(LITE0, numb), ["gap"]).model
    vectors = Session(model.SerializeToString(), "cpu").run(crops[:1], ["gap"])
    assert np.array_equal(vectors["gap"], np.zeros((1, 1280), np.float32))


@pytest.mark.parametrize("level", [0, 255])
def test_features_of_plain_pictures_have_length_one(lite0: Session, level: int) -> None:
    vectors = lite0.run(np.full((1, 224, 224, 3), level, np.uint8), ["gap"])["gap"]
    assert np.linalg.norm(vectors) == pytest.approx(1, abs=1e-6)
