"""Numba arithmetic of the rerankers. Serial: they may run in several threads at once, see `kernels`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pixkin_scoring.kernels import row

Floats = NDArray[np.float64]
Places = NDArray[np.intp]


@row
def _mutual(nearest: Places, p: int, k: int, members: NDArray[np.bool_]) -> int:
    """Mark R(p, k) in members; returns how many there are."""
    count = 0
    for i in range(k + 1):
        c = nearest[p, i]
        for j in range(k + 1):
            if nearest[c, j] == p:
                members[c] = True
                count += 1
                break
    return count


@row
def fill_memberships(distances: Floats, nearest: Places, k1: int, out: Floats) -> None:
    """Write the memberships of every point p in R*(p), (n, n), each row in shares of 1."""
    n = len(distances)
    half = (k1 + 1) // 2
    for p in range(n):
        members = np.zeros(n, np.bool_)
        _mutual(nearest, p, k1, members)
        star = members.copy()
        for i in range(k1 + 1):
            c = nearest[p, i]
            if not members[c]:
                continue
            others = np.zeros(n, np.bool_)
            count = _mutual(nearest, c, half, others)
            shared = 0
            for g in range(n):
                if others[g] and members[g]:
                    shared += 1
            if 3 * shared >= 2 * count:
                star |= others
        total = 0.0
        for g in range(n):
            if star[g]:
                out[p, g] = np.exp(-distances[p, g])
                total += out[p, g]
        for g in range(n):
            out[p, g] /= total


@row
def multiply(starts: Places, neighbours: Places, weights: Floats, vector: Floats, out: Floats) -> None:
    """Write the product of a sparse matrix, as `diffusion.normalised` returns it, and a vector (n,)."""
    for p in range(len(out)):
        total = 0.0
        for at in range(starts[p], starts[p + 1]):
            total += weights[at] * vector[neighbours[at]]
        out[p] = total
