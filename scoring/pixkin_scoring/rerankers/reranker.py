"""What a reranker is: it sees the first candidates with their vectors, and puts them in another order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from pixkin_scoring.stages import Option

Values = Mapping[str, int | float | str]


class Phase(IntEnum):
    """When a reranker makes sense: those that choose what is shown come after those that judge."""

    JUDGE = 1
    CHOOSE = 2


@dataclass(frozen=True)
class Shortlist:
    """The first candidates, best first, in the space of `geometry.unit_vectors`.

    query: (d,) float32, unit length · vectors: (n, d) float32, unit length · scores: (n,) float64, at least 0, what
    ordered them so far.
    """

    query: NDArray[np.float32]
    vectors: NDArray[np.float32]
    scores: NDArray[np.float64]


@dataclass(frozen=True)
class Order:
    """The new order: places (m,) of the candidates that are kept, and their scores (m,), at least 0, descending."""

    places: NDArray[np.intp]
    scores: NDArray[np.float64]


@dataclass(frozen=True)
class Reranker:
    """One way to re-rank.

    options: the first is `top`, how many of the first candidates it looks at; those behind follow in their order ·
    apply: (shortlist of at least one, options) -> order.
    """

    name: str
    options: Mapping[str, Option]
    apply: Callable[[Shortlist, Values], Order]
    phase: Phase = Phase.JUDGE


def by_score(scores: NDArray[np.float64]) -> Order:
    """Return the order of scores (n,) >= 0, descending; equal ones stay in the order in which they came."""
    places = np.argsort(-scores, kind="stable")
    return Order(places, scores[places])
