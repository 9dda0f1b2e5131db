"""What a search returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import overload

import numpy as np
from numpy.typing import NDArray

from pixkin_scoring.explaining import Explanation
from pixkin_scoring.plan import Plan


@dataclass(frozen=True)
class Hit:
    """An item returned. rank counts from 1; value is the measure's own, score >= 0 and higher is better."""

    rank: int
    id: str
    score: float
    value: float
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Hits(Sequence[Hit]):
    """Hits, best first, as parallel arrays; a Hit is made when it is looked at, since a full ranking has many.

    ids: n · scores, values: (n,) float64 · labels: by id, of those that have any · offset: rank of the first, from 0.
    """

    ids: Sequence[str] = ()
    scores: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    values: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    labels: Mapping[str, AbstractSet[str]] = field(default_factory=dict)
    offset: int = 0

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, at: int) -> Hit: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Hit, ...]: ...
    def __getitem__(self, at: int | slice) -> Hit | tuple[Hit, ...]:
        if isinstance(at, slice):
            return tuple(self[i] for i in range(*at.indices(len(self))))
        place = range(len(self))[at]
        item = self.ids[place]
        labels = tuple(sorted(self.labels.get(item, ())))
        return Hit(self.offset + 1 + place, item, float(self.scores[place]), float(self.values[place]), labels)

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other) if isinstance(other, Hits | tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))


@dataclass(frozen=True)
class SearchResult:
    """Hits best first, the plan that ran, milliseconds by stage in their order, and skipped stages.

    partial: what did not answer, where the plan allowed that; empty otherwise · explanations: where the plan asks for
    them, of each hit one for every descriptor that a mass measure compares.
    """

    hits: Hits
    plan: Plan
    timings_ms: dict[str, float]
    skipped: tuple[str, ...] = ()
    partial: str = ""
    explanations: tuple[tuple[Explanation, ...], ...] = ()
