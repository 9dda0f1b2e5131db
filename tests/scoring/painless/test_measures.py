"""Conformance of the scripts: what a real OpenSearch computes is the definition of the measure."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from pixkin_scoring.measures import MEASURES, Better, scores, values

from tests.scoring.painless.documents import Documents
from tests.scoring.test_measures import PAIRS

SAMPLE = np.random.default_rng(65_536).random((2, 65_536)).astype(np.float32)
QUERIES = 12

every_measure = pytest.mark.parametrize("name", list(MEASURES))
every_pair = pytest.mark.parametrize("pair", list(PAIRS))
both_modes = pytest.mark.parametrize("normalise", [True, False])


def assert_close(found: NDArray[np.float64], expected: NDArray[np.float64], *, scale: float = 1.0) -> None:
    """Within a millionth of the value, or of a millionth."""
    assert found.shape == expected.shape
    assert (np.abs(found - expected) <= 1e-6 * np.maximum(np.abs(expected), 1e-6 * scale)).all()


@pytest.fixture(scope="module")
def pairs(documents: Documents) -> Documents:
    """The table of pairs, a group each."""
    for name, (_, document) in PAIRS.items():
        documents.add(name, [document])
    return documents


@every_measure
@every_pair
@both_modes
def test_a_script_has_the_formulas_value_and_score(pairs: Documents, name: str, pair: str, *, normalise: bool) -> None:
    query, document = PAIRS[pair]
    expected = values(name, query, document[None], normalise=normalise)
    assert_close(pairs.values(name, query, pair, normalise=normalise), expected)
    found = pairs.scores(name, query, pair, normalise=normalise)
    assert found == pytest.approx(scores(name, expected), rel=2e-7, abs=1e-12)  # a score of OpenSearch is float32


components = st.one_of(st.just(0.0), st.floats(2.0**-20, 2.0**20, width=32))
tables = st.integers(1, 24).flatmap(lambda d: arrays.arrays(np.float32, (12, d), elements=components))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=tables.filter(lambda table: table[0].any()))
def test_scripts_agree_with_formulas_on_generated_vectors(documents: Documents, table: NDArray[np.float32]) -> None:
    documents.add("generated", list(table))
    for name in MEASURES:
        for normalise in (True, False):
            expected = values(name, table[0], table, normalise=normalise)
            found = documents.values(name, table[0], "generated", normalise=normalise)
            assert_close(found, expected, scale=max(1.0, float(table.max())))


signed = arrays.arrays(np.float32, (12, 9), elements=st.floats(-1024, 1024, width=32))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=signed)
def test_scripts_of_any_vectors_agree_on_signed_ones(documents: Documents, table: NDArray[np.float32]) -> None:
    table = np.where(np.abs(table) < 1e-6, 0, table).astype(np.float32)
    table[0, 0] = 1
    documents.add("signed", list(table))
    for name in ("euclidean", "manhattan", "cosine", "angular"):
        assert_close(documents.values(name, table[0], "signed"), values(name, table[0], table))


@every_measure
@both_modes
def test_vectors_at_the_ends_of_the_range_have_the_formulas_values(
    documents: Documents, name: str, *, normalise: bool
) -> None:
    extremes = np.float32([1e-45, 1e-38, 1e-20, 1, 1e15])
    table = np.array(np.meshgrid(extremes, extremes, [0.0, 1e-45, 1e15])).reshape(3, -1).T.astype(np.float32)
    table = np.vstack([table, np.zeros(3, np.float32)])
    documents.add("extremes", list(table))
    for query in table[:-1:6]:
        expected = values(name, query, table, normalise=normalise)
        assert_close(documents.values(name, query, "extremes", normalise=normalise), expected)
        assert np.isfinite(documents.scores(name, query, "extremes", normalise=normalise)).all()


@every_measure
@both_modes
def test_the_longest_vectors_stay_below_the_limit_of_a_loop(
    documents: Documents, name: str, *, normalise: bool
) -> None:
    documents.add("long", list(SAMPLE))
    expected = values(name, SAMPLE[0], SAMPLE, normalise=normalise)
    assert_close(documents.values(name, SAMPLE[0], "long", normalise=normalise), expected)


@pytest.mark.parametrize("dim", [1, 7, 128, 405, 4096])
def test_a_picture_has_no_distance_to_itself_in_any_dimension(documents: Documents, dim: int) -> None:
    query = np.random.default_rng(dim).random(dim).astype(np.float32)
    documents.add("itself", [query])
    perfect = {name: 1.0 if measure.better is Better.HIGH else 0.0 for name, measure in MEASURES.items()}
    found = {name: documents.values(name, query, "itself")[0] for name in MEASURES}
    assert found.pop("intersection") == pytest.approx(1.0, abs=1e-12)
    assert found == {name: perfect[name] for name in found}


@pytest.mark.parametrize("exponent", range(-16, 1))
def test_the_logarithm_by_table_is_the_logarithm(documents: Documents, exponent: int) -> None:
    # One component next to many gives kl a term at every place of the table; 1 and its neighbours among them.
    shares = 2.0**exponent * np.linspace(0.5, 1, 600)
    table = np.stack([np.float32([share, 1 - share]) for share in shares])
    query = np.float32([0.25, 0.75])
    documents.add("shares", list(table))
    for name in ("kl", "jensen_shannon"):
        found, expected = documents.values(name, query, "shares"), values(name, query, table)
        assert np.abs(found - expected).max() < 4e-13


@pytest.fixture(scope="module")
def real(documents: Documents, histograms: NDArray[np.float32]) -> Documents:
    """2,000 histograms of real pictures."""
    documents.add("real", list(histograms))
    return documents


@every_measure
@both_modes
def test_the_first_hundred_of_real_pictures_are_those_of_the_formula(
    real: Documents, histograms: NDArray[np.float32], name: str, *, normalise: bool
) -> None:
    sign = 1 if MEASURES[name].better is Better.LOW else -1
    for place in np.random.default_rng(4).choice(len(histograms), QUERIES, replace=False):
        expected = values(name, histograms[place], histograms, normalise=normalise)
        order = sorted(range(len(expected)), key=lambda i: (sign * expected[i], i))[:100]
        found = real.ranked(name, histograms[place], "real", normalise=normalise, size=100)
        assert [int(id_) for id_, _ in found] == order
        assert_close(np.array([value for _, value in found]), expected[order])


@every_measure
def test_equal_pictures_are_ranked_by_id(documents: Documents, name: str) -> None:
    twins = np.repeat(np.random.default_rng(6).random((3, 64)).astype(np.float32), 20, axis=0)
    documents.add("twins", list(twins))
    found = [int(id_) for id_, _ in documents.ranked(name, twins[0], "twins")]
    assert [sorted(found[start : start + 20]) for start in (0, 20, 40)] == [
        found[start : start + 20] for start in (0, 20, 40)
    ]
