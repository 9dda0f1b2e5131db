"""The arithmetic of query expansion."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from pixkin_scoring.expansion import EXPANSIONS, expanded
from pixkin_scoring.measures import MEASURES
from pixkin_scoring.plan import EXPANSION_RULE

MEASURED = pytest.mark.parametrize("measure", MEASURES)
ANGLES = pytest.mark.parametrize("measure", ["cosine", "angular"])
FREE = ("euclidean", "manhattan")
WEIGHED = arrays.arrays(np.float64, 5, elements=st.floats(0, 1))
SIGNED = arrays.arrays(np.float32, (6, 4), elements=st.floats(-1e6, 1e6, width=32))
DRAW = np.random.default_rng(9)
ROWS = DRAW.gamma(1, size=(6, 4)).astype(np.float32)
WEIGHTS = np.array([1, 0.5, 0.25, 0, 1])


@pytest.mark.parametrize("name", EXPANSIONS)
@given(likeness=arrays.arrays(np.float64, st.integers(0, 20), elements=st.floats(0, 1)))
def test_weights_are_between_0_and_1_and_fall_with_likeness(name: str, likeness: NDArray[np.float64]) -> None:
    weights = EXPANSIONS[name].weights(-np.sort(-likeness), EXPANSION_RULE.parse(name).options)
    assert weights.shape == likeness.shape
    assert ((weights >= 0) & (weights <= 1)).all()
    assert (np.diff(weights) <= 0).all()


def test_weights_are_1_for_the_average_and_likeness_to_the_a_for_alpha() -> None:
    likeness = np.array([1, 0.5, 0.1, 0])
    assert EXPANSIONS["average"].weights(likeness, {"n": 4}).tolist() == [1, 1, 1, 1]
    assert EXPANSIONS["alpha"].weights(likeness, {"n": 4, "a": 3.0}) == pytest.approx([1, 0.125, 0.001, 0])
    assert EXPANSIONS["alpha"].weights(likeness, {"n": 4, "a": 0.0}).tolist() == [1, 1, 1, 1]


def test_the_expanded_query_is_the_mean_of_unit_vectors_made_one_again() -> None:
    rows = ROWS.astype(np.float64)
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    mean = units[0] + units[1] + units[2] / 2 + units[3] / 4 + units[5]
    found = expanded(rows[0], ROWS[1:], WEIGHTS, "cosine")
    np.testing.assert_allclose(found, mean / np.linalg.norm(mean), rtol=1e-12)


def test_distributions_are_averaged_as_shares() -> None:
    shares = ROWS / ROWS.sum(axis=1, keepdims=True, dtype=np.float64)
    mean = (shares[0] + shares[1] + shares[2] / 2 + shares[3] / 4 + shares[5]) / 3.75
    np.testing.assert_allclose(expanded(ROWS[0].astype(float), ROWS[1:], WEIGHTS, "chi2"), mean, rtol=1e-6)


@pytest.mark.parametrize(("measure", "normalise"), [("chi2", False), *((measure, True) for measure in FREE)])
def test_sizes_count_where_the_measure_compares_them(measure: str, normalise: bool) -> None:  # noqa: FBT001 (a case)
    raw = (ROWS[0].astype(np.float64) + ROWS[1] + ROWS[2] / 2 + ROWS[3] / 4 + ROWS[5]) / 3.75
    found = expanded(ROWS[0].astype(np.float64), ROWS[1:], WEIGHTS, measure, normalise=normalise)
    np.testing.assert_allclose(found, raw, rtol=1e-6)


@ANGLES
@given(rows=SIGNED, weights=WEIGHED)
def test_it_is_finite_and_has_unit_length(
    measure: str, rows: NDArray[np.float32], weights: NDArray[np.float64]
) -> None:
    query = np.where(rows[0].any(), rows[0], 1).astype(np.float64)
    found = expanded(query, rows[1:], weights, measure)
    assert np.isfinite(found).all()
    if found is not query:
        assert np.linalg.norm(found) == pytest.approx(1)


@MEASURED
@given(rows=SIGNED, weights=WEIGHED)
def test_it_is_never_zero_and_not_negative_where_vectors_are_not(
    measure: str, rows: NDArray[np.float32], weights: NDArray[np.float64]
) -> None:
    rows = np.abs(rows)
    query = np.where(rows[0].any(), rows[0], 1).astype(np.float64)
    found = expanded(query, rows[1:], weights, measure)
    assert np.isfinite(found).all()
    assert found.any()
    assert (found >= 0).all()
    if measure not in (*FREE, "cosine", "angular"):
        assert found.sum() == pytest.approx(1)


@MEASURED
def test_zero_answers_and_weights_of_zero_leave_the_direction(measure: str) -> None:
    query = ROWS[0].astype(np.float64)
    for answers, weights in (
        (ROWS[1:], np.zeros(5)),
        (np.zeros((5, 4), np.float32), np.ones(5)),
        (ROWS[:0], np.ones(0)),
    ):
        found = expanded(query, answers, weights, measure)
        np.testing.assert_allclose(found / found.sum(), query / query.sum(), rtol=1e-12)


def test_answers_that_cancel_the_query_leave_it_as_it_was() -> None:
    query = np.array([3.0, -4.0])
    found = expanded(query, np.array([[-3, 4]], np.float32), np.ones(1), "cosine")
    assert found.tolist() == [3, -4]
    assert math.isfinite(found.sum())
