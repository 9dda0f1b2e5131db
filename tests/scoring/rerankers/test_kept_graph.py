"""Diffusion along a kept graph: the part of it that lies among the candidates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_scoring.neighbour_graph import NeighbourGraph, likeness_of
from pixkin_scoring.neighbourhoods import Neighbourhoods, digests_of, nearest
from pixkin_scoring.rerankers.diffusion import diffusion
from pixkin_scoring.rerankers.kept_graph import KeptGraph
from pixkin_scoring.rerankers.reranker import Order, Shortlist

from tests.scoring.rerankers.shortlists import options_of, random_shortlist, shortlist_of

Rows = NDArray[np.float32]


def names(count: int) -> list[str]:
    return [f"{number:04}" for number in range(count)]


def graph_of(rows: Rows, k: int) -> NeighbourGraph:
    """The graph of a collection whose items are called 0000, 0001 and so on."""
    neighbours = nearest(rows, np.arange(len(rows)), k)
    near = Neighbourhoods(tuple(names(len(rows))), digests_of(rows), neighbours)
    return NeighbourGraph(1, len(rows), near, likeness_of(rows, neighbours, np.arange(len(rows))))


def units(count: int, seed: int, dim: int = 24) -> Rows:
    rows = np.random.default_rng(seed).normal(size=(count, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def kept(
    shortlist: Shortlist, ids: list[str], graph: NeighbourGraph, *, current: bool = True, **options: float
) -> Order:
    found = replace(shortlist, ids=ids, attachment=KeptGraph(graph, current))
    return diffusion(found, options_of("diffusion", graph="kept", **options))


def same(one: Order, other: Order) -> None:
    assert one.places.tolist() == other.places.tolist()
    np.testing.assert_allclose(one.scores, other.scores, rtol=0, atol=1e-5)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("count", "k", "held"), [(80, 10, 79), (200, 5, 199), (12, 12, 11), (40, 40, 39)])
def test_a_graph_of_the_candidates_alone_is_the_one_that_is_made_when_asked_for(
    count: int, k: int, held: int, seed: int
) -> None:
    shortlist = random_shortlist(count, seed)
    expected = diffusion(shortlist, options_of("diffusion", k=k, alpha=0.9))
    same(kept(shortlist, names(count), graph_of(shortlist.vectors, held), k=k, alpha=0.9), expected)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("held", [10, 11, 50])
def test_without_ties_as_many_neighbours_as_k_are_enough(held: int, seed: int) -> None:
    rows = units(151, seed)
    shortlist = shortlist_of(rows[0], rows[1:])
    same(kept(shortlist, names(150), graph_of(shortlist.vectors, held)), diffusion(shortlist, options_of("diffusion")))


def dense(rows: Rows, chosen: NDArray[np.intp], own: NDArray[np.float64], k: int, alpha: float) -> NDArray[np.float64]:
    """Return f of (I − α S) f = y for a part of a collection, mutual neighbours being those of the whole."""
    likeness = rows.astype(np.float64) @ rows.T.astype(np.float64)
    np.fill_diagonal(likeness, -np.inf)
    near = likeness >= np.sort(likeness, axis=1)[:, -k, np.newaxis]
    affinity = np.where(near & near.T, np.maximum(likeness, 0) ** 3, 0)[np.ix_(chosen, chosen)]
    degrees = affinity.sum(axis=1)
    scale = np.diag(1 / np.sqrt(np.where(degrees > 0, degrees, 1)))
    start = np.where(own >= np.sort(own)[-k], np.maximum(own, 0) ** 3, 0)
    found: NDArray[np.float64] = np.linalg.solve(np.eye(len(chosen)) - alpha * scale @ affinity @ scale, start)
    return np.maximum(found, 0)


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_papers_system_truncated_to_the_candidates(seed: int) -> None:
    rows = units(400, seed, dim=8)
    query = units(1, seed + 50, dim=8)[0]
    chosen = np.argsort(-(rows @ query), kind="stable")[:120]
    shortlist = shortlist_of(query, rows[chosen])
    order = kept(shortlist, [names(400)[at] for at in chosen], graph_of(rows, 30), k=10, alpha=0.9, iterations=200)
    flow = dense(rows, chosen, rows[chosen].astype(np.float64) @ query, 10, 0.9)
    np.testing.assert_allclose(order.scores, (flow / flow.max())[order.places], rtol=0, atol=1e-4)


def test_what_an_old_graph_does_not_know_is_connected_among_the_candidates() -> None:
    rows = units(151, 7)
    shortlist = shortlist_of(rows[0], rows[1:])
    assert shortlist.raw is not None
    expected = diffusion(shortlist, options_of("diffusion"))
    strangers = [f"new {number}" for number in range(150)]
    same(kept(shortlist, strangers, graph_of(shortlist.vectors, 20), current=False), expected)
    half = [new if at % 2 else old for at, (new, old) in enumerate(zip(strangers, names(150), strict=True))]
    same(kept(shortlist, half, graph_of(shortlist.vectors, 149), current=False), expected)


def test_an_item_whose_vector_is_another_now_is_not_taken_for_what_it_was() -> None:
    rows = units(151, 8)
    shortlist = shortlist_of(rows[0], rows[1:])
    before = shortlist.vectors.copy()
    before[::3] = units(50, 9)
    expected = diffusion(shortlist, options_of("diffusion"))
    everything_moved = graph_of(units(150, 10), 20)
    same(kept(shortlist, names(150), everything_moved, current=False), expected)
    order = kept(shortlist, names(150), graph_of(before, 149), current=False)
    assert sorted(order.places) == list(range(150))
    assert set(order.places[:10]) & set(expected.places[:10])


@pytest.mark.parametrize("current", [True, False])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_candidates_and_collections_smaller_than_k_have_an_order(count: int, *, current: bool) -> None:
    shortlist = random_shortlist(count, count)
    order = kept(shortlist, ["unknown", *names(count)[1:]], graph_of(shortlist.vectors, 10), current=current)
    assert sorted(order.places) == list(range(count))
    assert np.isfinite(order.scores).all()
