"""How far an exported graph is from its source, and the error when that is too far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pixkin_proto.errors import InvalidExtractor

MIN_COSINE = 0.99999
MAX_DIFFERENCE = 1e-4
"""Of a component, where the largest of the vector is at most 1; else of that share of it."""
MAX_MOVED = 1e-3
"""Of what is counted: the share that may lie in another bin."""


@dataclass(frozen=True)
class Row:
    """How far one descriptor of the exported graph is from its source, over all pictures.

    cosine: the smallest · difference: the largest of a component, or of what is counted the share that moved, both
    relative where the vector is larger than 1 · worst: the picture · ranked: whether the pictures come in the same
    order.
    """

    descriptor: str
    cosine: float
    difference: float
    worst: str
    ranked: bool
    counted: bool

    @property
    def passed(self) -> bool:
        """Whether it is near enough."""
        if self.counted:
            return self.difference <= MAX_MOVED
        return self.cosine >= MIN_COSINE and self.difference <= MAX_DIFFERENCE and self.ranked

    def plain(self) -> dict[str, Any]:
        """Return it for the provenance."""
        what = "moved" if self.counted else "max_difference"
        same_top = {} if self.counted else {"same_top_10": self.ranked}
        return {
            "descriptor": self.descriptor,
            "cosine": round(self.cosine, 7),
            what: f"{self.difference:.0e}",
            **same_top,
        }


class ParityFailed(InvalidExtractor):
    """An exported graph computes something else than its source. rows: how far each descriptor is."""

    def __init__(self, message: str, rows: Sequence[Row]) -> None:
        super().__init__(message)
        self.rows = tuple(rows)
