"""Examples of what is wanted, and the one vector that a search makes of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor, Kind
from pixkin_proto.errors import InvalidArgument

from pixkin_scoring.measures import MEASURES, check_query
from pixkin_scoring.stores import Store


@dataclass(frozen=True)
class QueryVector:
    """One example of what is wanted, as vectors by full descriptor name or as the id of an item; weight may be < 0."""

    vectors: dict[str, NDArray[np.float32]] | None = None
    id: str = ""
    weight: float = 1.0


def query_vector(
    store: Store,
    collection: str,
    queries: Sequence[QueryVector],
    descriptor: Descriptor,
    measure: str,
    deadline: float = math.inf,
) -> NDArray[np.float64]:
    """Return the one vector (d,) float64 that is searched with.

    A single query is used as it is. Several are normalised (by their sum for mass measures, else to length 1) and
    averaged by weight; for mass measures bins below 0 are then cut.
    """
    if not queries:
        raise InvalidArgument("a search needs a query: a picture, an id or a vector")
    weights = np.array([query.weight for query in queries])
    if not np.isfinite(weights).all() or not weights.any():
        raise InvalidArgument(f"the weights of the queries are finite and not all 0; they came as {weights.tolist()}")
    weights = np.ldexp(weights, -int(np.frexp(np.abs(weights).max())[1]))  # exact, and no sum of them overflows
    vectors = [_vector_of(store, collection, query, descriptor, deadline) for query in queries]
    rows = [check_query(vector, descriptor, measure) for vector in vectors]
    if len(rows) == 1 and weights[0] > 0:
        return rows[0]
    if MEASURES[measure].kind is Kind.MASS:
        mean = np.maximum(sum(w * row / row.sum() for w, row in zip(weights, rows, strict=True)), 0)
    else:
        norms = [float(np.linalg.norm(row)) or 1.0 for row in rows]
        mean = sum(w * row / norm for w, row, norm in zip(weights, rows, norms, strict=True))
    return check_query(mean / np.abs(weights).sum(), descriptor, measure)


def _vector_of(
    store: Store, collection: str, query: QueryVector, descriptor: Descriptor, deadline: float
) -> NDArray[np.float32]:
    if query.vectors is None:
        return store.fetch(collection, descriptor.name, [query.id], deadline=deadline)[0]
    if descriptor.name not in query.vectors:
        raise InvalidArgument(f"the query has no vector for {descriptor.name}, which the plan compares")
    return query.vectors[descriptor.name]
