"""How near a smaller extractor comes to the one that it was made of, on pictures that had no part in its making."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.errors import InvalidArgument

Vectors = Mapping[str, NDArray[np.float32]]
Encode = Callable[[NDArray[np.uint8]], Vectors]
"""From prepared pictures (n, h, w, 3) to vectors (n, dim) by descriptor."""
Picture = TypeVar("Picture")

TOP = 10
CALIBRATING = 100
"""Pictures to calibrate with: EfficientNet-Lite0 had the same cosine, within 0.0001, with 50, 100 and 200."""
HELD_OUT = 500
LEAST = 40
"""Half of them calibrate, and of the others each has its TOP nearest among twice as many."""


@dataclass(frozen=True)
class Nearness:
    """How near the vectors of one descriptor are.

    cosine_min, cosine_mean: of a picture's two vectors · top_10: the mean share of a picture's ten nearest by cosine,
    itself left out, that both find · pictures: how many there were.
    """

    descriptor: str
    cosine_min: float
    cosine_mean: float
    top_10: float
    pictures: int

    def plain(self) -> dict[str, str | float | int]:
        """Return it for the provenance."""
        return {
            "descriptor": self.descriptor,
            "cosine_min": round(self.cosine_min, 5),
            "cosine_mean": round(self.cosine_mean, 5),
            "top_10": round(self.top_10, 4),
            "pictures": self.pictures,
        }


def divide(pictures: Sequence[Picture], folder: str) -> tuple[list[Picture], list[Picture]]:
    """Return which pictures calibrate and which are held out for the comparison: both from all parts of the folder.

    pictures: names or pixels, in a fixed order · folder: where they are, for messages. At most half of them calibrate.
    Raises InvalidArgument for too few.
    """
    if len(pictures) < LEAST:
        found = f"{len(pictures)} pictures" if pictures else "no pictures"
        raise InvalidArgument(
            f"{folder} has {found}, and calibrating takes {LEAST} or more; name a folder of pictures like those that "
            "will be searched"
        )
    chosen = set(_spread(len(pictures), min(CALIBRATING, len(pictures) // 2)))
    others = [place for place in range(len(pictures)) if place not in chosen]
    held_out = [others[place] for place in _spread(len(others), min(HELD_OUT, len(others)))]
    return [pictures[place] for place in sorted(chosen)], [pictures[place] for place in held_out]


def how_near(encode: Encode, smaller: Encode, pictures: Iterable[NDArray[np.uint8]]) -> list[Nearness]:
    """Compare two extractors of the same descriptors.

    pictures: prepared, (h, w, 3) uint8 each; one at a time is in memory. Raises InvalidArgument for fewer than TOP + 1.
    """
    found = [(encode(picture[np.newaxis]), smaller(picture[np.newaxis])) for picture in pictures]
    if len(found) <= TOP:
        raise InvalidArgument(f"{len(found)} pictures are too few to compare {TOP} neighbours; give {TOP + 1} or more")
    return [
        _nearness(name, *(_unit(np.concatenate([each[side][name] for each in found])) for side in (0, 1)))
        for name in found[0][0]
    ]


def _spread(count: int, wanted: int) -> list[int]:
    """Return `wanted` different places below `count`, evenly apart."""
    return [place * count // wanted for place in range(wanted)]


def _nearness(name: str, a: NDArray[np.float64], b: NDArray[np.float64]) -> Nearness:
    """Compare vectors (n, dim) of length 1 or 0; two zero vectors are the same."""
    cosines = np.where(~a.any(axis=1) & ~b.any(axis=1), 1.0, (a * b).sum(axis=1))
    same = [len(np.intersect1d(x, y)) for x, y in zip(_nearest(a), _nearest(b), strict=True)]
    return Nearness(name, float(cosines.min()), float(cosines.mean()), float(np.mean(same)) / TOP, len(a))


def _nearest(unit: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the places of each vector's TOP nearest others, (n, TOP)."""
    similarities = unit @ unit.T
    np.fill_diagonal(similarities, -np.inf)
    return np.argsort(-similarities, axis=1, kind="stable")[:, :TOP]


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1.0)
