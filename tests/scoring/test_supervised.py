from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import InvalidArgument
from pixkin_scoring.fitting import Fit
from pixkin_scoring.supervised import fit_supervised, scatter

D, CLASSES, EACH = 12, 6, 40
DESCRIPTOR = Descriptor("net.gap", D)
Vectors = NDArray[np.float32]


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    """Six classes that differ in directions in which items of one class differ little, (240, 12)."""
    draw = np.random.default_rng(0)
    spread = np.geomspace(5, 0.1, D)
    centres = draw.standard_normal((CLASSES, D)) * spread[::-1] * 0.2
    rows = np.repeat(centres, EACH, axis=0) + draw.standard_normal((CLASSES * EACH, D)) * spread
    return rows.astype(np.float32)


IDS = [f"{label}/{at}" for label in range(CLASSES) for at in range(EACH)]
LABELS = {item: frozenset({item[0]}) for item in IDS}


def blocks(vectors: Vectors, size: int = 50) -> Iterator[tuple[list[str], Vectors]]:
    for at in range(0, len(vectors), size):
        yield IDS[at : at + size], vectors[at : at + size]


def test_the_covariance_within_labels_is_that_of_pairs_that_share_one(vectors: Vectors) -> None:
    found = scatter(blocks(vectors), LABELS, D, normalise=False)
    wide = vectors.astype(np.float64)
    expected = sum(np.cov(wide[at : at + EACH].T, bias=True) * EACH for at in range(0, len(wide), EACH))
    assert found.within == pytest.approx(expected / (len(wide) - CLASSES))
    assert found.between == pytest.approx(np.cov(wide.T))
    assert found.mean == pytest.approx(wide.mean(axis=0))


@pytest.mark.parametrize("dims", [3, D])
def test_cosines_are_those_of_the_formula(vectors: Vectors, dims: int) -> None:
    made = fit_supervised(blocks(vectors), LABELS, DESCRIPTOR, Fit(dims)).applied(vectors[::17])
    found = scatter(blocks(vectors), LABELS, D, normalise=False)
    sizes, turned = np.linalg.eigh(found.within)
    root = turned @ np.diag(sizes**-0.5) @ turned.T
    directions = np.linalg.eigh(root @ found.between @ root)[1][:, ::-1][:, :dims].T
    expected = (vectors[::17] - found.mean) @ (directions @ root).T
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert made @ made.T == pytest.approx(expected @ expected.T, abs=1e-6)


def test_neighbours_share_the_label_more_often_than_before(vectors: Vectors) -> None:
    whitened = fit_supervised(blocks(vectors), LABELS, DESCRIPTOR, Fit(5)).applied(vectors)
    raw = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert _right(whitened) > _right(raw) + 0.1


def _right(rows: NDArray[np.floating]) -> float:
    likeness = rows @ rows.T
    np.fill_diagonal(likeness, -2)
    classes = np.repeat(np.arange(CLASSES), EACH)
    return float((classes[likeness.argmax(axis=1)] == classes).mean())


def test_without_labels_it_says_what_is_missing(vectors: Vectors) -> None:
    for labels in ({}, {item: frozenset({item}) for item in IDS}):
        with pytest.raises(InvalidArgument, match=r"no two items share a label.*--labels-from-folders"):
            fit_supervised(blocks(vectors), labels, DESCRIPTOR, Fit())


def test_too_few_labelled_items_are_refused_unless_regularised(vectors: Vectors) -> None:
    few = {item: LABELS[item] for item in IDS[:4]}
    with pytest.raises(InvalidArgument, match=r"differ in 3 of 12 directions.*--shrink"):
        fit_supervised(blocks(vectors), few, DESCRIPTOR, Fit())
    assert len(fit_supervised(blocks(vectors), few, DESCRIPTOR, Fit(shrink=0.1)).components) == D
    with pytest.raises(InvalidArgument, match="has 12 dimensions, not 13"):
        fit_supervised(blocks(vectors), LABELS, DESCRIPTOR, Fit(13))
