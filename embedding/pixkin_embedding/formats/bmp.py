"""BMP: size of the pixels, run-length compression."""

from __future__ import annotations

import struct

from pixkin_proto.errors import InvalidImage

from pixkin_embedding.formats.content import Content
from pixkin_embedding.formats.declared import check_declared
from pixkin_embedding.limits import Limits

_RUN_LENGTHS = {1, 2}
_MAX_RUN_LENGTH_PIXELS = 2_500_000  # Pillow decodes them in Python: a second for the worst of this size, measured
_OS2_HEADER, _WINDOWS_HEADER = 12, 40


def matches(data: bytes) -> bool:
    """Return whether the bytes begin as a BMP does."""
    return data.startswith(b"BM")


def guard(data: bytes, limits: Limits) -> Content:
    """Check the size of a BMP, more strictly if it is compressed by run lengths; return no more than may be pixels."""
    size = int.from_bytes(data[14:18], "little")
    if size >= _WINDOWS_HEADER:
        offset, width, height, bits, compression = struct.unpack_from("<I4x2i2xHI", data, 10)
    elif size == _OS2_HEADER:
        offset, width, height, bits = struct.unpack_from("<I4x2H2xH", data, 10)
        compression = 0
    else:
        raise InvalidImage("corrupt", f"the BMP has a header of {size} bytes, which no BMP has; the file is damaged")
    height = abs(height)
    limits.check_pixels(width, height)
    if compression not in _RUN_LENGTHS:
        _check_rows(width, height, bits, len(data) - offset)
        return Content(data)
    _check_runs(width, height, len(data) - offset)
    return Content(data[: offset + 2 * (width * height + height) + 2])  # runs of one pixel, and the ends of lines


def _check_rows(width: int, height: int, bits: int, has: int) -> None:
    """Check that there is room for every row; rows begin at multiples of four bytes, the last may lack its filling."""
    row = (width * bits + 31) // 32 * 4
    check_declared("BMP", width, height, has=has, least=row * max(height - 1, 0) + (width * bits + 7) // 8)


def _check_runs(width: int, height: int, has: int) -> None:
    pixels = width * height
    if pixels > _MAX_RUN_LENGTH_PIXELS:
        raise InvalidImage(
            "too_complex",
            f"the run-length compressed BMP is {width}x{height} pixels and the limit for these is "
            f"{_MAX_RUN_LENGTH_PIXELS:,} pixels; save it as PNG",
        )
    # Nothing is shorter than a step of four bytes, which skips 255 rows and 255 pixels.
    check_declared("BMP", width, height, has=has, least=4 * pixels // (255 * (width + 1)))
