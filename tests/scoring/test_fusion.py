"""Late fusion against the formulas of the papers, written in loops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from pixkin_scoring.fusion import FUSIONS
from pixkin_scoring.plan import FUSION_RULE

Rows = Sequence[Sequence[float]]
Floats = NDArray[np.float64]
every_fusion = pytest.mark.parametrize("name", FUSIONS)


def scaled(row: Sequence[float]) -> list[Fraction]:
    least, most = Fraction(min(row)), Fraction(max(row))
    return [(Fraction(each) - least) / (most - least) if most > least else Fraction(0) for each in row]


def weighted(rows: Rows, weights: Sequence[float]) -> list[Fraction]:
    """CombSUM of min-max scores."""
    parts = [[Fraction(weight) * each for each in scaled(row)] for row, weight in zip(rows, weights, strict=True)]
    return [sum(column) / sum(map(Fraction, weights)) for column in zip(*parts, strict=True)]


def rrf(rows: Rows, weights: Sequence[float]) -> list[Fraction]:
    """Σ w / (60 + rank), in shares of the most there can be."""
    parts = [
        [Fraction(weight) * 61 / (60 + 1 + sum(other > each for other in row)) for each in row]
        for row, weight in zip(rows, weights, strict=True)
    ]
    return [sum(column) / sum(map(Fraction, weights)) for column in zip(*parts, strict=True)]


def adaptive(rows: Rows, weights: Sequence[float]) -> list[Fraction]:
    """The weighted sum with weights divided by the area below the curve of scores, of at least one candidate."""
    areas = [max(sum(scaled(row)) / len(row), Fraction(1, len(row))) for row in rows]
    found = [Fraction(weight) / area for weight, area in zip(weights, areas, strict=True)]
    parts = [[weight * each for each in scaled(row)] for row, weight in zip(rows, found, strict=True)]
    return [sum(column) / sum(found) for column in zip(*parts, strict=True)]


REFERENCES: dict[str, Callable[[Rows, Sequence[float]], list[Fraction]]] = {
    "weighted": weighted,
    "rrf": rrf,
    "adaptive": adaptive,
}


def fuse(name: str, rows: Floats, weights: Floats) -> Floats:
    return FUSIONS[name].fuse(rows, weights, FUSION_RULE.parse(name).options)


@st.composite
def rankings(draw: st.DrawFn) -> tuple[Floats, Floats]:
    """Draw scores (m, n) with ties and equal candidates, and weights (m,) that sum to 1."""
    shape = draw(st.tuples(st.integers(1, 5), st.integers(1, 12)))
    rows = draw(arrays.arrays(np.float64, shape, elements=st.sampled_from([0, 0.1, 0.25, 0.3, 0.7, 0.99, 1])))
    columns = draw(st.lists(st.integers(0, shape[1] - 1), min_size=1, max_size=12))
    weights = np.array(draw(st.lists(st.floats(0.01, 10), min_size=shape[0], max_size=shape[0])))
    return rows[:, columns], weights / weights.sum()


@pytest.mark.parametrize("name", REFERENCES)
@given(ranking=rankings())
def test_it_is_the_formula(name: str, ranking: tuple[Floats, Floats]) -> None:
    rows, weights = ranking
    expected = np.array(REFERENCES[name](rows.tolist(), weights.tolist()), np.float64)
    np.testing.assert_allclose(fuse(name, rows, weights), expected, rtol=0, atol=1e-12)


@every_fusion
@given(ranking=rankings())
def test_scores_are_from_0_to_1_and_equal_candidates_have_equal_ones(name: str, ranking: tuple[Floats, Floats]) -> None:
    rows, weights = ranking
    found = fuse(name, rows, weights)
    assert ((found >= 0) & (found <= 1)).all()
    for at in range(rows.shape[1]):
        assert {float(found[other]) for other in range(at) if (rows[:, other] == rows[:, at]).all()} <= {
            float(found[at])
        }


@every_fusion
@given(ranking=rankings())
def test_what_no_descriptor_puts_behind_another_is_not_behind_it(name: str, ranking: tuple[Floats, Floats]) -> None:
    rows, weights = ranking
    found = fuse(name, rows, weights)
    above = (rows >= rows[:, [0]]).all(axis=0)
    assert (found[above] >= found[0] - 1e-12).all()


@every_fusion
def test_the_weight_decides_between_descriptors_that_disagree(name: str) -> None:
    rows = np.array([[1, 0.5, 0], [0, 0.5, 1]])
    for weights, best in (([0.9, 0.1], 0), ([0.1, 0.9], 2)):
        assert int(np.argmax(fuse(name, rows, np.array(weights)))) == best


def test_the_descriptor_that_tells_few_from_many_is_trusted_more() -> None:
    steep, flat = [1, 0.1, 0.05, 0.02, 0], [0, 1, 0.98, 0.97, 0.95]
    rows, weights = np.array([steep, flat]), np.array([0.5, 0.5])
    assert int(np.argmax(fuse("weighted", rows, weights))) == 1
    assert int(np.argmax(fuse("adaptive", rows, weights))) == 0
