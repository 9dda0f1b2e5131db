"""JPEG: frame size, number of scans, EXIF, colour profile (ITU-T T.81 annex B)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pixkin_proto.errors import InvalidImage

from pixkin_embedding.formats.content import Content
from pixkin_embedding.formats.declared import check_declared
from pixkin_embedding.limits import MAX_BLOCKS, Limits, too_complex

_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]", re.DOTALL)  # those with a segment, and end of image
_END_OF_IMAGE = 0xD9
_MAX_SCANNED = 20  # times max_pixels: 48 MP in 98 scans took 4 s, and cameras write 10
_START_OF_SCAN = 0xDA
_EXIF, _PROFILE = 0xE1, 0xE2
_PROFILE_NAME = b"ICC_PROFILE\0"  # then the number of the part, and how many there are (ICC.1, annex B.4)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_HUFFMAN_FRAMES = {0xC0, 0xC1, 0xC2}
_METADATA = (frozenset(range(0xE1, 0xF0)) | {0xFE}) - {0xEE}  # APP0 and APP14 say which colours the components are


def matches(data: bytes) -> bool:
    """Return whether the bytes begin as a JPEG does."""
    return data.startswith(b"\xff\xd8\xff")


def guard(data: bytes, limits: Limits) -> Content:
    """Check a JPEG's frame and scans; return it without application data and comments."""
    kept, exif, pixels = [data[:2]], b"", 0
    profile: dict[int, bytes] = {}
    for marker, start, end in _segments(data):
        if marker == _START_OF_SCAN:
            _check_scans(data, start, pixels, limits)
            parts = b"".join(profile[number] for number in sorted(profile))
            return Content(b"".join([*kept, data[start:]]), exif, profile=parts)
        if marker in _FRAMES:
            pixels = _check_frame(marker, data[start + 4 : end], len(data) - end, limits)
        if marker == _EXIF and data.startswith(b"Exif\0\0", start + 4):
            exif = exif or data[start + 4 : end]
        if marker == _PROFILE and data.startswith(_PROFILE_NAME, start + 4):  # in numbered parts, in any order
            profile.setdefault(data[start + 16], data[start + 18 : end])
        if marker not in _METADATA:
            kept.append(data[start:end])
    raise InvalidImage("corrupt", "the JPEG ends before its first pixel; it was cut off on its way")


def _segments(data: bytes, position: int = 2) -> Iterator[tuple[int, int, int]]:
    """Yield (marker, start, end) of every segment from `position` to the end of the image.

    Bytes that are no marker are skipped as libjpeg does: between segments they are junk, behind a scan's header its
    pixels.
    """
    count = 0
    while (found := _MARKER.search(data, position)) and data[found.start() + 1] != _END_OF_IMAGE:
        count += 1
        if count > MAX_BLOCKS:
            raise too_complex("segments", MAX_BLOCKS)
        start = found.start()
        length = int.from_bytes(data[start + 2 : start + 4])
        position = start + 2 + length
        if length < 2 or position > len(data):
            raise InvalidImage(
                "corrupt", "a segment of the JPEG has an impossible length; the file is damaged or cut off"
            )
        yield data[start + 1], start, position


def _check_frame(marker: int, frame: bytes, rest: int, limits: Limits) -> int:
    """Check the size that a frame header declares, and that the `rest` bytes behind it can hold it; returns its pixels.

    Every 8x8 block of every component takes a bit at least where Huffman codes are used, so a file of a few hundred
    bytes that declares millions of pixels is refused before memory is taken for them.
    """
    height, width = int.from_bytes(frame[1:3]), int.from_bytes(frame[3:5])
    limits.check_pixels(width, height)
    if marker not in _HUFFMAN_FRAMES:
        return width * height
    factors = [(byte >> 4, byte & 15) for byte in frame[7::3]]
    widest, highest = (max((factor[axis] for factor in factors), default=0) for axis in (0, 1))
    least_bits = width * height * sum(x * y for x, y in factors) // max(1, 64 * widest * highest)
    check_declared("JPEG", width, height, has=rest, least=(least_bits + 7) // 8)
    return width * height


def _check_scans(data: bytes, start: int, pixels: int, limits: Limits) -> None:
    most = min(limits.max_jpeg_scans, _MAX_SCANNED * limits.max_pixels // max(pixels, 1))
    if data.count(b"\xff\xda", start) <= most:  # no fewer than there are scans, and fast to count
        return
    markers = (marker for marker, _, _ in _segments(data, start))
    if sum(marker == _START_OF_SCAN for marker in markers) > most:
        raise too_complex("scans", most)
