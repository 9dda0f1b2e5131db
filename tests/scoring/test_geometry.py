from __future__ import annotations

import numpy as np
import pytest
from pixkin_proto.descriptors import Kind
from pixkin_scoring.geometry import unit_vectors
from pixkin_scoring.measures import MEASURES, values

ROWS = np.random.default_rng(2).gamma(0.5, size=(20, 30)).astype(np.float32)
MASS = [name for name, measure in MEASURES.items() if measure.kind is Kind.MASS]
ANY = [name for name, measure in MEASURES.items() if measure.kind is Kind.ANY]


@pytest.mark.parametrize("measure", MEASURES)
def test_vectors_have_unit_length_and_zero_stays_zero(measure: str) -> None:
    found = unit_vectors(np.concatenate([ROWS * 1e6, ROWS * 1e-6, np.zeros((1, 30), np.float32)]), measure)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found[:-1], axis=1), 1, atol=1e-6)
    assert not found[-1].any()
    assert unit_vectors(np.empty((0, 30)), measure).shape == (0, 30)


@pytest.mark.parametrize("measure", ANY)
def test_the_inner_product_is_the_cosine(measure: str) -> None:
    signed = ROWS - ROWS.mean()
    found = unit_vectors(signed, measure)
    np.testing.assert_allclose(found @ found[0], values("cosine", signed[0], signed), atol=1e-6)


@pytest.mark.parametrize("measure", MASS)
def test_of_distributions_it_is_the_sum_of_bhattacharyya(measure: str) -> None:
    found = unit_vectors(ROWS, measure)
    np.testing.assert_allclose(found @ found[0], np.exp(-values("bhattacharyya", ROWS[0], ROWS)), atol=1e-6)
