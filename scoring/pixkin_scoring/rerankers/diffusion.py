"""Diffusion: likeness flows from the query along the graph of mutual neighbours.

Iscen, Tolias, Avrithis, Furon, Chum, Efficient Diffusion on Region Manifolds, CVPR 2017. The diffusion is truncated to
the shortlist: its graph is that of the candidates among themselves, or their part of the graph of the whole collection.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pixkin_scoring.rerankers.kept_graph import STALE, KeptGraph, among, load_kept_graph
from pixkin_scoring.rerankers.reranker import TOP, Needed, Order, Reranker, Shortlist, Values
from pixkin_scoring.stages import Option

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
TOLERANCE = 1e-6


def diffusion(shortlist: Shortlist, options: Values) -> Order:
    """Re-rank by f, the solution of (I − α S) f = y.

    Affinities are max(x·y, 0)^γ between points that have each other among their k nearest, of the candidates or, with
    graph=kept, of the collection; S = D^-½ W D^-½. y holds the
    affinity of the query to its k nearest. Conjugate gradients stop at a residual of 1e-6 |y| or after `iterations`.
    The score is f in shares of its largest value; what the flow does not reach follows in its former order.
    """
    count, wanted = len(shortlist.scores), int(options["k"])
    k = min(wanted, count)
    gamma = float(options["gamma"])
    if isinstance(shortlist.attachment, KeptGraph) and options["graph"] == "kept":
        edges = among(shortlist, shortlist.attachment, wanted)
    else:
        edges = among_themselves(shortlist.vectors, k)
    starts, neighbours, weights = normalised(*edges, count, gamma)
    own = shortlist.vectors @ shortlist.query
    own = np.where(own >= _least(own[np.newaxis], k)[0], np.maximum(own, 0), 0).astype(np.float64)
    # In shares of the largest: the order is the same, and squares of small affinities do not vanish.
    begin = (own / (own.max() or 1.0)) ** gamma
    flow = solve(starts, neighbours, weights, begin, float(options["alpha"]), int(options["iterations"]))
    return _ordered(np.maximum(flow, 0))


def among_themselves(vectors: NDArray[np.float32], k: int) -> tuple[Places, Places, NDArray[np.float32]]:
    """Return the edges between points (n, d) that have each other among their k nearest: rows, columns, likeness."""
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, 0)
    least = _least(likeness, k)
    places = np.flatnonzero((likeness >= least[:, np.newaxis]) & (likeness >= least) & (likeness > 0))
    return *np.divmod(places, len(likeness)), likeness.ravel()[places]


def normalised(
    points: Places, neighbours: Places, likeness: NDArray[np.float32], count: int, gamma: float
) -> tuple[Places, Places, Floats]:
    """Return S of edges (m,), given both ways and in order, as a sparse matrix (count, count) in rows.

    starts: (count + 1,), where each row begins · neighbours, weights: (m,), columns and values.
    """
    weights = likeness.astype(np.float64) ** gamma
    degrees = np.bincount(points, weights, minlength=count)
    roots = 1 / np.sqrt(np.where(degrees > 0, degrees, 1))
    starts = np.concatenate([[0], np.bincount(points, minlength=count).cumsum()])
    return starts, neighbours, weights * roots[points] * roots[neighbours]


def solve(starts: Places, neighbours: Places, weights: Floats, begin: Floats, alpha: float, iterations: int) -> Floats:
    """Return f (n,) of (I − α S) f = begin by conjugate gradients; S as `normalised` returns it."""
    from pixkin_scoring.rerankers.kernels import multiply  # numba takes long to import

    found, moved = np.zeros_like(begin), np.empty_like(begin)
    rest, step = begin.copy(), begin.copy()
    size = float(rest @ rest)
    goal = TOLERANCE**2 * size
    for _ in range(iterations):
        if size <= goal:
            break
        multiply(starts, neighbours, weights, step, moved)
        moved = step - alpha * moved
        stride = size / float(step @ moved)
        found += stride * step
        rest -= stride * moved
        size, before = float(rest @ rest), size
        step = rest + size / before * step
    return found


def _least(likeness: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    """Return the k-th largest of every row."""
    columns = likeness.shape[1]
    found: NDArray[np.float32] = np.partition(likeness, columns - k, axis=1)[:, columns - k]
    return found


def _ordered(flow: Floats) -> Order:
    places = np.argsort(-flow, kind="stable")
    return Order(places, flow[places] / (flow.max() or 1.0))


DIFFUSION = Reranker(
    "diffusion",
    {
        "top": Option(int, 1000, 2, 5000, note=TOP),
        "k": Option(int, 10, 1, 1000, note="how many neighbours of each picture it follows"),
        "alpha": Option(float, 0.9, 0, 0.9999, note="how far likeness flows; near 1 it needs more iterations"),
        "gamma": Option(float, 3.0, 0.1, 20, note="how much more close neighbours count"),
        "iterations": Option(int, 20, 1, 200, note="how often it flows on"),
        "graph": Option(
            str,
            "candidates",
            choices=("candidates", "kept"),
            note="neighbours among the candidates, or in a kept graph",
        ),
        "stale": Option(str, "refuse", choices=STALE, note="what to do where the kept graph is older than the vectors"),
    },
    diffusion,
    note="likeness flows along mutual neighbours",
    needed=Needed(
        load_kept_graph,
        wanted=lambda options: options["graph"] == "kept",
        writes=lambda options: options["stale"] == "rebuild",
    ),
)
