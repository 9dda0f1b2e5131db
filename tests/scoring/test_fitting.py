from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import InvalidArgument
from pixkin_scoring.fitting import Fit, fit_whitening, moments
from sklearn.decomposition import PCA

D = 24
DESCRIPTOR = Descriptor("net.gap", D, fingerprint="a" * 64)
Vectors = NDArray[np.float32]


def drawn(n: int, *, rank: int = D, mean: float = 3.0, seed: int = 0) -> Vectors:
    """Vectors that vary unequally in `rank` directions around a mean, (n, 24)."""
    draw = np.random.default_rng(seed)
    turned = np.linalg.qr(draw.standard_normal((D, D)))[0][:rank]
    return (draw.standard_normal((n, rank)) * np.geomspace(2, 0.05, rank) @ turned + mean).astype(np.float32)


def blocks(vectors: Vectors, size: int = 100) -> Iterator[tuple[list[str], Vectors]]:
    for at in range(0, len(vectors), size):
        yield [], vectors[at : at + size]


def agree(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> bool:
    """Whether rows are the same after division by their length, up to the sign of each component."""
    unit = theirs / np.linalg.norm(theirs, axis=1, keepdims=True)
    signs = np.sign((ours * unit).sum(axis=0))
    return bool(abs(ours - unit * signs).max() < 1e-5)


@pytest.mark.parametrize("size", [7, 100, 5000])
@pytest.mark.parametrize("dims", [1, 8, D])
def test_whitening_is_that_of_scikit_learn_whatever_the_blocks(size: int, dims: int) -> None:
    vectors = drawn(2000)
    ours = fit_whitening(blocks(vectors, size), DESCRIPTOR, Fit(dims)).applied(vectors[:50])
    theirs = PCA(dims, whiten=True, svd_solver="full").fit(vectors.astype(np.float64)).transform(vectors[:50])
    assert agree(ours, theirs)


def test_without_whitening_it_is_the_projection_alone() -> None:
    vectors = drawn(500)
    ours = fit_whitening(blocks(vectors), DESCRIPTOR, Fit(8, power=0)).applied(vectors[:50])
    assert agree(ours, PCA(8, svd_solver="full").fit(vectors.astype(np.float64)).transform(vectors[:50]))


def test_power_and_shrink_change_what_components_are_divided_by() -> None:
    vectors = drawn(500)
    variances = PCA(D, svd_solver="full").fit(vectors.astype(np.float64)).explained_variance_
    found = fit_whitening(blocks(vectors), DESCRIPTOR, Fit(4, power=0.25, shrink=0.2))
    expected = (0.8 * variances[:4] + 0.2 * variances.mean()) ** 0.25
    assert np.sqrt(found.eigenvalues) == pytest.approx(expected, rel=1e-5)


def test_a_large_mean_costs_no_digits() -> None:
    vectors = drawn(1000, mean=0).astype(np.float64)
    count, mean, covariance = moments(iter([(vectors + 1e4).astype(np.float32)]), D, normalise=False)
    assert count == 1000
    assert mean == pytest.approx((vectors + 1e4).astype(np.float32).astype(np.float64).mean(axis=0), abs=1e-9)
    assert covariance == pytest.approx(np.cov((vectors + 1e4).astype(np.float32).astype(np.float64).T), abs=1e-9)


def test_vectors_that_are_normalised_first_are_so_when_it_is_used() -> None:
    vectors = drawn(500)
    found = fit_whitening(blocks(vectors), DESCRIPTOR, Fit(8, normalise="l2"))
    assert found.normalise == "l2"
    assert found.applied(vectors[:9]) == pytest.approx(found.applied(vectors[:9] * 7), abs=1e-6)


def test_signs_are_fixed() -> None:
    vectors = drawn(500)
    first, second = (fit_whitening(blocks(rows), DESCRIPTOR, Fit(8)) for rows in (vectors, vectors[::-1].copy()))
    assert first.components == pytest.approx(second.components, abs=1e-6)
    largest = np.abs(first.components).argmax(axis=1)
    assert (first.components[np.arange(8), largest] > 0).all()


def test_it_knows_what_it_was_learnt_of() -> None:
    found = fit_whitening(blocks(drawn(100)), DESCRIPTOR, Fit(3))
    assert (found.descriptor, found.fingerprint) == ("gap", "a" * 64)


def test_fewer_vectors_than_dimensions_are_refused_unless_regularised() -> None:
    few = drawn(D)
    with pytest.raises(InvalidArgument, match=r"24 vectors cannot say how 24 dimensions vary.*--shrink"):
        fit_whitening(blocks(few), DESCRIPTOR, Fit(4))
    assert len(fit_whitening(blocks(few), DESCRIPTOR, Fit(shrink=0.1)).components) == D


def test_no_more_dimensions_than_the_vectors_vary_in() -> None:
    flat = drawn(300, rank=5)
    assert len(fit_whitening(blocks(flat), DESCRIPTOR, Fit()).components) == 5
    with pytest.raises(InvalidArgument, match="vary in 5 of 24 directions, and 6 are asked for"):
        fit_whitening(blocks(flat), DESCRIPTOR, Fit(6))
    with pytest.raises(InvalidArgument, match="vary in 0 of 24"):
        fit_whitening(blocks(np.ones((100, D), np.float32)), DESCRIPTOR, Fit())


@pytest.mark.parametrize("fields", [{"power": -1}, {"power": float("nan")}, {"shrink": 1.5}, {"dims": 0}])
def test_settings_out_of_range_are_refused(fields: dict[str, float]) -> None:
    with pytest.raises(InvalidArgument, match=next(iter(fields))):
        Fit(**fields)  # type: ignore[arg-type]  # what a user may write


@pytest.mark.parametrize("count", [0, 1])
def test_a_collection_without_vectors_is_refused(count: int) -> None:
    with pytest.raises(InvalidArgument, match="at least 2 vectors"):
        fit_whitening(blocks(drawn(count)), DESCRIPTOR, Fit())
