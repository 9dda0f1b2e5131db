"""How pictures are made an extractor's input."""

from __future__ import annotations

import json
import time
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from pixkin_embedding.images import decode
from pixkin_embedding.preprocessing import Preprocessing, prepare
from pixkin_proto.errors import InvalidExtractor, InvalidImage, NotImplementedYet

IMAGENET = Preprocessing("shorter", 256, (224, 224), "bicubic")
NATIVE = Preprocessing("longest", 384, None, "box")
SQUASHED = Preprocessing("exact", (224, 200), None, "bilinear")


def noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(7).integers(0, 256, (height, width, 3), np.uint8)


def test_the_pixels_are_those_of_pillow_bit_for_bit() -> None:
    pixels = noise(300, 401)
    image = Image.fromarray(pixels)
    resized = image.resize((342, 256), Image.Resampling.BICUBIC)
    assert np.array_equal(prepare(pixels, IMAGENET), np.asarray(resized.crop((59, 16, 283, 240))))
    assert np.array_equal(
        prepare(noise(768, 600), NATIVE), np.asarray(Image.fromarray(noise(768, 600)).resize((300, 384), 4))
    )
    assert np.array_equal(prepare(pixels, SQUASHED), np.asarray(image.resize((200, 224), Image.Resampling.BILINEAR)))


@pytest.mark.parametrize("name", ["nearest", "box", "bilinear", "bicubic", "lanczos"])
def test_every_filter_is_the_one_of_that_name(name: Any) -> None:
    pixels = noise(90, 70)
    reference = Image.fromarray(pixels).resize((32, 32), getattr(Image.Resampling, name.upper()))
    assert np.array_equal(prepare(pixels, Preprocessing("exact", (32, 32), None, name)), np.asarray(reference))


@pytest.mark.parametrize(
    ("preprocessing", "size", "expected"),
    [
        (Preprocessing("shorter", 256), (500, 375), (341, 256)),
        (Preprocessing("shorter", 256), (100, 101), (256, 259)),  # 258.56
        (Preprocessing("shorter", 2), (4, 5), (2, 3)),  # 2.5 is rounded up
        (Preprocessing("longest", 384), (256, 384), (256, 384)),
        (Preprocessing("longest", 384), (20, 30), (20, 30)),
        (Preprocessing("longest", 384), (3000, 4000), (288, 384)),
        (Preprocessing("longest", 384), (1, 4000), (1, 384)),
        (Preprocessing("exact", (10, 20)), (999, 3), (10, 20)),
    ],
)
def test_sides_follow_the_resize_rule(
    preprocessing: Preprocessing, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert preprocessing.resized(*size) == expected
    assert prepare(np.zeros((*size, 3), np.uint8), preprocessing).shape == (*expected, 3)


@pytest.mark.parametrize(("side", "crop", "first"), [(10, 4, 3), (10, 5, 2), (9, 4, 2), (9, 9, 0)])
def test_the_crop_is_taken_from_the_centre(side: int, crop: int, first: int) -> None:
    pixels = noise(side, side)
    cropped = prepare(pixels, Preprocessing("exact", (side, side), (crop, 1)))
    assert np.array_equal(cropped, pixels[first : first + crop, (side - 1) // 2 : (side - 1) // 2 + 1])
    assert cropped.flags.c_contiguous


@given(height=st.integers(1, 3000), width=st.integers(1, 3000), size=st.integers(1, 600))
def test_no_side_vanishes_and_proportions_hold(height: int, width: int, size: int) -> None:
    for preprocessing, decisive in ((Preprocessing("shorter", size), min), (Preprocessing("longest", size), max)):
        high, wide = preprocessing.resized(height, width)
        assert min(high, wide) >= 1
        if decisive(height, width) > size or preprocessing.resize == "shorter":
            assert decisive(high, wide) == size
        assert abs(high * width - wide * height) <= max(height, width) or min(high, wide) == 1


@pytest.mark.parametrize("size", [(1, 16_384), (1, 5_000), (5_000, 1)])
def test_an_enlargement_beyond_the_limits_is_refused_at_once(size: tuple[int, int]) -> None:
    out = BytesIO()
    Image.new("RGB", size).save(out, "PNG")
    took = []
    for _ in range(3):
        began = time.perf_counter()
        with pytest.raises(InvalidImage, match="once resized") as refusal:
            prepare(decode(out.getvalue()), IMAGENET)
        took.append(time.perf_counter() - began)
    assert refusal.value.detail == "too_many_pixels"
    assert min(took) < 0.05


@pytest.mark.parametrize(
    "preprocessing",
    [
        IMAGENET,
        NATIVE,
        SQUASHED,
        Preprocessing("exact", (9, 8), (9, 8), "nearest"),
        Preprocessing("shorter", 9, rounding="torchvision"),
        Preprocessing("longest", 200, least=96),
    ],
)
def test_what_json_carries_comes_back_the_same(preprocessing: Preprocessing) -> None:
    assert Preprocessing.from_dict(json.loads(json.dumps(preprocessing.to_dict()))) == preprocessing


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"resize": "longer"}, "resize = 'longer'"),
        ({"resize": ["shorter"]}, "resize = "),
        ({"size": 0}, "size = 0"),
        ({"size": True}, "size = True"),
        ({"size": 256.0}, "size = 256.0"),
        ({"size": [256, 256]}, "size = "),
        ({"size": 100_000}, "size = 100000"),
        ({"resize": "exact"}, "size = 256"),
        ({"resize": "exact", "size": [256]}, "size = "),
        ({"crop": [224]}, "crop = "),
        ({"crop": 224}, "crop = 224"),
        ({"crop": [257, 224]}, "at most 256x256"),
        ({"resize": "longest"}, "null where resize is longest"),
        ({"resize": "exact", "size": [300, 200]}, "at most 300x200"),
        ({"filter": "hamming"}, "filter = 'hamming'"),
        ({"filter": None}, "filter = None"),
        ({"antialias": 1}, "antialias = 1"),
        ({"colour": "BGR"}, "missing or unknown here: colour"),
    ],
)
def test_a_declaration_that_cannot_be_followed_is_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidExtractor, match=said):
        Preprocessing.from_dict(IMAGENET.to_dict() | change)


def test_a_missing_field_is_named() -> None:
    declared = IMAGENET.to_dict()
    del declared["filter"]
    with pytest.raises(InvalidExtractor, match="missing or unknown here: filter"):
        Preprocessing.from_dict(declared)


def test_resizing_without_antialiasing_is_named_as_not_there_yet() -> None:
    with pytest.raises(NotImplementedYet, match="antialiasing"):
        Preprocessing.from_dict(IMAGENET.to_dict() | {"antialias": False})


def test_the_description_and_the_shape_say_what_comes_out() -> None:
    assert IMAGENET.description == "shorter side to 256 (bicubic), centre crop 224x224"
    assert NATIVE.description == "longest side at most 384 (box)"
    assert SQUASHED.description == "resized to 224x200 (bilinear)"
    assert [each.output_shape for each in (IMAGENET, NATIVE, SQUASHED)] == [(224, 224), None, (224, 200)]
    assert Preprocessing("shorter", 256).output_shape is None


def test_fields_that_older_files_lack_are_left_out_while_they_say_what_those_mean() -> None:
    assert not {"rounding", "least"} & set(IMAGENET.to_dict())
    assert Preprocessing("longest", 200, least=96).to_dict()["least"] == 96


@pytest.mark.parametrize(
    ("height", "width", "resized", "start"),
    [(300, 401, (256, 342), (16, 59)), (401, 300, (342, 256), (59, 16)), (257, 300, (256, 298), (16, 37))],
)
def test_torchvision_cuts_sides_off_and_rounds_the_start_of_a_crop_to_even(
    height: int, width: int, resized: tuple[int, int], start: tuple[int, int]
) -> None:
    way = Preprocessing("shorter", 256, crop=(224, 224), rounding="torchvision")
    assert way.resized(height, width) == resized
    assert way.cropped(*resized) == start


@pytest.mark.parametrize(
    ("height", "width", "resized"),
    [(1, 1, (96, 96)), (20, 500, (96, 200)), (400, 300, (200, 150)), (99, 100, (99, 100))],
)
def test_no_side_is_shorter_than_the_least(height: int, width: int, resized: tuple[int, int]) -> None:
    way = Preprocessing("longest", 200, least=96)
    assert prepare(np.zeros((height, width, 3), np.uint8), way).shape[:2] == resized
    assert "sides at least 96" in way.description
