"""From the bytes of a file to upright RGB pixels, whatever the file holds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pixkin_proto.errors import InvalidCrop, InvalidImage
from pixkin_proto.kept import without_frames

from pixkin_embedding.colours import rgb_bands
from pixkin_embedding.formats import FORMATS, recognise
from pixkin_embedding.formats.content import Canvas
from pixkin_embedding.limits import FOLDER_LIMITS, REQUEST_LIMITS, Limits
from pixkin_embedding.orientation import empty_upright, place, read_orientation
from pixkin_embedding.profiles import conversion

__all__ = ["FOLDER_LIMITS", "REQUEST_LIMITS", "Box", "Limits", "decode", "thumbnail"]

Pixels = NDArray[np.uint8]

# What glibc takes in pieces above 32 MiB goes back at once. Of Pillow's own 16 MiB each thread kept those of its last
# large picture: eight threads 2 GB after eight pictures of 50 megapixels (measured).
Image.core.set_block_size(64 * 2**20)  # type: ignore[attr-defined]  # Pillow documents it as PILLOW_BLOCK_SIZE


@dataclass(frozen=True)
class Box:
    """A part of a picture, in pixels of the upright full-size picture, from its left upper corner."""

    x: float
    y: float
    width: float
    height: float

    def of(self, pixels: Pixels) -> Pixels:
        """Return this part of (h, w, 3) pixels as a copy; edges are rounded to whole pixels, and one is left at least.

        Raises InvalidCrop when the box has no area or leaves the picture by more than half a pixel.
        """
        high, wide = pixels.shape[:2]
        numbers = (self.x, self.y, self.width, self.height)
        inside = (
            min(self.x, self.y) >= -0.5 and self.x + self.width <= wide + 0.5 and self.y + self.height <= high + 0.5
        )
        if not (all(map(math.isfinite, numbers)) and inside and min(self.width, self.height) > 0):
            raise InvalidCrop(
                f"the crop box x={self.x:g}, y={self.y:g}, width={self.width:g}, height={self.height:g} is no part of "
                f"the picture of {wide}x{high} pixels; give an area inside it, in pixels of the upright picture"
            )
        return pixels[_edges(self.y, self.height, high), _edges(self.x, self.width, wide)].copy()


def _edges(start: float, length: float, side: int) -> slice:
    first = min(max(math.floor(start + 0.5), 0), side - 1)
    return slice(first, min(max(math.floor(start + length + 0.5), first + 1), side))


def decode(data: bytes, limits: Limits = REQUEST_LIMITS, *, crop: Box | None = None) -> Pixels:
    """Return a picture's pixels: (h, w, 3) uint8 RGB, C-contiguous, upright, on white, of the first frame.

    16-bit greys are scaled to 8 bits; other 16-bit colours keep their upper byte. Colours become sRGB by the picture's
    profile, where it has one that can be used. The limits are checked before memory is taken for pixels. Raises
    InvalidImage for whatever is no such picture, and InvalidCrop.
    """
    limits.check_bytes(len(data))
    name = recognise(data, limits)
    try:
        pixels = _decode(data, name, limits)
    except Exception as error:  # decoders of damaged files raise anything, from struct.error to AssertionError
        refusal = _refusal(name, error)
    else:
        return pixels if crop is None else crop.of(pixels)
    try:
        raise refusal  # here, where the decoder's error is over: its frames hold the memory of the whole picture
    finally:
        del refusal


def _refusal(name: str, error: Exception) -> InvalidImage:
    if isinstance(error, InvalidImage):
        return without_frames(error)
    if isinstance(error, MemoryError | Image.DecompressionBombError):
        return InvalidImage("too_many_pixels", f"the {name} needs too much memory; make it smaller")
    return InvalidImage("corrupt", f"the {name} cannot be decoded: {error}; it is damaged or cut off")


def _decode(data: bytes, name: str, limits: Limits) -> Pixels:
    content = FORMATS[name].guard(data, limits)
    with FORMATS[name].open(BytesIO(content.data)) as image:
        limits.check_pixels(*image.size)
        image.load()
        canvas = content.canvas or Canvas(*image.size, 0, 0)
        upright, stored = empty_upright(canvas.width, canvas.height, read_orientation(content.exif))
        if image.size != (canvas.width, canvas.height):
            upright[...] = 255
        frame = stored[canvas.top :, canvas.left : canvas.left + image.width]
        for rows, band in rgb_bands(image, content.transparent, conversion(content.profile, image.mode)):
            place(frame[rows], band)
    return upright


def thumbnail(pixels: Pixels, side: int = 192) -> bytes:
    """Return (h, w, 3) pixels as a JPEG whose longest side is at most `side`; the same pixels give the same bytes."""
    image = Image.fromarray(pixels)
    image.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=2.0)
    out = BytesIO()
    image.save(out, "JPEG", quality=80)
    return out.getvalue()
