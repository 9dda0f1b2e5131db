"""GIF: the first frame (GIF89a specification)."""

from __future__ import annotations

import struct

from pixkin_proto.errors import InvalidImage

from pixkin_embedding.formats.content import Canvas, Content
from pixkin_embedding.formats.declared import check_declared
from pixkin_embedding.limits import MAX_BLOCKS, Limits, too_complex

_EXTENSION, _IMAGE, _TRAILER = b"!,;"
_HAS_PALETTE = 128
_MOST_OF_A_BYTE = 4096 * 8 // 12 + 1  # pixels: a code has 12 bits, and stands for less than 4,096


def matches(data: bytes) -> bool:
    """Return whether the bytes begin as a GIF does."""
    return data.startswith((b"GIF87a", b"GIF89a"))


def guard(data: bytes, limits: Limits) -> Content:
    """Check the size of a GIF's screen and first frame; return it without comments and other extensions.

    A frame may leave the screen, which then grows. What a smaller one leaves free is transparent and has no place in
    its palette, so the frame is decoded alone, and the canvas says where it lies. Of the graphic control only the
    transparent colour is kept: how the frame is disposed of concerns the next one.
    """
    frame, control = _first_frame(data)
    screen, (left, top, across, down) = struct.unpack_from("<2H", data, 6), struct.unpack_from("<4H", data, frame + 1)
    width, height = max(screen[0], left + across), max(screen[1], top + down)
    limits.check_pixels(width, height)
    check_declared("GIF", across, down, has=len(data) - frame, least=across * down // _MOST_OF_A_BYTE)
    if control:
        control = b"\x21\xf9\x04" + bytes([control[3] & 1, 0, 0, control[6], 0])
    size = struct.pack("<2H", across, down)
    header = data[:6] + size + data[10 : _after_header(data)]
    alone = header + control + b"," + bytes(4) + size + data[frame + 9 :]
    return Content(alone, canvas=Canvas(width, height, left, top))


def _after_header(data: bytes) -> int:
    flags = data[10]
    return 13 + (3 << (flags & 7) + 1 if flags & _HAS_PALETTE else 0)


def _first_frame(data: bytes) -> tuple[int, bytes]:
    """Return where the first frame's descriptor begins, and the graphic control before it (empty: none)."""
    position, control, in_extension = _after_header(data), b"", False
    for _ in range(MAX_BLOCKS):
        byte = data[position]
        if in_extension:
            position += 1 + byte
            in_extension = byte > 0
        elif byte == _EXTENSION:
            if data.startswith(b"\xf9\x04", position + 1):
                control = data[position : position + 8]
            position += 2
            in_extension = True
        elif byte == _IMAGE:
            return position, control
        elif byte == _TRAILER:
            raise InvalidImage("corrupt", "the GIF has no picture in it; the file is damaged")
        else:
            position += 1
    raise too_complex("blocks before its first frame", MAX_BLOCKS)
