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

_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")


def recognise(data: bytes, limits: Limits) -> str:
    """Return the name of the format that the bytes begin as; raise InvalidImage when it is none of FORMATS."""
    for name, candidate in FORMATS.items():
        if candidate.matches(data):
            return name
    heif = data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS
    if heif and limits.heif:
        raise NotImplementedYet("reading HEIC pictures")
    what = "is HEIC" if heif else f"begins with {data[:8].hex(' ')}"
    raise InvalidImage(
        "unsupported_format", f"the file {what}; pixkin reads {listed(FORMATS)}: convert it to one of these"
    )
