"""From the candidates of each descriptor to one ranking, with what later stages compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor

from pixkin_scoring.fusion import FUSIONS
from pixkin_scoring.geometry import unit_vectors
from pixkin_scoring.items import Candidates
from pixkin_scoring.measures import scores, values
from pixkin_scoring.query import CandidateSearch
from pixkin_scoring.rerankers.reranker import Raw
from pixkin_scoring.stages import Stage
from pixkin_scoring.stores import Store

Floats32 = NDArray[np.float32]
Floats64 = NDArray[np.float64]


@dataclass(frozen=True)
class Ranked:
    """Candidates in their present order, best first.

    scores: (n,), at least 0, descending · values: (n,), the measure's own, or the score where several were fused ·
    query: (d,) and vectors: (m, d) of the first m, in the space of `geometry.unit_vectors`.
    """

    ids: list[str]
    scores: Floats64
    values: Floats64
    query: Floats32
    vectors: Floats32
    raw: Raw | None = None
    labels: Mapping[str, frozenset[str]] | None = None
    partial: str = ""


def ranked(search: CandidateSearch, descriptor: Descriptor, found: Candidates, vectors: int) -> Ranked:
    """Return the candidates of one descriptor, the first of them with their vectors."""
    first = None if found.vectors is None else found.vectors[:vectors]
    own, rows = _mapped(search, first)
    raw = None if first is None else Raw(descriptor, search.query.vector, first, search.query.measure)
    # What follows a shortlist has values of the query before it was expanded.
    descending = np.minimum.accumulate(scores(search.query.measure, found.values))
    return Ranked(found.ids, descending, found.values, own, rows, raw, found.labels, found.partial)


def fused(
    store: Store,
    searches: Sequence[CandidateSearch],
    found: Sequence[Candidates],
    weights: Sequence[float],
    stage: Stage,
    top: int,
    vectors: int,
    deadline: float,
) -> Ranked:
    """Return one ranking of several, of the union of their first `top` candidates, ties by id.

    An item that one descriptor did not propose is fetched and has its true value there; UnknownItem is raised for one
    that is there no more. Candidates behind follow by their best rank, so that more of them change nothing before. The
    vectors are those of the descriptors side by side, each times √weight, so that their inner product is the weighted
    mean.
    """
    firsts = [replace(each, ids=each.ids[:top], values=each.values[:top]) for each in found]
    ids = sorted({item for each in firsts for item in each.ids})
    by_descriptor = np.array(
        [_scores_of(store, *pair, ids, deadline) for pair in zip(searches, firsts, strict=True)]
    )  # fmt: skip
    scaled = np.ldexp(weights, -int(np.frexp(max(weights))[1]))  # exact, and their sum does not overflow
    shares = scaled / sum(scaled)
    total = FUSIONS[stage.name].fuse(by_descriptor, shares, stage.options) if ids else np.empty(0)
    order = np.argsort(-total, kind="stable")
    ranks = _ranks_behind(found, top, frozenset(ids))
    ranking = [ids[at] for at in order] + list(ranks)
    scored = np.concatenate([total[order], top / np.array([*ranks.values()], np.float64) * total.min(initial=1)])
    first = ranking[:vectors]
    pairs = [
        _mapped(search, _vectors_of(store, search, each, first, deadline) if first else None)
        for search, each in zip(searches, found, strict=True)
    ]
    roots = np.sqrt(shares).astype(np.float32)
    labels = (
        None
        if any(each.labels is None for each in found)
        else {k: v for each in found for k, v in (each.labels or {}).items()}
    )
    return Ranked(
        ids=ranking,
        scores=scored,
        values=scored,
        query=np.concatenate([root * own for root, (own, _) in zip(roots, pairs, strict=True)]),
        vectors=np.concatenate([root * rows for root, (_, rows) in zip(roots, pairs, strict=True)], axis=1),
        labels=labels,
        partial="; ".join(dict.fromkeys(each.partial for each in found if each.partial)),
    )


def without(found: Candidates, item: str) -> Candidates:
    """Return candidates without one of them."""
    if item not in found.ids:
        return found
    at = found.ids.index(item)
    rows = found.vectors
    return replace(
        found,
        ids=found.ids[:at] + found.ids[at + 1 :],
        values=np.delete(found.values, at),
        vectors=rows if rows is None or at >= len(rows) else np.delete(rows, at, axis=0),
    )


def _ranks_behind(found: Sequence[Candidates], top: int, before: frozenset[str]) -> dict[str, int]:
    """Return the candidates behind the first `top` of each descriptor by their best rank, in its order, ties by id."""
    ranks: dict[str, int] = {}
    for each in found:
        for rank, item in enumerate(each.ids[top:], top + 1):
            if item not in before:
                ranks[item] = min(rank, ranks.get(item, rank))
    return dict(sorted(ranks.items(), key=lambda each: (each[1], each[0])))


def _mapped(search: CandidateSearch, vectors: Floats32 | None) -> tuple[Floats32, Floats32]:
    own = unit_vectors(search.query.vector[np.newaxis], search.query.measure)[0]
    if vectors is None:
        return own, np.empty((0, len(own)), np.float32)
    return own, unit_vectors(vectors, search.query.measure)


def _scores_of(
    store: Store, search: CandidateSearch, found: Candidates, ids: Sequence[str], deadline: float
) -> Floats64:
    known = dict(zip(found.ids, found.values, strict=True))
    missing = [item for item in ids if item not in known]
    if missing:
        query = search.query
        rows = store.fetch(search.collection, query.descriptor, missing, deadline=deadline)
        known.update(zip(missing, values(query.measure, query.vector, rows, normalise=query.normalise), strict=True))
    return scores(search.query.measure, np.array([known[item] for item in ids]))


def _vectors_of(
    store: Store, search: CandidateSearch, found: Candidates, ids: Sequence[str], deadline: float
) -> Floats32:
    rows = found.vectors if found.vectors is not None else ()
    known = dict(zip(found.ids, rows, strict=False))
    missing = [item for item in ids if item not in known]
    if missing:
        fetched = store.fetch(search.collection, search.query.descriptor, missing, deadline=deadline)
        known.update(zip(missing, fetched, strict=True))
    return np.array([known[item] for item in ids], np.float32)
