"""One search: candidates, expansion, re-ranking, page. `search` is the whole story, in order."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor, Kind
from pixkin_proto.errors import Deadline, InvalidArgument

from pixkin_scoring.items import Candidates
from pixkin_scoring.measures import MEASURES, check_query, scores
from pixkin_scoring.plan import Plan, resolve_plan
from pixkin_scoring.query import ScoringQuery
from pixkin_scoring.results import Hit, SearchResult
from pixkin_scoring.stores import Store


@dataclass(frozen=True)
class QueryVector:
    """One example of what is wanted, as vectors by full descriptor name or as the id of an item; weight may be < 0."""

    vectors: dict[str, NDArray[np.float32]] | None = None
    id: str = ""
    weight: float = 1.0


def search(
    store: Store, collection: str, queries: Sequence[QueryVector], plan: Plan, *, deadline: float = math.inf
) -> SearchResult:
    """Rank the items of a collection. `deadline` is a time.monotonic() instant; past it Deadline is raised.

    Raises the errors of `resolve_plan` and `check_query`, UnknownCollection, UnknownItem and InvalidArgument.
    """
    watch = Stopwatch(deadline)
    described = store.describe(collection)
    resolved = resolve_plan(plan, described.descriptors, items=described.items)
    vector = query_vector(store, collection, queries, resolved.descriptor, resolved.measure)
    watch.lap("query")
    query = ScoringQuery(
        descriptor=resolved.descriptor.name,
        measure=resolved.measure,
        vector=vector,
        normalise=plan.normalise == "mass",
        exclude=frozenset() if plan.include_self else frozenset(q.id for q in queries if q.vectors is None),
    )
    found = store.candidates(collection, query, depth=resolved.depth, filters=resolved.filters)
    watch.lap("candidates")
    hits = _page(store, collection, found, resolved.measure, plan)
    watch.lap("page")
    return SearchResult(hits, resolved.plan, watch.timings_ms)


def query_vector(
    store: Store, collection: str, queries: Sequence[QueryVector], descriptor: Descriptor, measure: str
) -> NDArray[np.float64]:
    """Return the one vector (d,) float64 that is searched with.

    A single query is used as it is. Several are normalised (by their sum for mass measures, else to length 1) and
    averaged by weight; for mass measures bins below 0 are then cut.
    """
    if not queries:
        raise InvalidArgument("a search needs a query: a picture, an id or a vector")
    weights = np.array([query.weight for query in queries])
    if not np.isfinite(weights).all() or not weights.any():
        raise InvalidArgument(f"the weights of the queries are finite and not all 0; they came as {weights.tolist()}")
    rows = [check_query(_vector_of(store, collection, query, descriptor), descriptor, measure) for query in queries]
    if len(rows) == 1 and weights[0] > 0:
        return rows[0]
    if MEASURES[measure].kind is Kind.MASS:
        mean = np.maximum(sum(w * row / row.sum() for w, row in zip(weights, rows, strict=True)), 0)
    else:
        norms = [float(np.linalg.norm(row)) or 1.0 for row in rows]
        mean = sum(w * row / norm for w, row, norm in zip(weights, rows, norms, strict=True))
    return check_query(mean / np.abs(weights).sum(), descriptor, measure)


def _vector_of(store: Store, collection: str, query: QueryVector, descriptor: Descriptor) -> NDArray[np.float32]:
    if query.vectors is None:
        return store.fetch(collection, descriptor.name, [query.id])[0]
    if descriptor.name not in query.vectors:
        raise InvalidArgument(f"the query has no vector for {descriptor.name}, which the plan compares")
    return query.vectors[descriptor.name]


def _page(store: Store, collection: str, found: Candidates, measure: str, plan: Plan) -> tuple[Hit, ...]:
    page = slice(plan.offset, plan.offset + plan.size)
    ids, values = found.ids[page], found.values[page]
    labels = store.labels(collection, ids)
    ranked = zip(ids, scores(measure, values), values, strict=True)
    return tuple(
        Hit(plan.offset + 1 + i, item, float(score), float(value), tuple(sorted(labels.get(item, ()))))
        for i, (item, score, value) in enumerate(ranked)
    )


class Stopwatch:
    """Milliseconds of each stage in turn; raises Deadline after a stage that ended too late."""

    def __init__(self, deadline: float = math.inf, clock: Callable[[], float] = time.monotonic) -> None:
        self.timings_ms: dict[str, float] = {}
        self._deadline, self._clock, self._last = deadline, clock, clock()

    def lap(self, stage: str) -> None:
        """Note the time since the last call under `stage`."""
        now = self._clock()
        self.timings_ms[stage] = (now - self._last) * 1000
        self._last = now
        if now > self._deadline:
            raise Deadline(stage)
