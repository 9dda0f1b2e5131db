"""Why a hit is where it is: which bins, and which regions of the picture, its value under a mass measure comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.axes import Axis, Outline, bin_name

from pixkin_scoring.measures import Floats, find_measure, prepared_query
from pixkin_scoring.query import ScoringQuery

MOST_BINS = 12


@dataclass(frozen=True)
class BinContribution:
    """One bin: its place, that in words, what query and item have there as the measure sees them, and its term."""

    bin: int
    name: str
    query: float
    item: float
    contribution: float


@dataclass(frozen=True)
class RegionContribution:
    """What the bins of one region contribute together."""

    name: str
    contribution: float
    outline: Outline


@dataclass(frozen=True)
class Explanation:
    """Where the value of one descriptor of a hit comes from, the largest contributions first.

    sum: of all bins' terms; it is the value, but for bhattacharyya, whose value is minus its logarithm · bins: at most
    MOST_BINS, those with a term · regions: all that the extractor names.
    """

    descriptor: str
    measure: str
    sum: float
    bins: tuple[BinContribution, ...] = ()
    regions: tuple[RegionContribution, ...] = ()


def explained(query: ScoringQuery, vector: NDArray[np.float32], axes: Sequence[Axis] = ()) -> Explanation:
    """Return where the value of a vector (d,) comes from; a zero vector has no bins to name.

    The terms are those whose sum is the measure's formula (`Measure.terms`); the query's measure has some. axes: of the
    descriptor, where its extractor names them.
    """
    measure = find_measure(query.measure)
    x = vector.astype(np.float64)
    total = x.sum() if measure.divides(normalise=query.normalise) else 1.0
    if measure.terms is None or not total:
        return Explanation(query.descriptor, query.measure, 0.0)
    q, x = prepared_query(measure, query.vector, normalise=query.normalise), x / total
    terms = measure.terms(q, x[np.newaxis])[0]
    largest = np.argsort(-np.abs(terms), kind="stable")[:MOST_BINS]
    bins = tuple(
        BinContribution(at, bin_name(axes, at), float(q[at]), float(x[at]), float(terms[at]))
        for at in largest.tolist()
        if terms[at]
    )
    return Explanation(query.descriptor, query.measure, float(terms.sum()), bins, _regions(terms, axes))


def _regions(terms: Floats, axes: Sequence[Axis]) -> tuple[RegionContribution, ...]:
    at = next((number for number, axis in enumerate(axes) if axis.outlines), None)
    if at is None:
        return ()
    table = terms.reshape([len(axis.labels) for axis in axes])
    sums = table.sum(axis=tuple(number for number in range(len(axes)) if number != at)).tolist()
    found = map(RegionContribution, axes[at].labels, sums, axes[at].outlines)
    return tuple(sorted(found, key=lambda region: -abs(region.contribution)))
