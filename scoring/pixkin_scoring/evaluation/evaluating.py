"""The evaluation of rankings by a ground truth: every query is searched once, and rated by each of its judgements."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.errors import InvalidArgument

from pixkin_scoring.evaluation.classification import Classification, Classifier
from pixkin_scoring.evaluation.judgements import SOLE, GroundTruth, JudgedQuery, Judgement
from pixkin_scoring.evaluation.library import parse_measure
from pixkin_scoring.evaluation.quality import Ranked, Score, interpolated_precision

CURVE = 100
SHOWN = 10


@dataclass(frozen=True)
class Ranking:
    """What a search found for one query: ids, best first, the measure's values (n,), and how long it took."""

    ids: Sequence[str]
    values: NDArray[np.float64]
    ms: float


@dataclass(frozen=True)
class Shown:
    """One of the first hits of a query: relevant, junk or neither."""

    id: str
    value: float
    relevant: bool
    junk: bool


@dataclass(frozen=True)
class Curves:
    """Means over queries: precision at rank 1, 2, … (r,) float64, and interpolated at recall 0, 0.1, … 1 (11,)."""

    precision_at_rank: NDArray[np.float64]
    precision_at_recall: NDArray[np.float64]


@dataclass(frozen=True)
class Evaluation:
    """Figures of one ground truth over one collection.

    scores: by measure (with its setup behind an underscore) and query · headline: the measure that `map` reports ·
    curves: by setup · top: the first hits of every query by the headline's setup · ties: hits whose value is that of
    the hit before, so that ids decided · waited_ms: by query.
    """

    headline: str
    scores: Mapping[str, Mapping[str, float]]
    curves: Mapping[str, Curves]
    classification: Classification | None
    top: Mapping[str, tuple[Shown, ...]]
    ties: int
    waited_ms: Mapping[str, float]
    notes: tuple[str, ...]

    @property
    def per_query(self) -> Mapping[str, float]:
        """The headline measure by query."""
        return self.scores[self.headline]

    @property
    def measures(self) -> dict[str, float]:
        """The mean of every measure over its queries; AP becomes mAP."""
        means = {mean_name(name): float(np.mean(list(by.values()))) for name, by in self.scores.items()}
        if self.classification is not None:
            means |= {
                "1-NN accuracy" if k == 1 else f"top-{k} accuracy": value
                for k, value in self.classification.accuracy.items()
            }
            means["1-NN precision"] = self.classification.precision
        return means

    @property
    def map(self) -> float:
        """The mean of the headline measure."""
        return self.measures[mean_name(self.headline)]

    @property
    def timings_ms(self) -> dict[str, float]:
        """The median and the 95th percentile of what a query took."""
        p50, p95 = np.percentile(list(self.waited_ms.values()), (50, 95))
        return {"p50": float(p50), "p95": float(p95)}


def mean_name(name: str) -> str:
    """Return the name of a mean over queries: of AP it is mAP."""
    return f"m{name}" if name.startswith("AP") else name


def evaluate(
    truth: GroundTruth,
    search: Callable[[JudgedQuery], Ranking],
    *,
    measures: Sequence[str],
    headline: str,
    progress: Callable[[Iterable[JudgedQuery]], Iterable[JudgedQuery]] = lambda queries: queries,
) -> Evaluation:
    """Search every query and rate its ranking.

    search: gives the full ranking of a query · measures: names for `parse_measure` · headline: one of them, with its
    setup behind an underscore where there are several. A query without a relevant item is left out of that setup.
    Raises InvalidArgument when that leaves none.
    """
    parsed = {name: parse_measure(name) for name in measures}
    rating = _Rating(truth, parsed, headline)
    for query in progress(truth.queries):
        rating.add(query, search(query))
    return rating.result()


class _Rating:
    """The figures of the queries so far."""

    def __init__(self, truth: GroundTruth, measures: Mapping[str, Score], headline: str) -> None:
        self._truth, self._measures, self._headline = truth, measures, headline
        self._scores: dict[str, dict[str, float]] = {}
        self._at_rank: dict[str, list[NDArray[np.float64]]] = {}
        self._at_recall: dict[str, list[NDArray[np.float64]]] = {}
        self._top: dict[str, tuple[Shown, ...]] = {}
        self._waited: dict[str, float] = {}
        self._ties = 0
        self._classifier = Classifier(truth.classes) if truth.classes else None

    def add(self, query: JudgedQuery, ranking: Ranking) -> None:
        self._waited[query.name] = ranking.ms
        self._ties += int(np.count_nonzero(ranking.values[1:] == ranking.values[:-1]))
        ids, values = _without(ranking, query.removed)
        if self._classifier is not None and query.label:
            self._classifier.add(query.label, ids)
        for setup, judgement in query.judgements.items():
            ranked = judged(ids, judgement, query.removed)
            if not ranked.total:
                continue
            for name, score in self._measures.items():
                self._scores.setdefault(in_setup(name, setup), {})[query.name] = score(ranked)
            self._curve(setup, ranked)
            if self._headline.endswith(in_setup("", setup)):
                self._top[query.name] = _shown(ids[:SHOWN], values, judgement)

    def result(self) -> Evaluation:
        if self._headline not in self._scores:
            raise InvalidArgument("no query has a relevant item in the collection; check the ground truth and the ids")
        return Evaluation(
            headline=self._headline,
            scores=self._scores,
            curves={
                setup: Curves(np.mean(self._at_rank[setup], axis=0), np.mean(self._at_recall[setup], axis=0))
                for setup in self._at_rank
            },
            classification=self._classifier.result() if self._classifier else None,
            top=self._top,
            ties=self._ties,
            waited_ms=self._waited,
            notes=(*self._truth.notes, *self._left_out()),
        )

    def _curve(self, setup: str, ranked: Ranked) -> None:
        relevant = np.zeros(CURVE)
        first = ranked.gains[:CURVE] > 0
        relevant[: len(first)] = first
        self._at_rank.setdefault(setup, []).append(relevant.cumsum() / np.arange(1, CURVE + 1))
        self._at_recall.setdefault(setup, []).append(interpolated_precision(ranked))

    def _left_out(self) -> list[str]:
        without = len(self._truth.queries) - len(self._scores[self._headline])
        what = "queries have no relevant item and were" if without > 1 else "query has no relevant item and was"
        return [f"{without:,} {what} left out"] if without else []


def in_setup(name: str, setup: str) -> str:
    """Return the name of a measure in one setup of a protocol."""
    return name if setup == SOLE else f"{name}_{setup}"


def judged(ids: Sequence[str], judgement: Judgement, removed: Iterable[str] = ()) -> Ranked:
    """Return a ranking as a judgement sees it; what was removed is no right answer either."""
    relevant = np.fromiter(map(judgement.relevant.__contains__, ids), np.bool_, len(ids))
    gains = relevant.astype(np.int64)
    for at in np.flatnonzero(relevant).tolist() if judgement.grades else ():
        gains[at] = judgement.grades.get(ids[at], 1)
    junk = np.fromiter(map(judgement.junk.__contains__, ids), np.bool_, len(ids)) if judgement.junk else None
    total = len(judgement.relevant) - sum(item in judgement.relevant for item in removed)
    judged_wrong = {item for item, grade in judgement.grades.items() if grade <= 0}
    wrong = np.fromiter(map(judged_wrong.__contains__, ids), np.bool_, len(ids)) if judged_wrong else None
    return Ranked(
        gains=gains if junk is None else gains[~junk],
        with_junk=gains if junk is None else np.where(junk, 0, gains),
        ideal=_ideal(judgement, total, removed),
        wrong=wrong if junk is None or wrong is None else wrong[~junk],
        unfound=len(judged_wrong.difference(ids)),
    )


def _ideal(judgement: Judgement, total: int, removed: Iterable[str]) -> NDArray[np.int64]:
    if not judgement.grades:
        return np.ones(total, np.int64)
    left = judgement.relevant - frozenset(removed)
    return np.sort(np.array([judgement.grades.get(item, 1) for item in left], np.int64))[::-1]


def _without(ranking: Ranking, removed: AbstractSet[str]) -> tuple[Sequence[str], NDArray[np.float64]]:
    if not removed or removed.isdisjoint(ranking.ids):
        return ranking.ids, ranking.values
    kept = [at for at, item in enumerate(ranking.ids) if item not in removed]
    return [ranking.ids[at] for at in kept], ranking.values[kept]


def _shown(ids: Sequence[str], values: NDArray[np.float64], judgement: Judgement) -> tuple[Shown, ...]:
    return tuple(
        Shown(item, float(value), item in judgement.relevant, item in judgement.junk)
        for item, value in zip(ids, values, strict=False)
    )
