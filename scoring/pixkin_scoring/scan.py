"""The exact scan: a float32 kernel over all rows selects, the float64 formula decides.

All calls come from one thread: numba's `workqueue` layer aborts the process when two enter a parallel kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from numba import get_num_threads, set_num_threads
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
ALONE = 1 << 20
"""Components up to which one thread is quicker than several: waking those takes up to 7 ms on busy cores."""

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
        norms = _norms(vectors)

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

    Where more vectors are wanted than that, so many documents come: those behind in the order and with the values of
    the scan. Rows that `allowed` (n,) leaves out and ids in `query.exclude` never appear. The query's vector has passed
    `check_query`. Raises UnknownMeasure.
    """
    measure = find_measure(query.measure)
    wanted, most = depth + len(query.exclude), max(depth, vectors)
    reach = most + len(query.exclude)
    if (len(columns.ids) if allowed is None else np.count_nonzero(allowed)) > reach + SPARE:
        rows, found = _scanned(columns, query, measure, wanted, reach, allowed)
    else:
        rows = np.arange(len(columns.ids)) if allowed is None else np.flatnonzero(allowed)
        rows, found = _ordered(columns, measure, *_decided(columns, query, measure, rows, reach))
    rows, found = rows[:reach], found[:reach]
    ids = [columns.ids[row] for row in rows.tolist()]
    if not query.exclude.isdisjoint(ids):
        kept = [at for at, item in enumerate(ids) if item not in query.exclude]
        ids, rows, found = [ids[at] for at in kept], rows[kept], found[kept]
    first = columns.vectors[rows[:vectors]] if vectors else None
    return Candidates(ids[:most], found[:most], vectors=first)


def values_of(query: ScoringQuery, vectors: NDArray[np.float32]) -> Floats:
    """Return the values (n,) float64 of some vectors (n, d): by the kernel in float64 where it may stand in.

    That takes 0.1 ms for 400 vectors of 512 components, and the formula 0.7.
    """
    measure = find_measure(query.measure)
    if not measure.float64:
        return values(query.measure, query.vector, vectors, normalise=query.normalise)
    sums = (
        vectors.sum(axis=1, dtype=np.float64) if measure.divides(normalise=query.normalise) else np.ones(len(vectors))
    )
    totals = _norms(vectors) if measure.kind is Kind.ANY else sums
    return _stand_in(measure, query, np.ascontiguousarray(vectors), totals)


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


def _scanned(
    columns: Columns, query: ScoringQuery, measure: Measure, wanted: int, reach: int, allowed: Mask | None
) -> tuple[Rows, Floats]:
    """Return the `reach` best rows of all that are allowed and their values, best first.

    The formula decides on those that the float32 kernel cannot tell from the `wanted` best, and the kernel on the rest.
    """
    q = prepared_query(measure, query.vector, normalise=query.normalise)
    approximate = np.empty(len(columns.ids), dtype=np.float32)
    documents = columns.logs(query.normalise) if measure.logs else columns.vectors
    measure.kernel(q, documents, _totals(columns, measure, query), measure.disjoint or 0.0, approximate)
    if allowed is not None:
        approximate[~allowed] = np.inf if measure.better is Better.LOW else -np.inf
    size = float(q.sum()) if measure.kind is Kind.MASS else 1.0
    relative = TOLERANCE * max(1.0, len(q) / TOLERANCE_DIM)
    best = partial(_best, measure=measure, relative=relative, size=size, absolute=_moved(measure, q))
    rows = best(approximate, wanted=reach)
    if reach == wanted:
        return _ordered(columns, measure, *_decided(columns, query, measure, rows, wanted))
    seen = approximate[rows]
    first = best(seen, wanted=wanted)
    decided = _ordered(columns, measure, *_decided(columns, query, measure, rows[first], wanted))
    behind = _ordered(columns, measure, np.delete(rows, first), np.delete(seen, first).astype(np.float64))
    return np.concatenate([decided[0], behind[0]]), np.concatenate([decided[1], behind[1]])


def _decided(columns: Columns, query: ScoringQuery, measure: Measure, rows: Rows, depth: int) -> tuple[Rows, Floats]:
    """Return the rows that can be among the `depth` best, and their values."""
    if len(rows) > FORMULA_ROWS and measure.float64:
        every = len(rows) == len(columns.ids)
        documents, totals = columns.vectors, _totals(columns, measure, query)
        found = _stand_in(measure, query, documents if every else documents[rows], totals if every else totals[rows])
        if len(rows) > depth + SPARE:
            best = _best(found, measure=measure, wanted=depth, relative=STAND_IN_TOLERANCE)
            rows, found = rows[best], found[best]
        if len(rows) > FORMULA_ROWS:
            return rows, found
    return rows, values(query.measure, query.vector, columns.vectors[rows], normalise=query.normalise)


def _stand_in(measure: Measure, query: ScoringQuery, documents: NDArray[np.float32], totals: Floats) -> Floats:
    found = np.empty(len(documents))
    q = prepared_query(measure, query.vector, normalise=query.normalise)
    with _threads_for(documents.size):
        measure.kernel(q, documents, totals, measure.disjoint or 0.0, found)
    return clamp(measure, found, normalise=query.normalise)


@contextmanager
def _threads_for(components: int) -> Iterator[None]:
    threads = get_num_threads()
    set_num_threads(1 if components <= ALONE else threads)
    try:
        yield
    finally:
        set_num_threads(threads)


def _best(
    found: NDArray[Any], *, measure: Measure, wanted: int, relative: float, size: float = 1.0, absolute: float = 0.0
) -> Rows:
    """Return where the `wanted` + SPARE best values are, and all that an error of the values may have put behind."""
    costs = found if measure.better is Better.LOW else -found
    # numpy's partition of the values is vectorised; argpartition is not and takes ten times as long.
    best = np.sort(np.partition(costs, wanted + SPARE)[: wanted + SPARE])
    last = float(best[wanted - 1])
    error = absolute + relative * max(abs(last), size, 1.0)
    return np.flatnonzero(costs <= max(float(best[-1]), last + 2 * error))


def _norms(vectors: NDArray[np.float32]) -> Floats:
    return np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))


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


def _ordered(columns: Columns, measure: Measure, rows: Rows, found: Floats) -> tuple[Rows, Floats]:
    """Return some rows and their values, best first, ties by id."""
    costs = found if measure.better is Better.LOW else -found
    # numpy's own sort is vectorised, five times as fast as one that knows of ids; few rankings have ties.
    order = np.argsort(costs)
    ordered = costs[order]
    if (ordered[1:] == ordered[:-1]).any():
        order = _with_ties(columns, rows, costs)
    return rows[order], found[order]


def _with_ties(columns: Columns, rows: Rows, costs: Floats) -> Rows:
    if len(rows) <= FORMULA_ROWS:
        ids = columns.ids
        by_id = np.array(sorted(range(len(rows)), key=lambda at: ids[rows[at]]), dtype=np.intp)
    else:
        by_id = np.argsort(columns.id_order()[rows])
    return by_id[np.argsort(costs[by_id], kind="stable")]
