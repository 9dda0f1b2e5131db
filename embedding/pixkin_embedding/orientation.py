"""Which way up a picture is: EXIF tag 0x0112 (Exif 3.0, CIPA DC-008)."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

_ORIENTATION = 0x0112
_SHORT = 3

_TURNS = {
    1: (False, 1, 1),
    2: (False, 1, -1),
    3: (False, -1, -1),
    4: (False, -1, 1),
    5: (True, 1, 1),
    6: (True, -1, 1),
    7: (True, -1, -1),
    8: (True, 1, -1),
}
"""Orientation -> (rows and columns change places, step along the stored rows, step along the stored columns)."""


def read_orientation(exif: bytes) -> int:
    """Return the orientation, 1 to 8, that an EXIF block states for its picture; 1 unless it states one properly.

    Only this tag of the first directory is read: readers of everything fail on what cameras and fuzzers write.
    """
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        return _find(tiff, order)
    except struct.error:  # the block ends early
        return 1


def _find(tiff: bytes, order: str) -> int:
    (directory,) = struct.unpack_from(order + "I", tiff, 4)
    (entries,) = struct.unpack_from(order + "H", tiff, directory)
    for entry in range(entries):
        tag, kind, count, value = struct.unpack_from(order + "HHIH", tiff, directory + 2 + 12 * entry)
        if tag == _ORIENTATION:
            return value if kind == _SHORT and count == 1 and value in _TURNS else 1
    return 1


def empty_upright(width: int, height: int, orientation: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return an upright picture to be filled, and the view of it in which pixels lie as they are stored.

    Writing the stored rows into the view turns the picture without a copy. `width` and `height` are the stored ones;
    the view is (height, width, 3) uint8.
    """
    turned, down, right = _TURNS[orientation]
    upright = np.empty((width, height, 3) if turned else (height, width, 3), np.uint8)
    stored = upright.transpose(1, 0, 2) if turned else upright
    return upright, stored[::down, ::right]


def place(stored: NDArray[np.uint8], band: NDArray[np.uint8]) -> None:
    """Write some rows of pixels into their rows of the view that `empty_upright` gave."""
    if stored.flags.c_contiguous:
        stored[...] = band
        return
    for channel in range(3):  # half the time of turning pixels of three bytes each
        stored[..., channel] = band[..., channel]
