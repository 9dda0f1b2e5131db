"""One search: candidates, expansion, re-ranking, page. `search` is the whole story, in order."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor, Kind
from pixkin_proto.errors import Deadline, InvalidArgument, PixkinError

from pixkin_scoring.items import Candidates
from pixkin_scoring.measures import MEASURES, check_query, scores
from pixkin_scoring.plan import Plan, resolve_plan
from pixkin_scoring.query import CandidateSearch, ScoringQuery
from pixkin_scoring.results import Hits, SearchResult
from pixkin_scoring.stores import Store

T = TypeVar("T")


@dataclass(frozen=True)
class QueryVector:
    """One example of what is wanted, as vectors by full descriptor name or as the id of an item; weight may be < 0."""

    vectors: dict[str, NDArray[np.float32]] | None = None
    id: str = ""
    weight: float = 1.0


@dataclass(frozen=True)
class SearchRequest:
    """One of several searches: a collection, examples of what is wanted, and what to do with them."""

    collection: str
    queries: Sequence[QueryVector]
    plan: Plan


def search(
    store: Store, collection: str, queries: Sequence[QueryVector], plan: Plan, *, deadline: float = math.inf
) -> SearchResult:
    """Rank the items of a collection. `deadline` is a time.monotonic() instant; past it Deadline is raised.

    Raises the errors of `resolve_plan` and `check_query`, UnknownCollection, UnknownItem and InvalidArgument.
    """
    [outcome] = search_batch(store, [SearchRequest(collection, queries, plan)], deadline=deadline)
    if isinstance(outcome, PixkinError):
        raise outcome
    return outcome


def search_batch(
    store: Store, requests: Sequence[SearchRequest], *, deadline: float = math.inf
) -> list[SearchResult | PixkinError]:
    """Do several searches, their candidates in one call of the store; each has a result or an error of its own."""
    watch = Stopwatch(deadline)
    checked = [_outcome(_checked, store, request, deadline) for request in requests]
    watch.lap("query")
    wanted = [each.candidates for each in checked if isinstance(each, _Checked)]
    found = iter(store.candidates_batch(wanted, deadline=deadline))
    watch.lap("candidates")
    hits = [
        _outcome(_page, store, each, next(found), deadline) if isinstance(each, _Checked) else each for each in checked
    ]
    watch.lap("page")
    return [
        each if isinstance(each, PixkinError) else replace(each, timings_ms=dict(watch.timings_ms)) for each in hits
    ]


@dataclass(frozen=True)
class _Checked:
    """A request whose plan and query have been checked, and the search for candidates that it leads to."""

    plan: Plan
    candidates: CandidateSearch


def _outcome(step: Callable[..., T], *args: Any) -> T | PixkinError:
    try:
        return step(*args)
    except PixkinError as error:
        return error


def _checked(store: Store, request: SearchRequest, deadline: float) -> _Checked:
    described = store.describe(request.collection, deadline=deadline)
    resolved = resolve_plan(request.plan, described)
    vector = query_vector(store, request.collection, request.queries, resolved.descriptor, resolved.measure, deadline)
    itself = () if request.plan.include_self else (query.id for query in request.queries if query.vectors is None)
    query = ScoringQuery(
        descriptor=resolved.descriptor.name,
        measure=resolved.measure,
        vector=vector,
        normalise=request.plan.normalise == "mass",
        exclude=frozenset(itself),
    )
    wanted = CandidateSearch(
        *(request.collection, query, resolved.wanted, resolved.filters),
        shortlist=resolved.depth if resolved.approximate else 0,
        allow_partial=request.plan.allow_partial,
    )
    return _Checked(resolved.plan, wanted)


def query_vector(
    store: Store,
    collection: str,
    queries: Sequence[QueryVector],
    descriptor: Descriptor,
    measure: str,
    deadline: float = math.inf,
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
    vectors = [_vector_of(store, collection, query, descriptor, deadline) for query in queries]
    rows = [check_query(vector, descriptor, measure) for vector in vectors]
    if len(rows) == 1 and weights[0] > 0:
        return rows[0]
    if MEASURES[measure].kind is Kind.MASS:
        mean = np.maximum(sum(w * row / row.sum() for w, row in zip(weights, rows, strict=True)), 0)
    else:
        norms = [float(np.linalg.norm(row)) or 1.0 for row in rows]
        mean = sum(w * row / norm for w, row, norm in zip(weights, rows, norms, strict=True))
    return check_query(mean / np.abs(weights).sum(), descriptor, measure)


def _vector_of(
    store: Store, collection: str, query: QueryVector, descriptor: Descriptor, deadline: float
) -> NDArray[np.float32]:
    if query.vectors is None:
        return store.fetch(collection, descriptor.name, [query.id], deadline=deadline)[0]
    if descriptor.name not in query.vectors:
        raise InvalidArgument(f"the query has no vector for {descriptor.name}, which the plan compares")
    return query.vectors[descriptor.name]


def _page(store: Store, checked: _Checked, found: Candidates | PixkinError, deadline: float) -> SearchResult:
    if isinstance(found, PixkinError):
        raise found
    plan, wanted = checked.plan, checked.candidates
    page = slice(plan.offset, plan.offset + plan.size)
    ids, values = found.ids[page], found.values[page]
    labels = _labels(store, checked, found, ids, deadline)
    hits = Hits(ids, scores(wanted.query.measure, values), values, labels, plan.offset)
    return SearchResult(hits, plan, {}, partial=found.partial)


def _labels(
    store: Store, checked: _Checked, found: Candidates, ids: Sequence[str], deadline: float
) -> Mapping[str, frozenset[str]]:
    if checked.plan.omit_labels:
        return {}
    if found.labels is not None:
        return found.labels
    return store.labels(checked.candidates.collection, ids, deadline=deadline)


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
