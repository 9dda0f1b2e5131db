"""One evaluation: a protocol, a collection, and the queries that the protocol makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pixkin_proto.errors import InvalidArgument, ZeroVector
from pixkin_scoring.evaluation.evaluating import Evaluation, Ranking, evaluate
from pixkin_scoring.evaluation.judgements import GroundTruth, JudgedQuery
from pixkin_scoring.evaluation.library import parse_measure
from pixkin_scoring.evaluation.protocols import find_protocol
from pixkin_scoring.evaluation.protocols.notes import quantity
from pixkin_scoring.evaluation.protocols.protocol import Protocol, Reading
from pixkin_scoring.evaluation.runs import read_run
from pixkin_scoring.plan import Plan

from pixkin_server.api import Service
from pixkin_server.evaluation.examples import Examples, pictures_by_name
from pixkin_server.evaluation.searching import Searching
from pixkin_server.evaluation.sources import labels_of, query_source, without_queries

NOTHING = Ranking((), np.empty(0), 0.0)
Progress = Callable[[Iterable[JudgedQuery]], Iterable[JudgedQuery]]
Watch = Callable[[JudgedQuery, Ranking], None]
"""Told of every ranking as it comes."""


@dataclass(frozen=True)
class Settings:
    """What the user says of an evaluation besides the plan; the fields are those of the command's options."""

    ground_truth: Path | None = None
    queries: str = ""
    area: str = "auto"
    images: Path | None = None
    level: str = ""
    seed: int = 0
    skip_missing: bool = False
    distractors: tuple[str, ...] = ()
    quality: tuple[str, ...] = ()


@dataclass(frozen=True)
class Task:
    """A protocol whose ground truth has been read."""

    protocol: Protocol
    truth: GroundTruth
    settings: Settings
    collection: str = ""

    @property
    def quality(self) -> tuple[str, ...]:
        """The measures of quality: those of the protocol and those that were asked for."""
        return tuple(dict.fromkeys((*self.protocol.measures, *self.settings.quality)))


@dataclass(frozen=True)
class Outcome:
    """Figures, and the plan that ran (None where a run file was rated)."""

    evaluation: Evaluation
    plan: Plan | None


def read_task(service: Service, name: str, collection: str, filters: Sequence[str], settings: Settings) -> Task:
    """Read a protocol's ground truth for the items of a collection that fit the filters. Raises InvalidArgument."""
    protocol = find_protocol(name)
    described = service.describe(collection)
    encodes = any(descriptor.fingerprint for descriptor in described.descriptors)
    source = query_source(service, collection, settings.queries) if settings.queries else None
    for measure in settings.quality:
        parse_measure(measure)
    reading = Reading(
        items=without_queries(labels_of(service, collection, filters), source),
        ground_truth=settings.ground_truth,
        queries=source,
        seed=settings.seed,
        level=settings.level,
        crop=settings.area == "box" or (settings.area == "auto" and encodes),
        picture=pictures_by_name(settings.images).get,
        skip_missing=settings.skip_missing,
    )
    return Task(protocol, protocol.read(reading), settings, collection)


def search_task(
    service: Service,
    task: Task,
    plan: Plan,
    *,
    examples: Examples | None = None,
    progress: Progress = lambda queries: queries,
    watch: Watch = lambda _query, _ranking: None,
) -> Outcome:
    """Search all queries of a task and rate the rankings."""
    settings = task.settings
    search = Searching(
        service,
        task.collection,
        plan,
        examples or Examples(service, task.collection, images=settings.images),
        include_self=task.truth.include_self,
        distractors=settings.distractors,
    )

    empty = 0

    def watched(query: JudgedQuery) -> Ranking:
        nonlocal empty
        try:
            ranking = search(query)
        except ZeroVector:
            empty += 1
            ranking = NOTHING
        watch(query, ranking)
        return ranking

    found = _rated(task, watched, progress)
    if empty:
        counts = quantity(empty, "query counts 0: its vector is", "queries count 0: their vectors are")
        found = replace(found, notes=(*found.notes, f"{counts} zero, which the measure cannot compare"))
    if search.cut:
        found = replace(found, notes=(*found.notes, f"rankings end at rank {search.cut:,}; what comes later is lost"))
    return Outcome(found, search.ran)


def rate_run(name: str, run: Path, settings: Settings) -> Outcome:
    """Rate the rankings of a TREC run file by a ground truth that is a file. Raises InvalidArgument."""
    protocol = find_protocol(name)
    if not protocol.ground_truth:
        raise InvalidArgument(
            f"{name} takes its ground truth from a collection; a run file is rated with another protocol"
        )
    reading = Reading(
        items=None,
        ground_truth=settings.ground_truth,
        seed=settings.seed,
        level=settings.level,
        skip_missing=settings.skip_missing,
    )
    task = Task(protocol, protocol.read(reading), settings)
    rankings = read_run(run)
    named = {query.name for query in task.truth.queries}
    if named.isdisjoint(rankings):
        raise InvalidArgument(
            f"no query of {run} is in the ground truth: it has {next(iter(rankings))!r}, the other {min(named)!r}"
        )
    found = _rated(task, lambda query: rankings.get(query.name, NOTHING), lambda queries: queries)
    missing = len(named - set(rankings))
    counts = quantity(missing, "query counts 0: it is", "queries count 0: they are")
    notes = (f"{counts} not in the run",) if missing else ()
    return Outcome(replace(found, notes=(*found.notes, *notes)), None)


def _rated(task: Task, search: Callable[[JudgedQuery], Ranking], progress: Progress) -> Evaluation:
    return evaluate(
        task.truth, search, measures=task.quality, headline=task.protocol.headline, progress=progress
    )  # fmt: skip
