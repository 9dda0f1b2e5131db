"""Measures of the quality of one ranking, from which of its items are relevant."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def average_precision(relevant: NDArray[np.bool_], total: int) -> float:
    """Return the average precision of a ranking: Σ P(k) rel(k) / total.

    relevant: (n,) bool, best first · total: number of relevant items there are, at least 1; those that the ranking
    misses count 0. Source: trec_eval's `map`; Manning, Raghavan, Schütze, Introduction to Information Retrieval, 8.4.
    """
    ranks = np.flatnonzero(relevant) + 1
    return float((np.arange(1, len(ranks) + 1) / ranks).sum() / total)


def precision_at(relevant: NDArray[np.bool_], k: int) -> float:
    """Return the part of the first k places that is relevant; places that a short ranking leaves empty count 0."""
    return float(np.count_nonzero(relevant[:k]) / k)
