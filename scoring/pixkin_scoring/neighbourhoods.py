"""The nearest neighbours of every item of a collection, computed anew only where something has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import InvalidArgument

from pixkin_scoring.items import Collection
from pixkin_scoring.stores import Store

Units = NDArray[np.float32]
Places = NDArray[np.intp]
MOST_NEIGHBOURS = 1000
MARGIN = 1e-5
"""How far a float32 product of unit vectors may be from the double that decides; ten times its rounding."""
BLOCK = 8_000_000
"""Products at a time: 32 MB."""


@dataclass(frozen=True, eq=False)
class Neighbourhoods:
    """Who is nearest to whom.

    ids: n, sorted · digests: (n,) uint64 of their vectors · neighbours: (n, k) int32, places in ids, nearest first; -1
    where there are fewer.
    """

    ids: tuple[str, ...]
    digests: NDArray[np.uint64]
    neighbours: NDArray[np.int32]


def read_units(
    store: Store, described: Collection, descriptor: Descriptor, mapped: Callable[[NDArray[np.float32]], Units]
) -> tuple[list[str], Units, NDArray[np.uint64]]:
    """Return ids, mapped vectors of length 1 and digests, by id; filled in place: two copies would be one too many.

    Raises InvalidArgument when items were added or removed since the collection was described.
    """
    ids: list[str] = []
    units = np.empty((described.items, descriptor.dim), np.float32)
    digests = np.empty(described.items, np.uint64)
    for some, vectors in store.scan(described.name, descriptor.name):
        place = slice(len(ids), len(ids) + len(some))
        if place.stop > described.items:
            break
        units[place], digests[place] = mapped(vectors), digests_of(vectors)
        ids += some
    if len(ids) != described.items:
        raise InvalidArgument(f"{described.name} was written to meanwhile; run this again")
    return ids, units, digests


def brought_up_to_date(
    ids: Sequence[str], units: Units, digests: NDArray[np.uint64], k: int, before: Neighbourhoods | None
) -> tuple[NDArray[np.int32], Places]:
    """Return the neighbours of all items (n, k), and the rows that were looked at, the others being as before.

    ids: n, sorted. Only neighbourhoods that an added, changed or removed item may touch are looked at anew; what
    comes out is what a run from the start gives.
    """
    if before is None:
        rows = np.arange(len(ids))
        return nearest(units, rows, k), rows
    places = {item: at for at, item in enumerate(ids)}
    moved = np.array([places.get(item, -1) for item in before.ids] + [-1], np.int32)  # -1 finds the last, itself -1
    kept = np.array([place >= 0 and digests[place] == digest
                     for place, digest in zip(moved[:-1].tolist(), before.digests, strict=True)], np.bool_)  # fmt: skip
    moved[:-1][~kept] = -1
    neighbours = np.full((len(ids), k), -1, np.int32)
    neighbours[moved[:-1][kept]] = moved[before.neighbours[kept]]
    fresh = np.setdiff1d(np.arange(len(ids)), moved[:-1][kept])
    stale = np.union1d(fresh, _touched(units, neighbours, fresh))
    neighbours[stale] = nearest(units, stale, k)
    return neighbours, stale


def nearest(units: Units, rows: Places, k: int) -> NDArray[np.int32]:
    """Return the k nearest other items of some rows, (m, k), by product in double precision, ties by id; else -1."""
    found = np.full((len(rows), k), -1, np.int32)
    size = max(1, BLOCK // max(len(units), 1))
    for start in range(0, len(rows), size):
        chosen = rows[start : start + size]
        products = units[chosen] @ units.T
        products[np.arange(len(chosen)), chosen] = -np.inf
        for at, row in enumerate(chosen):
            found[start + at, : min(k, len(units) - 1)] = _best(units, int(row), products[at], k)
    return found


def digests_of(vectors: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Return 8 bytes of the SHA-256 of every row, (n,) uint64."""
    joined = b"".join(hashlib.sha256(row.tobytes()).digest()[:8] for row in np.ascontiguousarray(vectors, "<f4"))
    return np.frombuffer(joined, "<u8").astype(np.uint64)


def _best(units: Units, row: int, products: NDArray[np.float32], k: int) -> Places:
    count = min(k, len(units) - 1)
    if not count:
        return np.empty(0, np.intp)
    least = np.partition(products, len(products) - count)[len(products) - count]
    near = np.flatnonzero(products >= least - MARGIN)
    near = near[near != row]
    exact = np.array([float(np.dot(units[row].astype(np.float64), units[at].astype(np.float64))) for at in near])
    return near[np.argsort(-exact, kind="stable")][:count]


def _touched(units: Units, neighbours: NDArray[np.int32], fresh: Places) -> Places:
    """Return the rows that lost a neighbour, and those that a fresh item may be nearer to than their last one."""
    lost = np.flatnonzero((neighbours < 0).any(axis=1))
    if not len(fresh):
        return lost
    touched = np.zeros(len(units), np.bool_)
    touched[lost] = True
    size = max(1, BLOCK // len(fresh))
    for start in range(0, len(units), size):
        block = slice(start, start + size)
        last = np.einsum("nd,nd->n", units[block], units[np.maximum(neighbours[block, -1], 0)])
        nearer = (units[block] @ units[fresh].T).max(axis=1)
        touched[block] |= nearer >= last - MARGIN
    return np.flatnonzero(touched)
