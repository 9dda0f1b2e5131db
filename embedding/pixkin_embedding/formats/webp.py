"""WebP: canvas, first picture, EXIF and colour profile (RFC 9649)."""

from __future__ import annotations

from collections.abc import Iterator

from pixkin_proto.errors import InvalidImage

from pixkin_embedding.formats import vp8l
from pixkin_embedding.formats.content import Content
from pixkin_embedding.formats.declared import check_declared
from pixkin_embedding.limits import MAX_BLOCKS, Limits

_FIRST_CHUNK = 12
_EXTENDED, _FRAME, _LOSSY, _LOSSLESS = b"VP8X", b"ANMF", b"VP8 ", b"VP8L"
_FLAGS, _HAS_ALPHA = 20, 16
_FRAME_HEADER = 16  # bytes of an animation's frame before its own chunks
_HEADER = {_LOSSY: 10, _LOSSLESS: 5}
_BLOCK = 16  # pixels a side


def matches(data: bytes) -> bool:
    """Return whether the bytes begin as a WebP does."""
    return data.startswith(b"RIFF") and data[8:12] == b"WEBP"


def guard(data: bytes, limits: Limits) -> Content:
    """Check a WebP's canvas and first picture; the decoder takes memory for the canvas as soon as it is opened."""
    picture, exif, profile = b"", b"", b""
    last = min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    for name, start, end in _chunks(data, _FIRST_CHUNK, last):
        if name == _EXTENDED:
            limits.check_pixels(*_canvas(data[start:end]))
        elif name in {_LOSSY, _LOSSLESS, _FRAME} and not picture:  # a frame belongs to an extended file only
            picture = name
            _check_picture(name, data, start, end, limits)
        elif name == b"EXIF":
            exif = exif or data[start:end]
        elif name == b"ICCP":
            profile = profile or data[start:end]
        if name != _EXTENDED and not data.startswith(_EXTENDED, _FIRST_CHUNK):
            break  # the first chunk of a plain file is all of it
    if not picture:
        raise _cut_off()
    if picture == _FRAME:  # what the first frame leaves free is transparent, whether or not the file says so
        data = data[:_FLAGS] + bytes([data[_FLAGS] | _HAS_ALPHA]) + data[_FLAGS + 1 :]
    return Content(data, exif, profile=profile)


def _chunks(data: bytes, position: int, last: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield (name, start, end) of every chunk's contents; what is cut off, or the last of too many, is left out."""
    for _ in range(MAX_BLOCKS):
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        start, end = position + 8, position + 8 + size
        if end > last:
            return
        yield data[position : position + 4], start, end
        position = end + (size & 1)


def _check_picture(name: bytes, data: bytes, start: int, end: int, limits: Limits) -> None:
    if name == _FRAME:
        inside = _chunks(data, start + _FRAME_HEADER, end)
        found = next((each for each in inside if each[0] in {_LOSSY, _LOSSLESS}), None)
        if found is None:
            raise _cut_off()
        name, start, end = found
    chunk = data[start:end]
    if len(chunk) < _HEADER[name]:
        raise _cut_off()
    width, height = _lossy_size(chunk) if name == _LOSSY else _lossless_size(chunk)
    limits.check_pixels(width, height)
    if name == _LOSSY:
        # How a block is predicted is coded with fixed odds, and takes more than a bit whatever is chosen.
        check_declared("WebP", width, height, has=len(chunk), least=-(-width // _BLOCK) * -(-height // _BLOCK) // 8)
    elif not vp8l.may_be_read(chunk):
        raise InvalidImage("corrupt", f"the WebP declares {width}x{height} pixels, and no pixels follow; it is damaged")


def _canvas(chunk: bytes) -> tuple[int, int]:
    return 1 + int.from_bytes(chunk[4:7], "little"), 1 + int.from_bytes(chunk[7:10], "little")


def _lossy_size(chunk: bytes) -> tuple[int, int]:
    return int.from_bytes(chunk[6:8], "little") & 0x3FFF, int.from_bytes(chunk[8:10], "little") & 0x3FFF


def _lossless_size(chunk: bytes) -> tuple[int, int]:
    bits = int.from_bytes(chunk[1:5], "little")
    return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)


def _cut_off() -> InvalidImage:
    return InvalidImage("corrupt", "the WebP has no whole picture in it; the file is damaged or cut off")
