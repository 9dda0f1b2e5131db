"""ICC profiles of known colour spaces, made from their published primaries, and pictures in them by formulas alone."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def srgb_curve(encoded: Array) -> Array:
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def srgb_inverse(linear: Array) -> Array:
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


@dataclass(frozen=True)
class Space:
    """A colour space. primaries: the XYZ (D50) of red, green and blue, as rows · curve: encoded to linear, 0 to 1."""

    primaries: Array
    curve: Callable[[Array], Array]
    inverse: Callable[[Array], Array]

    def profile(self) -> bytes:
        """The ICC profile (version 2, matrix and curves)."""
        curve = self.curve(np.linspace(0, 1, 4096))
        tags = [
            (b"desc", b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(79)),
            (b"cprt", b"text" + bytes(5)),
        ]
        tags += [(b"wtpt", xyz(np.array([0.9642, 1.0, 0.8249])))]
        tags += [(name, xyz(row)) for name, row in zip((b"rXYZ", b"gXYZ", b"bXYZ"), self.primaries, strict=True)]
        tags += [(name, table(curve)) for name in (b"rTRC", b"gTRC", b"bTRC")]
        return assembled(b"RGB ", tags)

    def from_srgb(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The same colours in this space. pixels: (h, w, 3) uint8 sRGB."""
        linear = srgb_curve(pixels / 255) @ SRGB.primaries @ np.linalg.inv(self.primaries)
        return np.rint(255 * self.inverse(linear.clip(0, 1))).astype(np.uint8)


def assembled(colours: bytes, tags: list[tuple[bytes, bytes]]) -> bytes:
    body, directory, place = b"", b"", 132 + 12 * len(tags)
    for name, data in tags:
        directory += struct.pack(">4s2I", name, place + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4sI4s4s4s", place + len(body), bytes(4), 0x02400000, b"mntr", colours, b"XYZ ")
    head += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp").ljust(44, b"\0") + fixed(np.array([0.9642, 1.0, 0.8249]))
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + directory + body


def fixed(values: Array) -> bytes:
    return np.rint(values * 65536).astype(">i4").tobytes()


def xyz(values: Array) -> bytes:
    return b"XYZ " + bytes(4) + fixed(values)


def table(values: Array) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">I", len(values)) + np.rint(values * 65535).astype(">u2").tobytes()


def grey_profile(gamma: float) -> bytes:
    """A profile of greys whose light is their value to a power."""
    tags = [(b"desc", b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(79)), (b"cprt", b"text" + bytes(5))]
    tags += [(b"wtpt", xyz(np.array([0.9642, 1.0, 0.8249]))), (b"kTRC", table(np.linspace(0, 1, 4096) ** gamma))]
    return assembled(b"GRAY", tags)


def power(gamma: float) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    return (lambda encoded: encoded**gamma), (lambda linear: linear ** (1 / gamma))


SRGB = Space(
    np.array([[0.4360747, 0.2225045, 0.0139322], [0.3850649, 0.7168786, 0.0971045], [0.1430804, 0.0606169, 0.7141733]]),
    srgb_curve,
    srgb_inverse,
)
SPACES = {
    "sRGB": SRGB,
    "Display P3": Space(
        np.array([[0.515102, 0.241182, -0.001049], [0.291965, 0.692236, 0.041882], [0.157153, 0.066582, 0.784378]]),
        srgb_curve,
        srgb_inverse,
    ),
    "Adobe RGB": Space(
        np.array(
            [[0.6097559, 0.3111242, 0.0194811], [0.2052401, 0.6256560, 0.0608902], [0.149224, 0.0632197, 0.7448387]]
        ),
        *power(563 / 256),
    ),
    "ProPhoto": Space(
        np.array([[0.7976749, 0.2880402, 0.0], [0.1351917, 0.7118741, 0.0], [0.0313534, 0.0000857, 0.82521]]),
        *power(1.8),
    ),
}


def cmyk_profile(*, cyan: tuple[float, float, float]) -> bytes:
    """A profile of inks: paper is white, black and what has two inks is black, and cyan alone is a Lab colour."""
    lab = {(0, 0, 0, 0): (100.0, 0.0, 0.0), (1, 0, 0, 0): cyan}
    corners = [lab.get(corner, (0.0, 0.0, 0.0)) for corner in np.ndindex(2, 2, 2, 2)]
    straight = bytes(range(256))
    clut = b"".join(bytes([round(light * 2.55), round(a + 128), round(b + 128)]) for light, a, b in corners)
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + fixed(np.eye(3).ravel()) + straight * 4 + clut + straight * 3
    tags = [(b"desc", b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(79)), (b"cprt", b"text" + bytes(5))]
    tags += [(b"wtpt", xyz(np.array([0.9642, 1.0, 0.8249]))), (b"A2B0", lut)]
    return assembled(b"CMYK", tags).replace(b"mntrCMYKXYZ ", b"prtrCMYKLab ")
