"""BMP: run-length compression."""

from __future__ import annotations

import struct

from pixkin_proto.errors import InvalidImage

from pixkin_embedding.formats.content import Content
from pixkin_embedding.limits import Limits

_RUN_LENGTHS = {1, 2}
_MAX_RUN_LENGTH_PIXELS = 2_500_000  # Pillow decodes them in Python: a second for the worst of this size, measured


def matches(data: bytes) -> bool:
    """Return whether the bytes begin as a BMP does."""
    return data.startswith(b"BM")


def guard(data: bytes, limits: Limits) -> Content:
    """Check the size of a BMP, more strictly if it is compressed by run lengths; return no more than may be pixels."""
    if int.from_bytes(data[14:18], "little") < 40:
        return Content(data)
    offset, width, height, compression = struct.unpack_from("<I4x2i4xI", data, 10)
    pixels = width * abs(height)
    limits.check_pixels(width, abs(height))
    if compression not in _RUN_LENGTHS:
        return Content(data)
    if pixels > _MAX_RUN_LENGTH_PIXELS:
        raise InvalidImage(
            "too_complex",
            f"the run-length compressed BMP is {width}x{abs(height)} pixels and the limit for these is "
            f"{_MAX_RUN_LENGTH_PIXELS:,} pixels; save it as PNG",
        )
    return Content(data[: offset + 2 * (pixels + abs(height)) + 2])  # runs of one pixel, and the ends of lines
