"""The search for candidates: a stored script gives every document its value, and the cluster sorts.

The sort is by the value in double precision, then by id; the query travels as a parameter. The `_search` of one query
and the `_msearch` of several carry the same body.
"""

from __future__ import annotations

import base64
import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.errors import Deadline, InvalidPlan, PixkinError, UnknownCollection
from pixkin_proto.kept import without_frames

from pixkin_scoring.items import Candidates
from pixkin_scoring.measures import Better, find_measure
from pixkin_scoring.painless import WORST, script_id
from pixkin_scoring.query import CandidateSearch
from pixkin_scoring.stores.opensearch.answers import part
from pixkin_scoring.stores.opensearch.connection import Connection
from pixkin_scoring.stores.opensearch.documents import as_line, to_vector
from pixkin_scoring.stores.opensearch.faults import IndexMissing, check_search, not_opensearch
from pixkin_scoring.stores.opensearch.filters import clauses_of
from pixkin_scoring.stores.opensearch.index import Index
from pixkin_scoring.stores.opensearch.mapping import MAX_RESULT_WINDOW, ann_field, vector_field
from pixkin_scoring.stores.opensearch.neighbours import neighbour
from pixkin_scoring.stores.opensearch.reading import descriptor_of
from pixkin_scoring.stores.opensearch.twins import spaces_of

MAX_NEIGHBOURS = 10_000
"""The most that the k-NN plugin looks for."""

Wanted = tuple[Index, CandidateSearch]


def find(connection: Connection, wanted: Sequence[Wanted], *, deadline: float) -> list[Candidates | PixkinError]:
    """Return the candidates of searches, or the error of each, in their order."""
    if len(wanted) != 1 and all(_pages(search)[0] >= search.reach for _, search in wanted):
        return _find_many(connection, wanted, deadline=deadline) if wanted else []
    return [_outcome(each, partial(_find_one, connection, each, deadline=deadline)) for each in wanted]


def _find_one(connection: Connection, wanted: Wanted, *, deadline: float) -> Candidates:
    """Return the candidates of one search, in a request a page."""
    index, search = wanted
    found: list[dict[str, Any]] = []
    for size in _pages(search):
        body = _body(connection, index, search, size, after=found[-1]["sort"] if found else None, deadline=deadline)
        reply = connection.ask("POST", f"/{index.collection}/_search", body=body, deadline=deadline)
        missing = check_search(reply, allow_partial=search.allow_partial)
        hits = reply["hits"]["hits"]  # there, as check_search found
        found += hits
        if len(hits) < size:
            break
    return _candidates(index, search, found, missing)


def _pages(search: CandidateSearch) -> list[int]:
    """Return how many hits to ask for at a time: those with vectors, and no more than a cluster gives at once."""
    first = [search.vectors] if 0 < search.vectors < search.reach else []
    left = search.reach - sum(first)
    whole, rest = divmod(left, MAX_RESULT_WINDOW)
    return [*first, *([MAX_RESULT_WINDOW] * whole), *([rest] if rest else [])]


def _find_many(connection: Connection, wanted: Sequence[Wanted], *, deadline: float) -> list[Candidates | PixkinError]:
    """Return the candidates of several searches, which travel in one request."""
    lines: list[bytes] = []
    places: list[int] = []
    outcomes: dict[int, Candidates | PixkinError] = {}
    for place, (index, search) in enumerate(wanted):
        try:
            body = as_line(_body(connection, index, search, search.reach, after=None, deadline=deadline))
        except PixkinError as error:
            outcomes[place] = without_frames(error)
            continue
        lines += [as_line({"index": index.collection}), body]
        places.append(place)
    try:
        reply = connection.ask("POST", "/_msearch", lines=lines, deadline=deadline) if lines else {"responses": []}
        replies = part(reply, "responses", list, length=len(places))
    except PixkinError as error:
        outcomes.update(dict.fromkeys(places, without_frames(error)))
        replies, places = [], []
    for place, each in zip(places, replies, strict=True):
        outcomes[place] = _outcome(wanted[place], partial(_read, each, *wanted[place]))
    return [outcomes[place] for place in range(len(wanted))]


def _read(reply: object, index: Index, search: CandidateSearch) -> Candidates:
    if not isinstance(reply, Mapping):
        raise not_opensearch()
    missing = check_search(reply, allow_partial=search.allow_partial)
    return _candidates(index, search, reply["hits"]["hits"], missing)


def _outcome(wanted: Wanted, step: Callable[[], Candidates]) -> Candidates | PixkinError:
    try:
        return step()
    except IndexMissing:
        return UnknownCollection(wanted[1].collection, [])
    except PixkinError as error:
        return without_frames(error)


def _candidates(index: Index, search: CandidateSearch, hits: Sequence[Mapping[str, Any]], missing: str) -> Candidates:
    # A document whose vector or id was damaged by hand has the worst value there is or no id, and is no candidate.
    sound = [hit for hit in hits if abs(hit["sort"][0]) < WORST and hit["sort"][1] is not None]
    labels = {hit["sort"][1]: frozenset(hit.get("fields", {}).get("labels", ())) for hit in sound}
    values = np.array([hit["sort"][0] for hit in sound], dtype=np.float64)
    vectors = _vectors(index, search, sound[: search.vectors]) if search.vectors else None
    return Candidates([hit["sort"][1] for hit in sound], values, labels, missing, vectors)


def _vectors(index: Index, search: CandidateSearch, hits: Sequence[Mapping[str, Any]]) -> NDArray[np.float32]:
    descriptor = descriptor_of(index, search.query.descriptor)
    field = vector_field(descriptor.name)
    rows = [to_vector(hit["fields"][field][0], descriptor) for hit in hits]
    return np.array(rows, np.float32).reshape(len(rows), descriptor.dim)


def _body(
    connection: Connection,
    index: Index,
    search: CandidateSearch,
    size: int,
    *,
    after: list[Any] | None,
    deadline: float,
) -> dict[str, Any]:
    query = search.query
    descriptor = descriptor_of(index, query.descriptor)
    order = "asc" if find_measure(query.measure).better is Better.LOW else "desc"
    field = vector_field(descriptor.name)
    params = {
        "field": field,
        "q": base64.b64encode(query.vector.astype("<f8").tobytes()).decode("ascii"),
        "normalise": query.normalise,
        "lenient": True,  # a document that was damaged by hand fails no search of pixkin
    }
    script = {"type": "number", "order": order, "script": {"id": script_id(query.measure, "value"), "params": params}}
    body: dict[str, Any] = {
        "query": _nearest(connection, index, search, deadline) if search.shortlist else {"bool": _kept(search, field)},
        "sort": [{"_script": script}, {"id": "asc"}],
        "size": size,
        "_source": False,
        "docvalue_fields": ["labels", *([field] if search.vectors and after is None else [])],
        "track_total_hits": False,
    }
    if not math.isinf(deadline):
        body["timeout"] = f"{_milliseconds(deadline)}ms"
    return body | ({"search_after": after} if after else {})


def _kept(search: CandidateSearch, field: str) -> dict[str, Any]:
    """Return the part of a bool query that keeps the items which are searched at all."""
    kept: dict[str, Any] = {"filter": [{"exists": {"field": field}}, *clauses_of(search.filters)]}
    if search.query.exclude:
        kept["must_not"] = [{"terms": {"id": sorted(search.query.exclude)}}]
    return kept


def _nearest(connection: Connection, index: Index, search: CandidateSearch, deadline: float) -> dict[str, Any]:
    """Return the query for the neighbours in the descriptor's approximate index."""
    descriptor = descriptor_of(index, search.query.descriptor)
    space = spaces_of(connection, index, deadline=deadline).get(descriptor.name)
    vector = neighbour(descriptor, search.query.vector, space)
    if not index.schema.layout.ann or vector is None:
        raise InvalidPlan(f"{index.collection} has no approximate neighbours of this query; use --candidates exact")
    found: dict[str, Any] = {"vector": vector, "k": min(search.shortlist, MAX_NEIGHBOURS)}
    if search.filters or search.query.exclude:
        found["filter"] = {"bool": _kept(search, vector_field(descriptor.name))}
    if index.schema.layout.ef_search is not None:
        found["method_parameters"] = {"ef_search": index.schema.layout.ef_search}
    return {"knn": {ann_field(descriptor.name): found}}


def _milliseconds(deadline: float) -> int:
    left = int((deadline - time.monotonic()) * 1000)
    if left <= 0:
        raise Deadline("candidates")
    return left
