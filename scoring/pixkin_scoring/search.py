"""One search: candidates, expansion, fusion, re-ranking, page. `search_batch` is the whole story, in order."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from pixkin_proto.axes import Axis
from pixkin_proto.errors import Deadline, PixkinError, UnknownItem
from pixkin_proto.kept import without_frames

from pixkin_scoring.costs import COSTS
from pixkin_scoring.examples import QueryVector, query_vector
from pixkin_scoring.expanding import answers_wanted, asked_again, chosen_again
from pixkin_scoring.explaining import Explanation, explained
from pixkin_scoring.fusing import Ranked, fused, ranked, without
from pixkin_scoring.items import Candidates, Collection
from pixkin_scoring.measures import find_measure
from pixkin_scoring.plan import MAX_SIZE, Compared, Plan, ResolvedPlan, resolve_plan
from pixkin_scoring.query import CandidateSearch, ScoringQuery
from pixkin_scoring.reranking import reranked
from pixkin_scoring.results import Hits, SearchResult
from pixkin_scoring.stores import Store

T = TypeVar("T")


@dataclass(frozen=True)
class SearchRequest:
    """One of several searches: a collection, examples of what is wanted, and what to do with them.

    axes: of the descriptors whose extractors name them, by full name; explanations take their words from them.
    """

    collection: str
    queries: Sequence[QueryVector]
    plan: Plan
    axes: Mapping[str, Sequence[Axis]] = field(default_factory=dict)


def search(
    store: Store, collection: str, queries: Sequence[QueryVector], plan: Plan, *, deadline: float = math.inf
) -> SearchResult:
    """Rank the items of a collection. `deadline` is a time.monotonic() instant; past it Deadline is raised.

    Raises the errors of `resolve_plan` and `check_query`, UnknownCollection, UnknownItem and InvalidArgument.
    """
    [outcome] = search_batch(store, [SearchRequest(collection, queries, plan)], deadline=deadline)
    if not isinstance(outcome, PixkinError):
        return outcome
    try:
        raise outcome
    finally:
        del outcome  # the error holds this frame


def search_batch(
    store: Store, requests: Sequence[SearchRequest], *, deadline: float = math.inf
) -> list[SearchResult | PixkinError]:
    """Do several searches, their candidates in one call of the store; each has a result or an error of its own.

    The milliseconds of a stage are those of all searches together.
    """
    watch = Stopwatch(deadline)
    runs = _each(requests, lambda request: _checked(store, request, deadline))
    watch.lap("query")
    runs = _found(store, runs, deadline)
    watch.lap("candidates")
    if any(isinstance(run, _Run) and run.plan.expansion for run in runs):
        runs = _found(store, _each(runs, _expanded), deadline)
        watch.lap("expand")
    rankings = _each(runs, lambda run: _fused(store, run, deadline))
    if any(isinstance(each, tuple) and each[0].plan.fusion for each in rankings):
        watch.lap("fuse")
    for number in range(max((len(each[0].plan.rerankers) for each in rankings if isinstance(each, tuple)), default=0)):
        rankings = _each(rankings, partial(_reranked, store, number, deadline))
        watch.lap(_named(rankings, number))
    results = _each(rankings, lambda each: _page(store, each, deadline))
    watch.lap("page")
    return [
        each if isinstance(each, PixkinError) else replace(each, timings_ms=dict(watch.timings_ms)) for each in results
    ]


@dataclass(frozen=True)
class _Run:
    """A search on its way: its plan, what to ask the store for each descriptor, and what was found.

    own: ids of the query's own items · axes: what components stand for, by descriptor · asked: None where the answer
    stands already · skipped: stages that did not fit.
    """

    described: Collection
    plan: ResolvedPlan
    own: frozenset[str]
    axes: Mapping[str, Sequence[Axis]]
    searches: tuple[CandidateSearch, ...]
    asked: tuple[CandidateSearch | None, ...]
    found: tuple[Candidates, ...] = ()
    skipped: tuple[str, ...] = ()


def _each(outcomes: Sequence[Any], step: Callable[[Any], T]) -> list[T | PixkinError]:
    """Take every search that has not failed a step further."""
    return [each if isinstance(each, PixkinError) else _outcome(step, each) for each in outcomes]


def _outcome(step: Callable[[Any], T], each: Any) -> T | PixkinError:
    try:
        return step(each)
    except PixkinError as error:
        return without_frames(error)


def _checked(store: Store, request: SearchRequest, deadline: float) -> _Run:
    described = store.describe(request.collection, deadline=deadline)
    resolved = resolve_plan(request.plan, described)
    searches = tuple(_search(store, request, resolved, each, deadline) for each in resolved.compared)
    own = frozenset(query.id for query in request.queries if query.vectors is None)
    stage = resolved.expansion
    asked = tuple(answers_wanted(each, stage, own) for each in searches) if stage else searches
    return _Run(described, resolved, own, request.axes, searches, asked)


def _search(
    store: Store, request: SearchRequest, resolved: ResolvedPlan, compared: Compared, deadline: float
) -> CandidateSearch:
    vector = query_vector(
        store, request.collection, request.queries, compared.descriptor, compared.measure, deadline
    )  # fmt: skip
    itself = () if request.plan.include_self else (query.id for query in request.queries if query.vectors is None)
    query = ScoringQuery(
        descriptor=compared.descriptor.name,
        measure=compared.measure,
        vector=vector,
        normalise=request.plan.normalise == "mass",
        exclude=frozenset(itself),
    )
    return CandidateSearch(
        *(request.collection, query, resolved.wanted, resolved.filters),
        shortlist=resolved.depth if compared.approximate else 0,
        allow_partial=request.plan.allow_partial,
        vectors=resolved.vectors,
    )


def _found(store: Store, runs: Sequence[_Run | PixkinError], deadline: float) -> list[_Run | PixkinError]:
    """Ask the store for what each search still wants, in one call."""
    wanted = [each for run in runs if isinstance(run, _Run) for each in run.asked if each is not None]
    answers = iter(store.candidates_batch(wanted, deadline=deadline))

    def take(run: _Run) -> _Run:
        taken = [run.found[at] if asked is None else next(answers) for at, asked in enumerate(run.asked)]
        for each in taken:
            if isinstance(each, PixkinError):
                raise each
        return replace(run, found=tuple(each for each in taken if isinstance(each, Candidates)))

    return _each(runs, take)


def _expanded(run: _Run) -> _Run:
    """Put the expanded queries in the place of the queries, and choose again or ask again."""
    stage = run.plan.expansion
    if stage is None:
        return replace(run, asked=(None,) * len(run.searches))
    pairs = list(zip(run.searches, run.found, strict=True))
    again = tuple(asked_again(search, found, stage, run.own) for search, found in pairs)
    shortlist = int(stage.options["shortlist"])
    if not shortlist:
        return replace(run, searches=again, asked=again)
    chosen = tuple(chosen_again(search, found, shortlist) for search, (_, found) in zip(again, pairs, strict=True))
    return replace(run, searches=again, asked=(None,) * len(again), found=chosen)


def _fused(store: Store, run: _Run, deadline: float) -> tuple[_Run, Ranked]:
    if run.plan.fusion is None:
        return run, ranked(run.searches[0], run.plan.compared[0].descriptor, run.found[0], run.plan.vectors)
    weights = [each.weight for each in run.plan.compared]
    stage, expansion = run.plan.fusion, run.plan.expansion
    # Behind a shortlist the values are those of the query before it was expanded.
    top = min(int(stage.options["top"]), int(expansion.options["shortlist"] if expansion else 0) or MAX_SIZE)
    found = run.found
    while True:
        try:
            return run, fused(store, run.searches, found, weights, stage, top, run.plan.vectors, deadline)
        except UnknownItem as gone:  # removed since it was found
            found = tuple(without(each, gone.item) for each in found)


def _reranked(store: Store, number: int, deadline: float, each: tuple[_Run, Ranked]) -> tuple[_Run, Ranked]:
    run, ranking = each
    stages = run.plan.rerankers
    if number >= len(stages):
        return each
    stage = stages[number]
    count = min(int(stage.options["top"]), len(ranking.vectors))
    if run.plan.plan.fit_deadline and COSTS.expected(stage.name, count) > (deadline - time.monotonic()) * 1000:
        COSTS.passed_over(stage.name)
        return replace(run, skipped=(*run.skipped, stage.name)), ranking
    return run, reranked(store, run.described, ranking, stage)


def _named(rankings: Sequence[Any], number: int) -> str:
    names = [
        run.plan.rerankers[number].name
        for run, _ in (each for each in rankings if isinstance(each, tuple))
        if number < len(run.plan.rerankers)
    ]
    return names[0] if names else "rerank"


def _page(store: Store, each: tuple[_Run, Ranked], deadline: float) -> SearchResult:
    run, ranking = each
    plan = run.plan.plan
    page = slice(plan.offset, plan.offset + plan.size)
    ids = ranking.ids[page]
    labels = _labels(store, run, ranking, ids, deadline)
    hits = Hits(ids, ranking.scores[page], ranking.values[page], labels, plan.offset)
    explanations = _explanations(store, run, ids, deadline) if plan.explain else ()
    return SearchResult(hits, plan, {}, run.skipped, ranking.partial, explanations)


def _labels(
    store: Store, run: _Run, ranking: Ranked, ids: Sequence[str], deadline: float
) -> Mapping[str, frozenset[str]]:
    if run.plan.plan.omit_labels:
        return {}
    if ranking.labels is not None:
        return ranking.labels
    return store.labels(run.searches[0].collection, ids, deadline=deadline)


def _explanations(store: Store, run: _Run, ids: Sequence[str], deadline: float) -> tuple[tuple[Explanation, ...], ...]:
    queries = [each.query for each in run.searches if find_measure(each.query.measure).terms]
    items = store.get(run.searches[0].collection, ids, vectors=True, deadline=deadline)
    return tuple(
        tuple(
            explained(query, items[item].vectors[query.descriptor], run.axes.get(query.descriptor, ()))
            for query in queries
            if item in items  # or it was removed since it was found
        )
        for item in ids
    )


class Stopwatch:
    """Milliseconds of each stage in turn; raises Deadline after a stage that ended too late."""

    def __init__(self, deadline: float = math.inf, clock: Callable[[], float] = time.monotonic) -> None:
        self.timings_ms: dict[str, float] = {}
        self._deadline, self._clock, self._last = deadline, clock, clock()

    def lap(self, stage: str) -> None:
        """Note the time since the last call under `stage`."""
        now = self._clock()
        self.timings_ms[stage] = self.timings_ms.get(stage, 0.0) + (now - self._last) * 1000
        self._last = now
        if now > self._deadline:
            raise Deadline(stage)
