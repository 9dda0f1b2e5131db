"""PNG: number of chunks, transparent colour, EXIF, colour profile (PNG specification, third edition)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from pixkin_proto.errors import InvalidImage

from pixkin_embedding.formats.content import Content
from pixkin_embedding.formats.declared import check_declared
from pixkin_embedding.limits import Limits, too_complex
from pixkin_embedding.profiles import MAX_PROFILE

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _COLOUR, _PALETTE = 0, 2, 3
_CHANNELS = {_GREY: 1, _COLOUR: 3, _PALETTE: 1, 4: 2, 6: 4}
_MOST_OF_A_BYTE = 1032  # bytes: 258 take two bits in deflate at its best
_PIXELS = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}


def matches(data: bytes) -> bool:
    """Return whether the bytes begin as a PNG does."""
    return data.startswith(_SIGNATURE)


def guard(data: bytes, limits: Limits) -> Content:
    """Check a PNG's size and number of chunks; return it without text and animation, its profile apart.

    Text and profiles are compressed and may unpack to a thousand times their size: texts are left packed, and of one
    profile as much is unpacked as may be read. Without the animation's chunks the
    default picture is left, which is the first frame.
    """
    if data[8:16] != b"\0\0\0\x0dIHDR" or len(data) < 33:
        raise InvalidImage("corrupt", "the PNG has no header; the file is damaged or cut off")
    width, height = int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    depth, colour_type = data[24], data[25]
    limits.check_pixels(width, height)
    kept, exif, transparent, profile, packed = [_SIGNATURE], b"", None, b"", 0
    for name, start, end in _chunks(data, limits):
        packed += min(end, len(data)) - start if name == b"IDAT" else 0
        if name in _PIXELS or (name == b"tRNS" and colour_type == _PALETTE):
            kept.append(data[start:end])
        elif name == b"tRNS" and colour_type in {_GREY, _COLOUR}:
            transparent = _transparent(data[start + 8 : end - 4], depth, colour_type)
        elif name == b"eXIf":
            exif = exif or data[start + 8 : end - 4]
        elif name == b"iCCP":
            profile = profile or _unpacked(data[start + 8 : end - 4])
    least = width * height * depth * _CHANNELS.get(colour_type, 1) // (8 * _MOST_OF_A_BYTE)
    check_declared("PNG", width, height, has=packed, least=least)
    return Content(b"".join(kept), exif, transparent, profile=profile)


def _chunks(data: bytes, limits: Limits) -> Iterator[tuple[bytes, int, int]]:
    """Yield (name, start, end) of every chunk; the last one may be cut off."""
    position, count, name = len(_SIGNATURE), 0, b""
    while position < len(data) and name != b"IEND":
        count += 1
        if count > limits.max_png_chunks:
            raise too_complex("chunks", limits.max_png_chunks)
        start, name = position, data[position + 4 : position + 8]
        position += 12 + int.from_bytes(data[start : start + 4])
        yield name, start, position


def _unpacked(chunk: bytes) -> bytes:
    """Return the profile of an iCCP chunk, cut where it is too large to be read; its name when it is damaged."""
    name, _, packed = chunk.partition(b"\0")
    try:
        return zlib.decompressobj().decompress(packed[1:], MAX_PROFILE + 1)
    except zlib.error:
        return name


def _transparent(samples: bytes, depth: int, colour_type: int) -> tuple[int, ...]:
    """Return the transparent colour as Pillow's pixels have it: 16-bit grey, else 8-bit.

    Pillow widens greys of 1, 2 and 4 bits to 8 and leaves this colour as it is, so nothing would match it; of 16-bit
    colours it keeps the upper byte.
    """
    count = 1 if colour_type == _GREY else 3
    values = [int.from_bytes(samples[2 * i : 2 * i + 2]) for i in range(count)]
    if depth == 16:
        return tuple(values) if colour_type == _GREY else tuple(value >> 8 for value in values)
    return tuple(value * 255 // (2**depth - 1) for value in values)
