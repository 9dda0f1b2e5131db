"""What a store compares its items with: one vector, one descriptor, one measure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pixkin_scoring.filters import Filter


@dataclass(frozen=True)
class ScoringQuery:
    """One vector to compare the vectors of one descriptor with.

    vector: (d,) float64, finite, checked against descriptor and measure · normalise: for mass measures, True divides
    both sides by their sums, False computes the printed formula on the vectors as stored · exclude: ids to leave out.
    """

    descriptor: str
    measure: str
    vector: NDArray[np.float64]
    normalise: bool = True
    exclude: frozenset[str] = frozenset()


@dataclass(frozen=True)
class CandidateSearch:
    """One of several searches for candidates; the fields are those of `Store.candidates`."""

    collection: str
    query: ScoringQuery
    depth: int
    filters: Filter = ()
    shortlist: int = 0
    allow_partial: bool = False
    vectors: int = 0

    @property
    def reach(self) -> int:
        """How many candidates come: those behind the depth only for their vectors, in about their order."""
        return max(self.depth, self.vectors)
