"""The scan gives the formula's answer, whatever float32 makes of it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_proto.errors import UnknownMeasure
from pixkin_scoring.measures import MEASURES, Better, values
from pixkin_scoring.query import ScoringQuery
from pixkin_scoring.scan import Columns, top, warm

every_measure = pytest.mark.parametrize("name", list(MEASURES))
both_modes = pytest.mark.parametrize("normalise", [True, False])


def histograms(count: int, dim: int = 24, *, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return (rng.random((count, dim)) * (rng.random((count, dim)) < 0.5)).astype(np.float32)


def near_duplicates(count: int, *, noise: float) -> NDArray[np.float32]:
    rng = np.random.default_rng(4)
    return (histograms(1, seed=9) * (1 + noise * rng.standard_normal((count, 24)))).astype(np.float32)


def columns_of(documents: NDArray[np.float32]) -> Columns:
    """Ids in another order than the rows, so that a tie by row number would show."""
    names = [f"{i:06d}" for i in np.random.default_rng(8).permutation(len(documents))]
    return Columns.of(names, documents)


def brute_force(columns: Columns, query: ScoringQuery, depth: int) -> tuple[list[str], NDArray[np.float64]]:
    """All values by the formula, then sorted in plain Python."""
    found = values(query.measure, query.vector, columns.vectors, normalise=query.normalise)
    sign = 1 if MEASURES[query.measure].better is Better.LOW else -1
    rows = [row for row, item in enumerate(columns.ids) if item not in query.exclude]
    rows.sort(key=lambda row: (sign * found[row], columns.ids[row]))
    return [columns.ids[row] for row in rows[:depth]], found[rows[:depth]]


def assert_exact(columns: Columns, query: ScoringQuery, depth: int) -> None:
    found = top(columns, query, depth)
    ids, expected = brute_force(columns, query, depth)
    assert found.ids == ids
    assert found.values.tolist() == expected.tolist()


@every_measure
@both_modes
@pytest.mark.parametrize("depth", [1, 10, 100])
def test_the_answer_is_that_of_the_formula_over_all_rows(name: str, *, normalise: bool, depth: int) -> None:
    columns = columns_of(histograms(3000))
    query = ScoringQuery("", name, histograms(1, seed=2)[0].astype(np.float64), normalise=normalise)
    assert_exact(columns, query, depth)


@every_measure
@both_modes
@pytest.mark.parametrize("noise", [0.0, 1e-6, 1e-4, 1e-2])
def test_near_duplicates_that_float32_cannot_tell_apart_come_in_the_formulas_order(
    name: str, *, normalise: bool, noise: float
) -> None:
    columns = columns_of(np.vstack([near_duplicates(2000, noise=noise), histograms(2000)]))
    query = ScoringQuery("", name, columns.vectors[0].astype(np.float64), normalise=normalise)
    found = top(columns, query, 50)
    ids, expected = brute_force(columns, query, 50)
    assert found.values == pytest.approx(expected, rel=1e-6, abs=1e-12)
    if noise in (0.0, 1e-2):
        assert found.ids == ids


@every_measure
def test_a_query_between_float32_numbers_far_from_zero_is_answered_exactly(name: str) -> None:
    columns = columns_of(np.vstack([np.float32(1e6) + near_duplicates(500, noise=1e-2), histograms(500)]))
    query = ScoringQuery("", name, columns.vectors[:2].astype(np.float64).mean(axis=0) + 0.01)
    assert_exact(columns, query, 20)


@every_measure
def test_equal_documents_come_in_the_order_of_their_ids(name: str) -> None:
    columns = columns_of(np.vstack([np.repeat(histograms(1, seed=9), 500, axis=0), histograms(1000) + 1]))
    query = ScoringQuery("", name, histograms(1, seed=9)[0].astype(np.float64))
    found = top(columns, query, 40)
    assert found.ids == sorted(columns.ids[:500])[:40]
    assert len(set(found.values)) == 1


@pytest.mark.parametrize("depth", [5, 2000])
def test_ties_beyond_the_formulas_reach_come_in_the_order_of_their_ids(depth: int) -> None:
    columns = columns_of(np.repeat(histograms(1, seed=9), 3000, axis=0))
    found = top(columns, ScoringQuery("", "chi2", histograms(1, seed=2)[0].astype(np.float64)), depth)
    assert found.ids == sorted(columns.ids)[:depth]


@every_measure
@both_modes
def test_a_depth_beyond_a_thousand_keeps_the_formulas_values(name: str, *, normalise: bool) -> None:
    columns = columns_of(histograms(4000))
    query = ScoringQuery("", name, histograms(1, seed=2)[0].astype(np.float64), normalise=normalise)
    found = top(columns, query, 2500)
    ids, expected = brute_force(columns, query, 2500)
    assert found.ids == ids
    assert found.values == pytest.approx(expected, rel=1e-6, abs=1e-12)


@every_measure
@pytest.mark.parametrize("rows", [300, 3000])
def test_where_more_vectors_are_wanted_than_the_depth_about_the_next_ones_come_too(name: str, rows: int) -> None:
    columns = columns_of(histograms(rows))
    query = ScoringQuery("", name, columns.vectors[3].astype(np.float64), exclude=frozenset([columns.ids[3]]))
    found = top(columns, query, 7, vectors=400)
    ids, expected = brute_force(columns, query, min(400, rows - 1))
    assert (found.ids[:7], found.values[:7].tolist()) == (ids[:7], expected[:7].tolist())
    assert set(found.ids) == set(ids)
    assert found.values == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert found.vectors is not None
    assert found.vectors.tolist() == columns.vectors[[columns.ids.index(item) for item in found.ids]].tolist()


@every_measure
@pytest.mark.parametrize("count", [0, 1, 31, 140])
def test_a_depth_beyond_the_collection_returns_everything(name: str, count: int) -> None:
    columns = columns_of(histograms(count))
    query = ScoringQuery("", name, histograms(1, seed=2)[0].astype(np.float64))
    found = top(columns, query, 200)
    assert sorted(found.ids) == sorted(columns.ids)
    assert_exact(columns, query, 200)


@every_measure
@pytest.mark.parametrize("depth", [10, 700])
def test_excluded_items_never_appear_and_others_take_their_places(name: str, depth: int) -> None:
    columns = columns_of(histograms(800))
    vector = columns.vectors[0].astype(np.float64)
    best = top(columns, ScoringQuery("", name, vector), 60).ids
    query = ScoringQuery("", name, vector, exclude=frozenset([*best[:50:2], "unknown"]))
    assert top(columns, query, depth).ids[:5] == best[1:10:2]
    assert_exact(columns, query, depth)


@every_measure
@pytest.mark.parametrize("share", [0.02, 0.5])
def test_rows_that_are_not_allowed_never_appear(name: str, share: float) -> None:
    columns = columns_of(histograms(2000))
    allowed = np.random.default_rng(6).random(2000) < share
    forbidden = frozenset(item for item, may in zip(columns.ids, allowed, strict=True) if not may)
    query = ScoringQuery("", name, histograms(1, seed=2)[0].astype(np.float64))
    found = top(columns, query, 30, allowed)
    ids, expected = brute_force(columns, ScoringQuery("", name, query.vector, exclude=forbidden), 30)
    assert found.ids == ids
    assert found.values.tolist() == expected.tolist()


def test_nothing_allowed_is_an_empty_answer() -> None:
    columns = columns_of(histograms(100))
    found = top(columns, ScoringQuery("", "chi2", np.ones(24)), 10, np.zeros(100, dtype=bool))
    assert found.ids == []
    assert found.values.tolist() == []


def test_zero_documents_are_ranked_among_the_disjoint() -> None:
    documents = histograms(200)
    documents[50:] = 0
    columns = columns_of(documents)
    query = ScoringQuery("", "intersection", documents[0].astype(np.float64))
    found = top(columns, query, 120)
    assert found.ids[50:] == sorted(columns.ids[50:])[:70]
    assert set(found.values[50:]) == {0.0}


def test_the_derived_matrix_is_made_once_for_each_mode() -> None:
    columns = columns_of(histograms(20))
    assert columns.logs(True) is columns.logs(True)
    assert columns.logs(True)[3] == pytest.approx(np.log(columns.vectors[3] / columns.sums[3] + 1e-4), abs=1e-6)
    assert columns.logs(False)[3] == pytest.approx(np.log(columns.vectors[3] + 1e-4), abs=1e-6)


def test_an_unknown_measure_is_refused() -> None:
    with pytest.raises(UnknownMeasure):
        top(columns_of(histograms(3)), ScoringQuery("", "hellinger", np.ones(24)), 1)


def test_warming_up_leaves_nothing_to_compile() -> None:
    warm(["chi2"])
    kernel = MEASURES["chi2"].kernel
    compiled = len(kernel.signatures)
    columns = columns_of(histograms(3000))
    for depth in (10, 2000):
        top(columns, ScoringQuery("", "chi2", np.ones(24)), depth)
    assert len(kernel.signatures) == compiled
