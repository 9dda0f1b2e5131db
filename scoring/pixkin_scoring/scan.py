"""The exact scan: a float32 kernel over all rows selects, the float64 formula decides.

All calls come from one thread: numba's `workqueue` layer aborts the process when two enter a parallel kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import Kind

from pixkin_scoring.items import Candidates
from pixkin_scoring.kernels import fill_logs
from pixkin_scoring.measures import Better, Floats, Measure, clamp, find_measure, prepared_query, values
from pixkin_scoring.query import ScoringQuery

SPARE = 32
"""Rows beyond the depth that the formula sees besides those within the kernel's tolerance."""
TOLERANCE = 1e-6
TOLERANCE_DIM = 4096
"""The kernels' relative error, up to this many dimensions; it is allowed to grow with them beyond."""
FORMULA_ROWS = 1000 + SPARE
"""Of more rows than these the kernel in float64 makes a second choice, and gives their values if as many remain."""
STAND_IN_TOLERANCE = 1e-12

Rows = NDArray[np.intp]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Columns:
    """The vectors of one descriptor, as the scan reads them.

    ids: n distinct strings, in any order · vectors: (n, d) float32, C-contiguous, each checked by `check_vector` ·
    sums, norms: (n,) float64, sum and Euclidean norm of every vector · logs: gives kl's derived matrix (n, d) float32
    as `kernels.fill_logs` writes it, for normalised vectors (True) or those as stored (False); the owner keeps it ·
    id_order: gives the place of every row in the order of ids, (n,); the owner keeps it.
    """

    ids: list[str]
    vectors: NDArray[np.float32]
    sums: Floats
    norms: Floats
    logs: Callable[[bool], NDArray[np.float32]]
    id_order: Callable[[], Rows]

    @classmethod
    def of(cls, ids: list[str], vectors: NDArray[np.float32]) -> Columns:
        """Return the columns of vectors (n, d) float32, C-contiguous, and keep the derived matrices as long."""
        sums = vectors.sum(axis=1, dtype=np.float64)
        norms = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))

        @cache
        def logs(normalise: bool) -> NDArray[np.float32]:  # noqa: FBT001 (the field's type)
            derived = np.empty_like(vectors)
            fill_logs(vectors, sums, normalise, derived)
            return derived

        return cls(ids, vectors, sums, norms, logs, cache(lambda: id_order(ids)))


def top(
    columns: Columns, query: ScoringQuery, depth: int, allowed: Mask | None = None, *, vectors: int = 0
) -> Candidates:
    """Return the `depth` best documents, best first, ties by id, with float64 values, and the vectors of the first.

    Rows that `allowed` (n,) leaves out and ids in `query.exclude` never appear. The query's vector has passed
    `check_query`. Raises UnknownMeasure.
    """
    measure = find_measure(query.measure)
    wanted = depth + len(query.exclude)
    if (len(columns.ids) if allowed is None else np.count_nonzero(allowed)) > wanted + SPARE:
        rows = _scanned(columns, query, measure, wanted, allowed)
    else:
        rows = np.arange(len(columns.ids)) if allowed is None else np.flatnonzero(allowed)
    rows, found = _decided(columns, query, measure, rows, wanted)
    order = _order(columns, rows, found, measure)[:wanted]
    rows, found = rows[order], found[order]
    ids = [columns.ids[row] for row in rows.tolist()]
    if not query.exclude.isdisjoint(ids):
        kept = [at for at, item in enumerate(ids) if item not in query.exclude]
        ids, rows, found = [ids[at] for at in kept], rows[kept], found[kept]
    first = columns.vectors[rows[: min(vectors, depth)]] if vectors else None
    return Candidates(ids[:depth], found[:depth], vectors=first)


def id_order(ids: list[str]) -> Rows:
    """Return the place of every id in their order, (n,)."""
    places = np.empty(len(ids), dtype=np.intp)
    places[sorted(range(len(ids)), key=ids.__getitem__)] = np.arange(len(ids))
    return places


def warm(measures: Iterable[str]) -> None:
    """Compile the kernels of some measures, or load them from numba's cache, before the first query needs them."""
    rows = 2 * FORMULA_ROWS
    columns = Columns.of([""] * rows, np.ones((rows, 1), dtype=np.float32))
    for name in measures:
        # All rows tie, so that the kernel runs in float32 and then in float64.
        top(columns, ScoringQuery("", name, np.ones(1)), 1)


def _scanned(columns: Columns, query: ScoringQuery, measure: Measure, wanted: int, allowed: Mask | None) -> Rows:
    """Return the rows that the float32 kernel cannot tell from the best, of all that are allowed."""
    q = prepared_query(measure, query.vector, normalise=query.normalise)
    approximate = np.empty(len(columns.ids), dtype=np.float32)
    documents = columns.logs(query.normalise) if measure.logs else columns.vectors
    measure.kernel(q, documents, _totals(columns, measure, query), measure.disjoint or 0.0, approximate)
    if allowed is not None:
        approximate[~allowed] = np.inf if measure.better is Better.LOW else -np.inf
    size = float(q.sum()) if measure.kind is Kind.MASS else 1.0
    relative = TOLERANCE * max(1.0, len(q) / TOLERANCE_DIM)
    return _best(approximate, measure, wanted, relative=relative, size=size, absolute=_moved(measure, q))


def _decided(columns: Columns, query: ScoringQuery, measure: Measure, rows: Rows, depth: int) -> tuple[Rows, Floats]:
    """Return the rows that can be among the `depth` best, and their values."""
    if len(rows) > FORMULA_ROWS and measure.float64:
        found = _stand_in(columns, query, measure, rows)
        if len(rows) > depth + SPARE:
            best = _best(found, measure, depth, relative=STAND_IN_TOLERANCE)
            rows, found = rows[best], found[best]
        if len(rows) > FORMULA_ROWS:
            return rows, found
    return rows, values(query.measure, query.vector, columns.vectors[rows], normalise=query.normalise)


def _stand_in(columns: Columns, query: ScoringQuery, measure: Measure, rows: Rows) -> Floats:
    every = len(rows) == len(columns.ids)
    documents = columns.vectors if every else columns.vectors[rows]
    totals = _totals(columns, measure, query)
    found = np.empty(len(rows))
    q = prepared_query(measure, query.vector, normalise=query.normalise)
    measure.kernel(q, documents, totals if every else totals[rows], measure.disjoint or 0.0, found)
    return clamp(measure, found, normalise=query.normalise)


def _best(
    found: NDArray[Any], measure: Measure, wanted: int, *, relative: float, size: float = 1.0, absolute: float = 0.0
) -> Rows:
    """Return where the `wanted` + SPARE best values are, and all that an error of the values may have put behind."""
    costs = found if measure.better is Better.LOW else -found
    # numpy's partition of the values is vectorised; argpartition is not and takes ten times as long.
    best = np.sort(np.partition(costs, wanted + SPARE)[: wanted + SPARE])
    last = float(best[wanted - 1])
    error = absolute + relative * max(abs(last), size, 1.0)
    return np.flatnonzero(costs <= max(float(best[-1]), last + 2 * error))


def _totals(columns: Columns, measure: Measure, query: ScoringQuery) -> Floats:
    if measure.kind is Kind.ANY:
        return columns.norms
    return columns.sums if measure.divides(normalise=query.normalise) else np.ones(len(columns.ids))


def _moved(measure: Measure, q: Floats) -> float:
    """Return how far a value may move because the query becomes float32.

    Euclidean and Manhattan values of raw vectors have no scale of their own; by the triangle inequality they move no
    more than the query does.
    """
    narrow = q.astype(np.float32)
    if measure.kind is Kind.MASS or measure.better is Better.HIGH or np.array_equal(q, narrow):
        return 0.0
    return float(measure.formula(q, narrow[None].astype(np.float64))[0])


def _order(columns: Columns, rows: Rows, found: Floats, measure: Measure) -> Rows:
    """Return where the best of some rows stand, best first, ties by id."""
    costs = found if measure.better is Better.LOW else -found
    # numpy's own sort is vectorised, five times as fast as one that knows of ids; few rankings have ties.
    order = np.argsort(costs)
    ordered = costs[order]
    if (ordered[1:] == ordered[:-1]).any():
        return _with_ties(columns, rows, costs)
    return order


def _with_ties(columns: Columns, rows: Rows, costs: Floats) -> Rows:
    if len(rows) <= FORMULA_ROWS:
        ids = columns.ids
        by_id = np.array(sorted(range(len(rows)), key=lambda at: ids[rows[at]]), dtype=np.intp)
    else:
        by_id = np.argsort(columns.id_order()[rows])
    return by_id[np.argsort(costs[by_id], kind="stable")]
