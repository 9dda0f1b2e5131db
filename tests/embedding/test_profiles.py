"""Colour profiles: a photo is the same photo in whatever colours it is stored."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pixkin_embedding.encoder import Encoder, load_encoder
from pixkin_embedding.images import decode
from pixkin_embedding.preprocessing import prepare
from pixkin_embedding.profiles import IGNORED, MAX_PROFILE

from tests.icc import SPACES, cmyk_profile, grey_profile

Pixels = NDArray[np.uint8]
PHOTOS = 50


@pytest.fixture(scope="module")
def photos(data: Path) -> list[Pixels]:
    """Photos of Corel as sRGB."""
    return [decode(path.read_bytes()) for path in sorted((data / "corel1k").glob("*/*.jpg"))[:: 1000 // PHOTOS]]


@pytest.fixture(scope="module")
def encoder(extractors: Path) -> Encoder:
    return load_encoder(extractors / "hsv-histogram.onnx", "cpu")


@pytest.fixture
def scene() -> Pixels:
    """Every eighth of the sRGB colours."""
    levels = np.linspace(0, 255, 32).astype(np.uint8)
    return np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(128, 256, 3)


def saved(pixels: Pixels, profile: bytes, kind: str = "PNG", **options: object) -> bytes:
    out = BytesIO()
    Image.fromarray(pixels).save(out, kind, icc_profile=profile, **options)
    return out.getvalue()


def encoded(pixels: Pixels, encoder: Encoder) -> NDArray[np.float32]:
    prepared = prepare(pixels, encoder.extractor.preprocessing)
    return encoder.encode(prepared[np.newaxis])["histogram"][0]


@pytest.mark.parametrize("space", SPACES)
def test_a_photo_in_other_colours_finds_itself_first(space: str, photos: list[Pixels], encoder: Encoder) -> None:
    stored = np.stack([encoded(photo, encoder) for photo in photos])
    for place, photo in enumerate(photos):
        converted = saved(SPACES[space].from_srgb(photo), SPACES[space].profile(), "JPEG", quality=95)
        distances = np.abs(stored - encoded(decode(converted), encoder)).sum(axis=1)
        assert distances.argmin() == place


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize(("space", "most"), [("Display P3", 3), ("Adobe RGB", 4), ("ProPhoto", 12)])
def test_colours_become_srgb(space: str, most: int, kind: str, photos: list[Pixels]) -> None:
    options = {"lossless": True} if kind == "WEBP" else {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    found = decode(saved(SPACES[space].from_srgb(photos[3]), SPACES[space].profile(), kind, **options))
    assert np.abs(found.astype(int) - photos[3]).mean() < 1.5
    if kind != "JPEG":
        assert np.abs(found.astype(int) - photos[3]).max() <= most  # eight bits of a wide gamut are coarse


def test_a_profile_of_srgb_leaves_every_pixel_as_it_is(scene: Pixels) -> None:
    assert np.array_equal(decode(saved(scene, SPACES["sRGB"].profile())), scene)


def test_white_and_transparency_stay_white(scene: Pixels) -> None:
    for space in SPACES.values():
        white = np.full((8, 8, 3), 255, np.uint8)
        assert decode(saved(white, space.profile())).min() == 255
        clear = np.concatenate([scene, np.zeros_like(scene[..., :1])], axis=2)
        assert decode(saved(clear, space.profile())).min() == 255


def test_a_palette_has_the_colours_of_its_profile() -> None:
    space = SPACES["ProPhoto"]
    colours = np.array([[[200, 40, 30], [20, 180, 60], [30, 60, 190]]], np.uint8)
    palette = Image.fromarray(space.from_srgb(colours)).quantize(3)
    out = BytesIO()
    palette.save(out, "PNG", icc_profile=space.profile())
    assert np.abs(decode(out.getvalue()).astype(int) - colours).max() <= 3


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_greys_have_the_light_of_their_profile(mode: str) -> None:
    levels = np.arange(256, dtype=np.uint8)[np.newaxis]
    wide = levels.astype(np.uint16) * 257
    image = Image.fromarray(wide) if mode == "I;16" else Image.fromarray(levels).convert(mode)
    out = BytesIO()
    image.save(out, "PNG", icc_profile=grey_profile(1.0))
    found = decode(out.getvalue())
    expected = 255 * SPACES["sRGB"].inverse(levels / 255.0)
    assert np.abs(found - expected[..., np.newaxis]).max() <= 1.01
    assert (found == found[..., :1]).all()


def test_inks_have_the_colours_of_their_profile() -> None:
    inks = np.zeros((64, 128, 4), np.uint8)
    inks[:, 64:, 0] = 255
    out = BytesIO()
    Image.fromarray(inks, "CMYK").save(out, "JPEG", quality=100, icc_profile=cmyk_profile(cyan=(54.0, 81.0, 70.0)))
    found = decode(out.getvalue())
    assert np.abs(found[32, 8].astype(int) - 255).max() <= 2
    assert np.abs(found[32, 120].astype(int) - (255, 0, 0)).max() <= 12  # this press prints red as cyan


def test_a_large_profile_of_a_jpeg_is_read_from_all_of_its_parts(photos: list[Pixels]) -> None:
    space = SPACES["Adobe RGB"]
    profile = space.profile()
    large = (len(profile) + 150_000).to_bytes(4) + profile[4:] + bytes(150_000)
    data = saved(space.from_srgb(photos[0]), large, "JPEG", quality=100, subsampling=0)
    assert data.count(b"ICC_PROFILE\0") == 3
    assert np.abs(decode(data).astype(int) - photos[0]).mean() < 1


UNUSABLE = {
    "junk": (b"no profile at all", "unreadable"),
    "a profile that is cut off": (SPACES["ProPhoto"].profile()[:300], "unreadable"),
    "a profile without curves": (SPACES["ProPhoto"].profile().replace(b"TRC", b"CRT"), "unreadable"),
    "a profile of other colours": (SPACES["ProPhoto"].profile().replace(b"RGB XYZ", b"LuvsXYZ"[:7]), "unreadable"),
    "a profile of greys": (grey_profile(1.8), "other_colours"),
    "a profile of inks": (cmyk_profile(cyan=(50.0, 0.0, 0.0)), "other_colours"),
    "a profile that is too large": (SPACES["ProPhoto"].profile() + bytes(MAX_PROFILE), "too_large"),
}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("name", UNUSABLE)
def test_a_profile_that_cannot_be_used_is_ignored_and_counted(name: str, kind: str, scene: Pixels) -> None:
    profile, why = UNUSABLE[name]
    lossless = {"lossless": True} if kind == "WEBP" else {}
    before = IGNORED[why]
    found = decode(saved(scene, profile, kind, **lossless))
    assert IGNORED[why] == before + 1
    assert np.array_equal(found, decode(saved(scene, b"", kind, **lossless)))


def test_a_profile_that_unpacks_to_gigabytes_is_ignored_and_counted(scene: Pixels) -> None:
    packed = b"iCCPa\0\0" + zlib.compress(bytes(100_000_000), 9)
    chunk = struct.pack(">I", len(packed) - 4) + packed + struct.pack(">I", zlib.crc32(packed))
    data = saved(scene, b"")
    before = IGNORED["too_large"]
    assert np.array_equal(decode(data[:33] + chunk + data[33:]), scene)
    assert IGNORED["too_large"] == before + 1
