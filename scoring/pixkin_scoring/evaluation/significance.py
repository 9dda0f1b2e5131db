"""Is it real: intervals of a mean over queries, and whether two systems differ by more than chance."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
LEVEL = 0.95
BLOCK = 4_000_000
"""Random numbers at a time: 32 MB."""
Floats = NDArray[np.float64]


def bootstrap_interval(values: Floats, *, level: float = LEVEL, seed: int = 0) -> tuple[float, float]:
    """Return the percentile bootstrap interval of a mean over queries.

    values: (n,) float64, one a query. Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    draw = np.random.default_rng(seed)
    n = len(values)
    means = np.concatenate([values[draw.integers(0, n, (rows, n))].mean(axis=1) for rows in _blocks(n)])
    low, high = np.quantile(means, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)


def paired_randomisation(first: Floats, second: Floats, *, seed: int = 0) -> float:
    """Return the two-sided p-value of the hypothesis that two systems have the same mean over these queries.

    first, second: (n,) float64, of the same queries in the same order. Under the hypothesis it is chance which of the
    two systems had which value, so the sign of every difference is drawn. Source: Smucker, Allan and Carterette, CIKM
    2007.
    """
    draw = np.random.default_rng(seed)
    differences = second - first
    observed = abs(differences.sum()) * (1 - 1e-12)  # sums of the same numbers in another order are no less
    extreme = sum(
        int(np.count_nonzero(np.abs(draw.choice((-1.0, 1.0), (rows, len(differences))) @ differences) >= observed))
        for rows in _blocks(len(differences))
    )
    return (extreme + 1) / (RESAMPLES + 1)


def _blocks(n: int) -> Iterator[int]:
    """Yield how many of the resamples fit into a block, until all are done."""
    left, most = RESAMPLES, max(1, BLOCK // n)
    while left:
        rows = min(left, most)
        yield rows
        left -= rows
