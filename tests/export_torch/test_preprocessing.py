"""Pictures are prepared as torchvision and timm prepare them, pixel by pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import timm
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from pixkin_embedding import golden
from pixkin_embedding.images import decode
from pixkin_embedding.limits import FOLDER_LIMITS
from pixkin_embedding.preprocessing import Preprocessing, prepare
from pixkin_export.gate_pictures import picture_files
from pixkin_export.sources.options import SourceOptions
from pixkin_export.sources.timm_network import timm_network
from pixkin_export.sources.torchvision_network import torchvision_network
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, PILToTensor, Resize


def noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)


def as_torchvision(pixels: NDArray[np.uint8], size: int, crop: int, filter_name: str) -> NDArray[np.uint8]:
    rule = Compose([Resize(size, InterpolationMode(filter_name)), CenterCrop(crop), PILToTensor()])
    return np.asarray(rule(Image.fromarray(pixels)).permute(1, 2, 0))


@settings(max_examples=150, deadline=None)
@given(
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    size=st.integers(1, 96),
    rest=st.integers(0, 40),
    filter_name=st.sampled_from(["bilinear", "bicubic", "nearest"]),
)
def test_rounding_is_that_of_torchvision(height: int, width: int, size: int, rest: int, filter_name: Any) -> None:
    pixels, crop = noise(height, width), max(1, size - rest)
    rule = Preprocessing("shorter", size, (crop, crop), filter_name, rounding="torchvision")
    expected = as_torchvision(pixels, size, crop, filter_name)
    assert np.array_equal(prepare(pixels, rule, FOLDER_LIMITS), expected)


def test_half_up_is_another_rounding() -> None:
    pixels = noise(100, 105)  # 256 * 105 / 100 = 268.8
    own, theirs = (Preprocessing("shorter", 256, (224, 224), "bilinear", rounding=each) for each in ROUNDINGS)
    assert (own.resized(100, 105), theirs.resized(100, 105)) == ((256, 269), (256, 268))
    assert np.array_equal(prepare(pixels, theirs), as_torchvision(pixels, 256, 224, "bilinear"))
    assert not np.array_equal(prepare(pixels, own), prepare(pixels, theirs))


ROUNDINGS: Any = ("half_up", "torchvision")


@pytest.mark.parametrize("size", [None, 64, 97])
@pytest.mark.parametrize("name", ["squeezenet1_1", "shufflenet_v2_x0_5", "mnasnet0_5"])
def test_the_transforms_of_torchvisions_weights_are_followed(name: str, size: int | None) -> None:
    source = torchvision_network(name, SourceOptions(untrained=True, size=size), {})
    _follows(source)
    if size is None:
        own = torchvision.models.get_model_weights(name)["DEFAULT"].transforms()
        assert (source.preprocessing.size, source.preprocessing.crop) == (own.resize_size[0], tuple(own.crop_size * 2))


@pytest.mark.parametrize("size", [None, 64, 97])
@pytest.mark.parametrize("name", ["test_resnet.r160_in1k", "test_byobnet.r160_in1k", "mobilenetv3_small_050.lamb_in1k"])
def test_the_configuration_of_timms_weights_is_followed(name: str, size: int | None) -> None:
    source = timm_network(name, SourceOptions(untrained=True, size=size), {})
    _follows(source)
    if size is None:
        config = timm.data.resolve_model_data_config(timm.create_model(name), use_test_size=True)
        assert source.preprocessing.crop == config["input_size"][1:]
        assert source.preprocessing.filter == config["interpolation"]


def _follows(source: Any) -> None:
    """Assert that the source's own transforms and pixkin's give the same pixels, but for the last bit."""
    for height, width in ((300, 401), (401, 300), (100, 105), (333, 500), (20, 30), (1, 1)):
        pixels = noise(height, width)
        seen = source.see(pixels, ["logits"]).pixels
        prepared = prepare(pixels, source.preprocessing, FOLDER_LIMITS)
        assert seen.shape == prepared.shape
        assert abs(seen * 255 - prepared).max() < 0.01


def test_the_pictures_of_the_gate_show_the_rounding() -> None:
    own, theirs = (Preprocessing("shorter", 256, (224, 224), "bilinear", rounding=each) for each in ROUNDINGS)
    pictures = [*(decode(each, FOLDER_LIMITS) for each in picture_files().values()), *golden.pictures()]
    assert any((prepare(each, own, FOLDER_LIMITS) != prepare(each, theirs, FOLDER_LIMITS)).any() for each in pictures)
