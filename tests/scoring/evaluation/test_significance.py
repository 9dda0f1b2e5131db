"""Intervals and p-values against exact ones, and within bounded memory."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pixkin_scoring.evaluation.significance import RESAMPLES, bootstrap_interval, paired_randomisation
from scipy.stats import bootstrap

Floats = NDArray[np.float64]
SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=12)
MANY = 10_000


def scores(count: int, *, seed: int, mean: float = 0.5) -> Floats:
    return np.clip(np.random.default_rng(seed).normal(mean, 0.2, count), 0, 1)


def test_equal_values_have_an_interval_without_width() -> None:
    assert bootstrap_interval(np.full(30, 0.25)) == (0.25, 0.25)
    assert bootstrap_interval(np.array([0.7])) == (0.7, 0.7)


def test_of_two_values_the_interval_reaches_from_one_to_the_other() -> None:
    # A quarter of all resamples holds the first one twice, a quarter the second.
    assert bootstrap_interval(np.array([0.0, 1.0])) == (0.0, 1.0)


@pytest.mark.parametrize(("count", "level"), [(10, 0.95), (55, 0.95), (500, 0.95), (55, 0.5)])
def test_intervals_are_those_of_scipy(count: int, level: float) -> None:
    values = scores(count, seed=count)
    theirs = bootstrap(
        (values,), np.mean, n_resamples=RESAMPLES, confidence_level=level, method="percentile", rng=1
    ).confidence_interval
    # Both draw: the standard error of such a quantile is below 3 % of the mean's own.
    noise = 0.15 * values.std() / np.sqrt(count)
    assert bootstrap_interval(values, level=level) == pytest.approx((theirs.low, theirs.high), abs=noise)


@given(values=SCORES)
def test_an_interval_lies_within_the_values_and_is_the_same_every_time(values: list[float]) -> None:
    low, high = bootstrap_interval(np.array(values))
    assert min(values) - 1e-12 <= low <= high <= max(values) + 1e-12
    assert bootstrap_interval(np.array(values)) == (low, high)


def exact_p(first: Floats, second: Floats) -> float:
    """Draw no signs: take all of them."""
    differences = second - first
    signs = np.array(list(itertools.product((-1, 1), repeat=len(differences))))
    return float(np.mean(np.abs(signs @ differences) >= abs(differences.sum()) - 1e-12))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("better", [0.0, 0.1, 0.3])
def test_the_p_value_is_that_of_all_1024_signs_of_ten_queries(seed: int, better: float) -> None:
    first, second = scores(10, seed=seed), scores(10, seed=100 + seed, mean=0.5 + better)
    exact = exact_p(first, second)
    assert paired_randomisation(first, second) == pytest.approx(
        exact, abs=5 * np.sqrt(exact * (1 - exact) / RESAMPLES) + 1e-3
    )


def test_queries_that_all_differ_by_the_same_are_as_extreme_as_their_signs_are_rare() -> None:
    first = np.zeros(10)
    assert paired_randomisation(first, first + 0.1) == pytest.approx(2 / 1024, abs=1e-3)


@given(values=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=12))
def test_a_p_value_is_above_0_at_most_1_and_the_same_for_both_orders(values: list[tuple[float, float]]) -> None:
    first, second = np.array(values).T
    p = paired_randomisation(first, second)
    assert 0 < p <= 1
    assert paired_randomisation(second, first) == p


@given(values=SCORES)
def test_a_system_does_not_differ_from_itself(values: list[float]) -> None:
    assert paired_randomisation(np.array(values), np.array(values)) == 1


def test_the_lowest_p_value_is_that_of_no_draw_as_extreme() -> None:
    first = scores(200, seed=1)
    assert paired_randomisation(first, first + 0.5) == 1 / (RESAMPLES + 1)


def test_ten_thousand_queries_need_no_memory_for_all_resamples_at_once() -> None:
    first, second = scores(MANY, seed=1), scores(MANY, seed=2, mean=0.52)
    tracemalloc.start()
    try:
        low, high = bootstrap_interval(second - first)
        p = paired_randomisation(first, second)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < RESAMPLES * MANY * 8 / 4
    assert 0 < low < high
    assert p < 0.001
