"""The protocol `labels`: every labelled item is a query against all others; relevant is what shares a label with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pixkin_proto.errors import InvalidArgument

from pixkin_scoring.evaluation.metrics import average_precision, precision_at
from pixkin_scoring.results import SearchResult

PRECISION_AT = (1, 5, 10, 100)


@dataclass(frozen=True)
class Evaluation:
    """Figures of one protocol over one collection; per_query is the average precision by query, in its order."""

    protocol: str
    map: float
    measures: Mapping[str, float]
    per_query: Mapping[str, float]
    timings_ms: Mapping[str, float]
    left_out: int


def evaluate_labels(
    labels: Mapping[str, frozenset[str]],
    search: Callable[[str], tuple[SearchResult, float]],
    *,
    progress: Callable[[Iterable[str]], Iterable[str]] = lambda queries: queries,
) -> Evaluation:
    """Evaluate leave-one-out: each item that shares a label with another one is a query.

    labels: labels of every item by id · search: gives the full ranking for an item without the item itself, and the
    milliseconds that the caller waited for it. Items without a partner are counted in `left_out`. Raises
    InvalidArgument when no item has one.
    """
    members: dict[str, set[str]] = {}
    for item, names in labels.items():
        for name in names:
            members.setdefault(name, set()).add(item)
    partners = {item: set().union(*(members[name] for name in names)) - {item} for item, names in labels.items()}
    queries = [item for item in sorted(labels) if partners[item]]
    if not queries:
        raise InvalidArgument("no two items share a label; add them with --labels-from-folders or a manifest")
    rankings = {}
    waited = []
    for query in progress(queries):
        result, ms = search(query)
        waited.append(ms)
        rankings[query] = np.array([hit.id in partners[query] for hit in result.hits], dtype=bool)
    return _figures(rankings, {query: len(partners[query]) for query in queries}, waited, len(labels) - len(queries))


def _figures(
    rankings: Mapping[str, np.ndarray[tuple[int], np.dtype[np.bool_]]],
    totals: Mapping[str, int],
    waited: Sequence[float],
    left_out: int,
) -> Evaluation:
    per_query = {query: average_precision(relevant, totals[query]) for query, relevant in rankings.items()}
    mean = float(np.mean(list(per_query.values())))
    precision = {
        f"P@{k}": float(np.mean([precision_at(relevant, k) for relevant in rankings.values()])) for k in PRECISION_AT
    }
    p50, p95 = (float(np.percentile(waited, q)) for q in (50, 95))
    return Evaluation("labels", mean, {"mAP": mean, **precision}, per_query, {"p50": p50, "p95": p95}, left_out)
