"""k-reciprocal re-ranking: two pictures are alike if their nearest neighbours are, mutually, the same.

Zhong, Zheng, Cao, Li, Re-ranking Person Re-identification with k-reciprocal Encoding, CVPR 2017. Here the query and its
shortlist stand for the whole collection.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pixkin_scoring.rerankers.reranker import TOP, Order, Reranker, Shortlist, Values, by_score
from pixkin_scoring.stages import Option

Floats = NDArray[np.float64]
Places = NDArray[np.intp]


def k_reciprocal(shortlist: Shortlist, options: Values) -> Order:
    """Re-rank by (1 − λ) d_J + λ d: Jaccard distance of the neighbourhoods, and squared distance / its largest.

    R(p, k) are the k nearest of p which have p among their k nearest, p among them. R* adds R(c, k1/2) of every c in
    R(p, k1) if two thirds of it lie in R(p, k1). Membership of c in R*(p) counts exp(−d(p, c)), in shares of 1, and is
    averaged over the k2 nearest of p. d_J = 1 − Σ min / Σ max of the memberships of query and candidate. The score is 1
    less the distance.
    """
    points = np.concatenate([shortlist.query[np.newaxis], shortlist.vectors])
    distances = np.maximum(2 - 2 * (points @ points.T).astype(np.float64), 0)
    np.fill_diagonal(distances, 0)
    k1 = min(int(options["k1"]), len(points) - 1)
    k2 = min(int(options["k2"]), len(points))
    nearest = _nearest(distances, max(k1 + 1, k2))
    memberships = _memberships(distances, nearest, k1)
    jaccard = _jaccard(memberships, nearest, k2)
    blend = float(options["lambda"])
    own = distances[0, 1:] / max(float(distances[0, 1:].max()), np.finfo(np.float64).tiny)
    return by_score(np.maximum(1 - ((1 - blend) * jaccard + blend * own), 0))


def _nearest(distances: Floats, count: int) -> Places:
    """Return the nearest of every point, itself first, (n, count)."""
    own = distances.copy()
    np.fill_diagonal(own, -1)  # a duplicate must not come before the point itself
    return np.argsort(own, axis=1, kind="stable")[:, :count]


def _memberships(distances: Floats, nearest: Places, k1: int) -> Floats:
    from pixkin_scoring.rerankers.kernels import fill_memberships  # numba takes long to import

    found: Floats = np.zeros_like(distances)
    fill_memberships(distances, nearest, k1, found)
    return found


def _jaccard(memberships: Floats, nearest: Places, k2: int) -> Floats:
    smooth = memberships[nearest[:, :k2]].mean(axis=1) if k2 > 1 else memberships
    common = np.minimum(smooth[0], smooth[1:]).sum(axis=1)
    # Each row sums to 1, so Σ max = 2 − Σ min.
    found: Floats = 1 - common / (2 - common)
    return found


K_RECIPROCAL = Reranker(
    "k-reciprocal",
    {
        "top": Option(int, 200, 2, 2000, note=TOP),
        "k1": Option(int, 20, 1, 1000, note="how many neighbours of each picture must be mutual"),
        "k2": Option(int, 6, 1, 1000, note="over how many neighbours it evens out"),
        "lambda": Option(float, 0.3, 0, 1, note="the share of the first likeness in the new one"),
    },
    k_reciprocal,
    note="pictures that are each other's neighbours come first",
)
