"""A search goes out again with an expanded query: over the whole collection, or over the first candidates alone."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from pixkin_scoring.expansion import EXPANSIONS, expanded
from pixkin_scoring.geometry import unit_vectors
from pixkin_scoring.items import Candidates
from pixkin_scoring.measures import Better, find_measure
from pixkin_scoring.query import CandidateSearch, ScoringQuery
from pixkin_scoring.scan import values_of
from pixkin_scoring.stages import Stage


def answers_wanted(search: CandidateSearch, stage: Stage, own: frozenset[str]) -> CandidateSearch:
    """Return the search for what joins the query: its best answers without the query's own items.

    With a shortlist it is the candidates themselves, whose first are chosen from: the order of those needs no formula.
    """
    count, shortlist = int(stage.options["n"]), int(stage.options["shortlist"])
    if not shortlist:
        exclude = search.query.exclude | own
        return replace(search, query=replace(search.query, exclude=exclude), depth=count, vectors=count)
    joining, chosen = count + len(own), max(shortlist, search.vectors)
    return replace(search, depth=joining if search.depth <= chosen else search.depth, vectors=max(chosen, joining))


def asked_again(search: CandidateSearch, found: Candidates, stage: Stage, own: frozenset[str]) -> CandidateSearch:
    """Return the search with the expanded query; without an answer it is the same."""
    query = search.query
    if found.vectors is None or not len(found.vectors):
        return search
    count = int(stage.options["n"])
    known = zip(range(len(found.vectors)), found.ids, strict=False)
    first = list(islice((at for at, item in known if item not in own), count))
    weights = EXPANSIONS[stage.name].weights(_likeness(query, found.vectors[first]), stage.options)
    vector = expanded(query.vector, found.vectors[first], weights, query.measure, normalise=query.normalise)
    return replace(search, query=replace(query, vector=vector))


def _likeness(query: ScoringQuery, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the inner products of query and vectors (n, d) as unit vectors, 0 where negative, (n,)."""
    own = unit_vectors(query.vector[np.newaxis], query.measure)[0]
    return np.maximum(unit_vectors(vectors, query.measure) @ own, 0).astype(np.float64)


def chosen_again(search: CandidateSearch, found: Candidates, shortlist: int) -> Candidates:
    """Return candidates with the first ones ordered by the search's query; the others follow as they were.

    They have as many vectors as later stages look at.
    """
    if found.vectors is None:
        return found
    query, count = search.query, min(shortlist, len(found.vectors))
    again = values_of(query, found.vectors[:count])
    costs = again if find_measure(query.measure).better is Better.LOW else -again
    order = np.lexsort((np.array(found.ids[:count], dtype=object), costs))
    ids = [found.ids[at] for at in order.tolist()]
    first = [found.vectors[order[: search.vectors]], found.vectors[count : max(search.vectors, count)]]
    return replace(
        found,
        ids=ids + found.ids[count:],
        values=np.concatenate([again[order], found.values[count:]]),
        vectors=np.concatenate(first),
    )
