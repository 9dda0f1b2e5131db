"""Diffusion against the dense solution of the paper's system of equations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pixkin_scoring.rerankers.diffusion import diffusion
from pixkin_scoring.rerankers.reranker import Shortlist

from tests.scoring.rerankers.shortlists import POINTS, options_of, random_shortlist, shortlist_of, shortlists


def dense(shortlist: Shortlist, k: int, alpha: float, gamma: float) -> NDArray[np.float64]:
    """Return f of (I − α S) f = y, sections 3.1 and 3.2 of Iscen et al."""
    points = shortlist.vectors.astype(np.float64)
    likeness = points @ points.T
    np.fill_diagonal(likeness, 0)
    k = min(k, len(points))
    near = likeness >= np.sort(likeness, axis=1)[:, -k, np.newaxis]
    affinity = np.where(near & near.T, np.maximum(likeness, 0) ** gamma, 0)
    degrees = affinity.sum(axis=1)
    scale = np.diag(1 / np.sqrt(np.where(degrees > 0, degrees, 1)))
    own = points @ shortlist.query.astype(np.float64)
    start = np.where(own >= np.sort(own)[-k], np.maximum(own, 0) ** gamma, 0)
    found: NDArray[np.float64] = np.linalg.solve(np.eye(len(points)) - alpha * scale @ affinity @ scale, start)
    return found


def check(shortlist: Shortlist, **options: float) -> None:
    flow = np.maximum(dense(shortlist, int(options["k"]), options["alpha"], options["gamma"]), 0)
    order = diffusion(shortlist, options_of("diffusion", iterations=200, **options))
    assert sorted(order.places) == list(range(len(flow)))
    expected = flow / (flow.max() or 1)
    np.testing.assert_allclose(order.scores, expected[order.places], rtol=0, atol=1e-4)
    assert (np.diff(expected[order.places]) <= 1e-4).all()


@settings(deadline=None)  # numba may compile
@given(shortlists(), st.integers(1, 15), st.sampled_from([0, 0.5, 0.9]), st.sampled_from([0.5, 1, 3, 20]))
def test_it_is_the_paper_on_any_shortlist(shortlist: Shortlist, k: int, alpha: float, gamma: float) -> None:
    check(shortlist, k=k, alpha=alpha, gamma=gamma)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("count", "k"), [(1, 10), (2, 1), (2, 2), (80, 10), (80, 80), (200, 5)])
def test_it_is_the_paper_on_random_shortlists(count: int, k: int, seed: int) -> None:
    check(random_shortlist(count, seed), k=k, alpha=0.9, gamma=3)


@pytest.mark.parametrize("alpha", [0.9, 0.99])
def test_few_iterations_give_the_order_of_many_where_a_flow_is_long(alpha: float) -> None:
    shortlist = random_shortlist(300, 4)
    few, many = (
        diffusion(shortlist, options_of("diffusion", alpha=alpha, iterations=iterations)) for iterations in (30, 200)
    )
    assert len(set(few.places[:20]) & set(many.places[:20])) >= 19


def test_what_no_flow_reaches_follows_in_its_former_order() -> None:
    axes = np.eye(6, dtype=np.float32)
    shortlist = shortlist_of(axes[0], axes[[0, 2, 1, 5]])
    order = diffusion(shortlist, options_of("diffusion", k=2))
    assert order.places.tolist() == [0, 1, 2, 3]
    assert order.scores.tolist() == [1, 0, 0, 0]


def test_a_query_that_nothing_is_like_keeps_the_order() -> None:
    order = diffusion(shortlist_of(-POINTS[0], POINTS[[0, 0, 2]]), options_of("diffusion"))
    assert order.scores.tolist() == [0, 0, 0]


@pytest.mark.parametrize("turn", [1e-3, 1e-8, 1e-16, 1e-30, 1e-44])
def test_affinities_may_be_as_small_as_numbers_get(turn: float) -> None:
    rows = np.array([[turn, 1], [turn, 1], [turn / 2, 1]], np.float32)
    order = diffusion(shortlist_of(np.array([1, 0], np.float32), rows), options_of("diffusion", gamma=20, alpha=0.9999))
    assert np.isfinite(order.scores).all()
    assert order.scores[0] == 1
    assert sorted(order.places) == [0, 1, 2]


def test_likeness_flows_along_a_chain_to_what_the_query_is_not_like() -> None:
    turns = np.radians([10, 30, 50, 70, 90, 110, -75, -80])
    circle = np.stack([np.cos(turns), np.sin(turns)], axis=1).astype(np.float32)
    shortlist = shortlist_of(np.array([1, 0], np.float32), circle)
    order = diffusion(shortlist, options_of("diffusion", k=2, alpha=0.99, iterations=200))
    heights = shortlist.vectors[order.places][:, 1]
    assert (heights[:6] > 0).all()
