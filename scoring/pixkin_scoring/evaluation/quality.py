"""Measures of the quality of one ranking. `parse_quality` reads their names; QUALITIES is the list."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.errors import InvalidArgument, listed
from pixkin_proto.suggestions import did_you_mean

RECALL_LEVELS = np.arange(11) / 10
CUTOFF = re.compile("[1-9][0-9]{0,8}")


@dataclass(frozen=True)
class Ranked:
    """One ranking as its judgement sees it, best first.

    gains: (n,) int64, without the junk; above 0 is relevant · with_junk: the same with the junk at its places, as wrong
    answers · ideal: the gains above 0 of all judged items, descending, found or not; at least one · wrong: (n,) bool,
    which of gains were judged and found wrong; None where whatever is not relevant is wrong · unfound: how many that
    were judged wrong the ranking misses.
    """

    gains: NDArray[np.int64]
    with_junk: NDArray[np.int64]
    ideal: NDArray[np.int64]
    wrong: NDArray[np.bool_] | None = None
    unfound: int = 0

    @property
    def total(self) -> int:
        """Number of relevant items there are."""
        return len(self.ideal)

    @property
    def ranks(self) -> NDArray[np.intp]:
        """Ranks of the relevant items found, from 1."""
        return ranks_of(self.gains)


Score = Callable[[Ranked], float]


@dataclass(frozen=True)
class Quality:
    """One measure of quality, or a family of them that a cutoff k completes (`P` and `P@10`).

    score: of a ranking, or of a ranking and k · cut: True needs a cutoff, False takes none, None takes either ·
    formula: for people, with its source.
    """

    name: str
    score: Callable[..., float]
    cut: bool | None
    formula: str


def ranks_of(gains: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the ranks (from 1) of the relevant items of a ranking."""
    return np.flatnonzero(gains > 0) + 1


def average_precision(ranked: Ranked, k: int | None = None) -> float:
    """Return Σ P(r) rel(r) / R over the first k ranks, R all relevant items; those that are not found count 0."""
    return _precision_sum(ranked.ranks, k) / ranked.total


def average_precision_min(ranked: Ranked, k: int) -> float:
    """Return Σ P(r) rel(r) / min(k, R) over the first k ranks, so that 1 can be reached."""
    return _precision_sum(ranked.ranks, k) / min(k, ranked.total)


def average_precision_wrong(ranked: Ranked) -> float:
    """Return the average precision where junk counts as wrong."""
    return _precision_sum(ranks_of(ranked.with_junk), None) / ranked.total


def trapezoid_precision(ranked: Ranked) -> float:
    """Return the area below precision against recall by the trapezoid rule, junk ignored."""
    return _trapezoids(ranked.ranks) / ranked.total


def trapezoid_precision_wrong(ranked: Ranked) -> float:
    """Return the area below precision against recall by the trapezoid rule where junk counts as wrong."""
    return _trapezoids(ranks_of(ranked.with_junk)) / ranked.total


def interpolated_precision(ranked: Ranked) -> NDArray[np.float64]:
    """Return the highest precision from recall 0, 0.1, … 1 on, (11,) float64; 0 where that is not reached."""
    ranks = ranked.ranks
    if not len(ranks):
        return np.zeros(len(RECALL_LEVELS))
    found = np.arange(1, len(ranks) + 1)
    best = np.maximum.accumulate((found / ranks)[::-1])[::-1]
    # As trec_eval rounds, in double precision: 0.3 of 12 items is reached with 4 of them, 0.7 of 3 with 2.
    needed = np.maximum((RECALL_LEVELS * ranked.total + 0.9).astype(np.intp), 1)
    return np.array([best[n - 1] if n <= len(ranks) else 0.0 for n in needed])


def eleven_point(ranked: Ranked) -> float:
    """Return the mean of the interpolated precision at the eleven recall levels."""
    return float(interpolated_precision(ranked).mean())


def precision(ranked: Ranked, k: int) -> float:
    """Return the part of the first k places that is relevant; places that a short ranking leaves empty count 0."""
    return float(np.count_nonzero(ranked.gains[:k] > 0) / k)


def precision_revisited(ranked: Ranked, k: int) -> float:
    """Return the precision at k, or at the rank of the last relevant item where that comes before."""
    ranks = ranked.ranks
    if not len(ranks):
        return 0.0
    within = min(k, int(ranks[-1]))
    return float(np.count_nonzero(ranks <= within) / within)


def recall(ranked: Ranked, k: int) -> float:
    """Return the part of the relevant items that is among the first k."""
    return float(np.count_nonzero(ranked.gains[:k] > 0) / ranked.total)


def r_precision(ranked: Ranked) -> float:
    """Return the precision at R, the number of relevant items."""
    return precision(ranked, ranked.total)


def reciprocal_rank(ranked: Ranked, k: int | None = None) -> float:
    """Return 1 / the rank of the first relevant item, 0 when there is none, or none among the first k."""
    ranks = ranked.ranks
    return 1 / float(ranks[0]) if len(ranks) and (k is None or ranks[0] <= k) else 0.0


def ndcg(ranked: Ranked, k: int | None = None) -> float:
    """Return Σ gain / log2(rank + 1) over the first k ranks, divided by that of the ideal ranking."""
    return _discounted(np.maximum(ranked.gains[:k], 0)) / _discounted(ranked.ideal[:k])


def n_s(ranked: Ranked) -> float:
    """Return the number of relevant items among the first 4 (of UKBench: 4 is perfect, the query counts)."""
    return float(np.count_nonzero(ranked.gains[:4] > 0))


def _precision_sum(ranks: NDArray[np.intp], k: int | None) -> float:
    within = ranks if k is None else ranks[: np.searchsorted(ranks, k, side="right")]
    return float((np.arange(1, len(within) + 1) / within).sum())


def _trapezoids(ranks: NDArray[np.intp]) -> float:
    """Return the area of the trapezoids times R: at each relevant item the mean of precision before and at it."""
    found = np.arange(len(ranks))
    before = np.where(ranks > 1, found / np.maximum(ranks - 1, 1), 1.0)
    return float((before + (found + 1) / ranks).sum() / 2)


def _discounted(gains: NDArray[np.int64]) -> float:
    return float((gains / np.log2(np.arange(2, len(gains) + 2))).sum())


QUALITIES: dict[str, Quality] = {}
"""All measures of quality by name; a mean over queries of `AP` is written `mAP`."""


def register_quality(quality: Quality) -> None:
    """Add a measure of quality."""
    QUALITIES[quality.name] = quality


def parse_quality(name: str) -> Score:
    """Return what computes a measure such as `AP`, `AP@100` or `P@10`. Raises InvalidArgument."""
    family, at, cutoff = name.partition("@")
    quality = QUALITIES.get(family)
    if quality is None:
        meant = did_you_mean(name, QUALITIES)
        known = listed(QUALITIES, most=20)
        raise InvalidArgument(f"there is no measure of quality '{name}'{meant}; choose from {known}")
    if at and quality.cut is not False and CUTOFF.fullmatch(cutoff):
        return partial(quality.score, k=int(cutoff))
    if at or quality.cut:
        allowed = "no cutoff" if quality.cut is False else "a whole number from 1 as its cutoff, as in @10"
        raise InvalidArgument(f"{name}: {family} takes {allowed}")
    return quality.score


_TREC = "trec_eval"
_OXFORD = "compute_ap of Philbin et al., CVPR 2007"
for _quality in (
    Quality(
        "AP", average_precision, None, f"Σ P(r) rel(r) / R; with @k over the first k ranks ({_TREC}: map, map_cut)"
    ),
    Quality("AP_min", average_precision_min, True, "Σ P(r) rel(r) over the first k ranks / min(k, R)"),
    Quality(
        "AP_official", trapezoid_precision, False, f"trapezoids below precision and recall, junk ignored ({_OXFORD})"
    ),
    Quality("AP_official_wrong", trapezoid_precision_wrong, False, "the same, junk counts as wrong"),
    Quality("AP_wrong", average_precision_wrong, False, "AP, junk counts as wrong"),
    Quality("11-point", eleven_point, False, f"mean interpolated precision at recall 0, 0.1, … 1 ({_TREC}: 11pt_avg)"),
    Quality("P", precision, True, f"relevant among the first k / k ({_TREC}: P_k)"),
    Quality("P_revisited", precision_revisited, True, "P at min(k, last relevant rank) (Radenović et al., CVPR 2018)"),
    Quality("recall", recall, True, f"relevant among the first k / R ({_TREC}: recall_k)"),
    Quality("R-precision", r_precision, False, f"P at R ({_TREC}: Rprec)"),
    Quality("RR", reciprocal_rank, None, f"1 / rank of the first relevant item ({_TREC}: recip_rank)"),
    Quality("nDCG", ndcg, None, f"Σ gain / log2(rank + 1), of the ideal one's ({_TREC}: ndcg, ndcg_cut)"),
    Quality("N-S", n_s, False, "relevant among the first 4 (Nistér and Stewénius, CVPR 2006)"),
):
    register_quality(_quality)
