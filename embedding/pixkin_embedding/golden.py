"""Eight generated pictures whose vectors every extractor file carries, so that a wrong machine is noticed at load."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.errors import InvalidExtractor

MIN_COSINE = 0.999
COUNT = 8


def pictures() -> list[NDArray[np.uint8]]:
    """Return the pictures, (h, w, 3) uint8 each, made by integer arithmetic so that they are the same everywhere.

    They differ in shape (landscape, portrait, thin, a single pixel) and content (ramps, stripes, noise, discs).
    """
    return [
        _ramps(240, 320),
        _ramps(320, 240)[::-1].copy(),
        _stripes(96, 128),
        _noise(200, 200),
        _discs(256, 384),
        _discs(150, 60),
        _stripes(20, 500),
        _noise(1, 1),
    ]


def compare(name: str, expected: Mapping[str, NDArray[np.float32]], actual: Mapping[str, NDArray[np.float32]]) -> None:
    """Raise InvalidExtractor unless each golden vector has a cosine of at least 0.999 to the sealed one.

    expected, actual: for each descriptor (8, dim) float32.
    """
    for descriptor, sealed in expected.items():
        computed = actual[descriptor]
        if computed.shape != sealed.shape or sealed.shape[0] != COUNT:
            raise InvalidExtractor(f"{name}: {descriptor} has golden vectors of shape {sealed.shape}; export it again")
        worst = float(cosines(sealed.astype(np.float64), computed.astype(np.float64)).min())
        if not worst >= MIN_COSINE:
            raise InvalidExtractor(
                f"{name} computes other vectors here than where it was exported: {descriptor} has a cosine of "
                f"{worst:.4f} to its golden vectors (at least {MIN_COSINE} is needed); try --device cpu or export again"
            )


def cosines(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cosine of each pair of rows (n, d), (n,); 1 of two zero vectors, 0 of one."""
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    same_zero = ~a.any(axis=1) & ~b.any(axis=1)
    return np.where(same_zero, 1.0, (a * b).sum(axis=1) / np.where(norms > 0, norms, 1.0))


def _ramps(height: int, width: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[:height, :width]
    return _rgb(x * 255 // max(width - 1, 1), y * 255 // max(height - 1, 1), (x + y) * 127 // (height + width))


def _stripes(height: int, width: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[:height, :width]
    return _rgb((x // 7 % 2) * 200 + 30, (y // 5 % 3) * 90, ((x + 2 * y) // 11 % 4) * 60)


def _noise(height: int, width: int) -> NDArray[np.uint8]:
    index = np.arange(height * width * 3, dtype=np.uint64).reshape(height, width, 3)
    mixed = (index + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    return ((mixed ^ (mixed >> np.uint64(29))) >> np.uint64(40) & np.uint64(255)).astype(np.uint8)


def _discs(height: int, width: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[:height, :width]
    wide = (2 * x - width) ** 2 + (2 * y - height) ** 2 < min(height, width) ** 2
    small = (3 * x - width) ** 2 + (3 * y - 2 * height) ** 2 < (min(height, width) // 2) ** 2
    return _rgb(np.where(wide, 220, 40), np.where(small, 180, y * 60 // height + 20), np.where(wide & ~small, 70, 150))


def _rgb(*channels: NDArray[np.int64]) -> NDArray[np.uint8]:
    return np.stack(channels, axis=-1).astype(np.uint8)
