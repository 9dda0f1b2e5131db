"""Every kind of pixel that a decoder returns, as 8-bit RGB on white."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixkin_embedding.profiles import Conversion

_ROWS = 64  # whole pictures at a time cost twice the time and half as much memory again (12 megapixels, measured)


def rgb_bands(
    image: Image.Image, transparent: tuple[int, ...] | None, profile: Conversion | None = None
) -> Iterator[tuple[slice, NDArray[np.uint8]]]:
    """Yield (rows, their pixels) from top to bottom; pixels are (rows, width, 3) uint8.

    `transparent` is the grey value or colour that a PNG declares transparent, in the units of the image's pixels;
    `profile` makes the colours sRGB.
    """
    for top in range(0, image.height, _ROWS):
        bottom = min(top + _ROWS, image.height)
        yield slice(top, bottom), _srgb(image.crop((0, top, image.width, bottom)), transparent, profile)


def _srgb(band: Image.Image, transparent: tuple[int, ...] | None, profile: Conversion | None) -> NDArray[np.uint8]:
    if profile is None:
        return _rgb(band, transparent)
    if profile.mode == "CMYK":
        return profile.apply(np.asarray(band))
    pixels = _rgb(band, transparent)  # on white, which is white in every profile
    return profile.apply(pixels if profile.mode == "RGB" else pixels[..., 0])


def _rgb(band: Image.Image, transparent: tuple[int, ...] | None) -> NDArray[np.uint8]:
    if "A" in band.mode or "transparency" in band.info:
        return np.asarray(_on_white(band.convert("RGBA")))
    if band.mode.startswith("I"):
        return _eight_bits(np.asarray(band), transparent)
    pixels = np.asarray(band if band.mode == "RGB" else band.convert("RGB"))
    if transparent is None:
        return pixels
    return np.where((pixels == transparent).all(axis=2, keepdims=True), np.uint8(255), pixels)


def _on_white(band: Image.Image) -> Image.Image:
    white = Image.new("RGB", band.size, (255, 255, 255))
    white.paste(band, mask=band)
    return white


def _eight_bits(values: NDArray[np.generic], transparent: tuple[int, ...] | None) -> NDArray[np.uint8]:
    """Return 16-bit greys v as round(v * 255 / 65535), which is v / 257 rounded, and transparent ones as white."""
    wide = values.astype(np.int32).clip(0, 65_535)
    if transparent is not None:
        wide[wide == transparent[0]] = 65_535
    grey = ((wide + 128) // 257).astype(np.uint8)
    return np.broadcast_to(grey[..., np.newaxis], (*grey.shape, 3))
