"""What a reranker is: it sees the first candidates with their vectors, and puts them in another order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor

from pixkin_scoring.items import Collection
from pixkin_scoring.stages import Option
from pixkin_scoring.stores import Store

Values = Mapping[str, int | float | str]
TOP = "how many of the first candidates it looks at"


class Phase(IntEnum):
    """When a reranker makes sense: first what changes the space, then what judges, then what chooses what is shown."""

    SPACE = 0
    JUDGE = 1
    CHOOSE = 2


@dataclass(frozen=True)
class Raw:
    """The one descriptor that was compared, and how: query (d,) float64 and vectors (n, d) float32 as stored."""

    descriptor: Descriptor
    query: NDArray[np.float64]
    vectors: NDArray[np.float32]
    measure: str = "cosine"


@dataclass(frozen=True)
class Needed:
    """What else of the collection a reranker needs.

    load: (store, collection, what was compared, options) -> attachment · wanted: whether these options need it ·
    writes: whether loading it may write to the collection.
    """

    load: Callable[[Store, Collection, Raw | None, Values], Any]
    wanted: Callable[[Values], bool] = lambda _: True
    writes: Callable[[Values], bool] = lambda _: False


@dataclass(frozen=True)
class Shortlist:
    """The first candidates, best first, in the space of `geometry.unit_vectors`.

    query: (d,) float32, unit length · vectors: (n, d) float32, unit length · scores: (n,) float64, at least 0, what
    ordered them so far · raw: None where several descriptors were fused · ids: n · attachment: what the reranker needs.
    """

    query: NDArray[np.float32]
    vectors: NDArray[np.float32]
    scores: NDArray[np.float64]
    raw: Raw | None = None
    ids: Sequence[str] = ()
    attachment: Any = None


@dataclass(frozen=True)
class Order:
    """The new order: places (m,) of the candidates that are kept, and their scores (m,), at least 0, descending.

    query, vectors: of the shortlist, in its old order, in another space for the stages behind; None leaves it as it is.
    """

    places: NDArray[np.intp]
    scores: NDArray[np.float64]
    query: NDArray[np.float32] | None = None
    vectors: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Reranker:
    """One way to re-rank.

    options: the first is `top`, how many of the first candidates it looks at; those behind follow in their order ·
    apply: (shortlist of at least one, options) -> order · needed: what else of the collection.
    """

    name: str
    options: Mapping[str, Option]
    apply: Callable[[Shortlist, Values], Order]
    phase: Phase = Phase.JUDGE
    needed: Needed | None = None
    note: str = ""

    def needs(self, options: Values) -> bool:
        """Whether it needs more of the collection than a shortlist, with these options."""
        return self.needed is not None and self.needed.wanted(options)

    def writes(self, options: Values) -> bool:
        """Whether it may write to the collection, with these options."""
        return self.needs(options) and self.needed is not None and self.needed.writes(options)


def by_score(scores: NDArray[np.float64]) -> Order:
    """Return the order of scores (n,) >= 0, descending; equal ones stay in the order in which they came."""
    places = np.argsort(-scores, kind="stable")
    return Order(places, scores[places])
