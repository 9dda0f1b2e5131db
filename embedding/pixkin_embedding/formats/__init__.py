"""The image formats that pixkin reads, recognised by their first bytes.

A guard reads a file's structure itself, checks it against the limits, and hands on only what makes pixels. Pillow's
readers of metadata take memory and time, warn through global state, and raise on damage that leaves the pixels whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile
from pixkin_proto.errors import InvalidImage, NotImplementedYet, listed

from pixkin_embedding.formats import bmp, gif, jpeg, png, webp
from pixkin_embedding.formats.content import Content
from pixkin_embedding.formats.unread import kind_of
from pixkin_embedding.limits import Limits


@dataclass(frozen=True)
class Format:
    """How files of one format are recognised, guarded and opened.

    `open` is Pillow's reader of this one format: `Image.open` would warn about large pictures with `warnings`, which
    cannot be silenced for one thread, and has other limits than ours.
    """

    matches: Callable[[bytes], bool]
    guard: Callable[[bytes, Limits], Content]
    open: Callable[[BytesIO], ImageFile]


FORMATS = {
    "JPEG": Format(jpeg.matches, jpeg.guard, JpegImageFile),
    "PNG": Format(png.matches, png.guard, PngImageFile),
    "WebP": Format(webp.matches, webp.guard, WebPImageFile),
    "GIF": Format(gif.matches, gif.guard, GifImageFile),
    "BMP": Format(bmp.matches, bmp.guard, BmpImageFile),
}


def recognise(data: bytes, limits: Limits) -> str:
    """Return the name of the format that the bytes begin as; raise InvalidImage when it is none of FORMATS."""
    name = readable(data)
    if name:
        return name
    kind = kind_of(data)
    if kind == "HEIC" and limits.heif:
        raise NotImplementedYet("reading HEIC pictures")
    what = f"is {kind}" if kind else "is of a format that pixkin does not know"
    raise InvalidImage(
        "unsupported_format", f"the file {what}; pixkin reads {listed(FORMATS)}: convert it to one of these"
    )


def readable(data: bytes) -> str:
    """Return which of FORMATS the bytes begin as; empty when none."""
    return next((name for name, candidate in FORMATS.items() if candidate.matches(data)), "")
