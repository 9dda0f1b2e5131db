"""WebP: canvas and EXIF (RFC 9649)."""

from __future__ import annotations

from pixkin_proto.errors import InvalidImage

from pixkin_embedding.formats.content import Content
from pixkin_embedding.limits import MAX_BLOCKS, Limits

_HAS_EXIF = 8


def matches(data: bytes) -> bool:
    """Return whether the bytes begin as a WebP does."""
    return data.startswith(b"RIFF") and data[8:12] == b"WEBP"


def guard(data: bytes, limits: Limits) -> Content:
    """Check a WebP's canvas, for which the decoder takes memory as soon as it is opened."""
    limits.check_pixels(*_canvas(data))
    return Content(data, _exif(data))


def _canvas(data: bytes) -> tuple[int, int]:
    """Return the width and height that the header declares."""
    kind = data[12:16]
    if kind == b"VP8X" and len(data) >= 30:
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L" and len(data) >= 25:
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and len(data) >= 30:
        return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    raise InvalidImage("corrupt", "the WebP has no header; the file is damaged or cut off")


def _exif(data: bytes) -> bytes:
    if data[12:16] != b"VP8X" or not data[20] & _HAS_EXIF:
        return b""
    position = 12
    for _ in range(MAX_BLOCKS):  # an animation of more frames than that stays as it is
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        if data.startswith(b"EXIF", position):
            return data[position + 8 : position + 8 + size]
        position += 8 + size + (size & 1)
    return b""
