"""What is read from a collection's index, other than by a search for similar items."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import InvalidId, UnknownCollection
from pixkin_proto.names import check_id, resolve_descriptor

from pixkin_scoring.items import Item
from pixkin_scoring.stores.opensearch.answers import documents, part
from pixkin_scoring.stores.opensearch.connection import RETRY_SECONDS, Connection
from pixkin_scoring.stores.opensearch.documents import to_item, to_vector
from pixkin_scoring.stores.opensearch.faults import IndexMissing, check_search
from pixkin_scoring.stores.opensearch.index import Index
from pixkin_scoring.stores.opensearch.mapping import MAX_RESULT_WINDOW, vector_field

CHUNK = 1000
BLOCK_BYTES = 8 << 20  # of vectors in one answer
WITHOUT_VECTORS = ["vectors", "ann"]
HAS_ID = {"exists": {"field": "id"}}
"""What every item satisfies, and a document that was written by hand perhaps not."""
Clauses = list[dict[str, Any]]


@dataclass(frozen=True)
class Known:
    """A document by its id. seen: its sequence number and primary term."""

    source: dict[str, Any]
    seen: tuple[int, int]


def get_documents(
    connection: Connection,
    index: Index,
    ids: Iterable[str],
    *,
    includes: Sequence[str] = (),
    excludes: Sequence[str] = (),
    deadline: float = math.inf,
    retry_seconds: float = RETRY_SECONDS,
) -> dict[str, Known]:
    """Return the documents that are there by id, as they are now, with these parts of their source."""
    found: dict[str, Known] = {}
    params = {"_source_includes": ",".join(includes), "_source_excludes": ",".join(excludes)}
    params = {name: value for name, value in params.items() if value}
    for chunk in chunks(possible(ids), CHUNK):
        reply = connection.ask(
            "POST",
            f"/{index.name}/_mget",
            body={"ids": chunk},
            params=params,
            deadline=deadline,
            retry_seconds=retry_seconds,
        )
        for document in documents(reply, len(chunk)):
            if document["found"]:
                seen = (document["_seq_no"], document["_primary_term"])
                found[document["_id"]] = Known(document.get("_source", {}), seen)
    return found


def get_items(
    connection: Connection,
    index: Index,
    ids: Sequence[str],
    *,
    thumbnails: bool = False,
    vectors: bool = False,
    deadline: float = math.inf,
) -> dict[str, Item]:
    """Return the items that are there by id, in the order of ids."""
    lean = index.schema.layout.lean
    excludes = [*(() if thumbnails else ("thumbnail",)), *(("ann",) if vectors and not lean else WITHOUT_VECTORS)]
    known = get_documents(connection, index, ids, excludes=excludes, deadline=deadline)
    stored = {
        item: to_item(found.source, index.schema, thumbnail=thumbnails, vectors=vectors and not lean)
        for item, found in known.items()
    }
    if vectors and lean:
        stored = _with_vectors(connection, index, stored, deadline)
    return {item: stored[item] for item in ids if item in stored}


def list_items(
    connection: Connection, index: Index, clauses: Clauses, *, size: int, after: str, deadline: float = math.inf
) -> list[Item]:
    """Return at most `size` items that satisfy the clauses and whose id sorts after `after`, by id."""
    if size <= 0:
        return []
    body = _page(clauses, min(size, MAX_RESULT_WINDOW), check_id(after) if after else "")
    body["_source"] = {"excludes": [*WITHOUT_VECTORS, "thumbnail"]}
    return [to_item(hit["_source"], index.schema) for hit in search_hits(connection, index, body, deadline=deadline)]


def labels(
    connection: Connection, index: Index, ids: Sequence[str] | None, *, deadline: float = math.inf
) -> dict[str, frozenset[str]]:
    """Return the labels of the ids that are there, or of every item."""
    if ids is not None:
        known = get_documents(connection, index, ids, includes=["labels"], deadline=deadline)
        return {item: frozenset(found.source.get("labels", ())) for item, found in known.items()}
    return {
        hit["sort"][0]: frozenset(hit.get("fields", {}).get("labels", ()))
        for hit in _all_hits(connection, index, [], ["labels"], 10_000, deadline=deadline)
    }


def fetch(
    connection: Connection, index: Index, descriptor: Descriptor, ids: Sequence[str], *, deadline: float = math.inf
) -> dict[str, NDArray[np.float32]]:
    """Return the vectors (d,) float32 of the ids that are there and have one."""
    field = vector_field(descriptor.name)
    kept, key = field.split(".", 1)
    found: dict[str, NDArray[np.float32]] = {}
    for chunk in chunks(possible(ids), _rows(descriptor)):
        if index.schema.layout.lean:
            body = {**_page([{"terms": {"id": chunk}}], len(chunk), ""), "docvalue_fields": [field], "_source": False}
            texts = {
                hit["sort"][0]: (hit.get("fields", {}).get(field) or [None])[0]
                for hit in search_hits(connection, index, body, deadline=deadline)
            }
        else:
            known = get_documents(connection, index, chunk, includes=[field], deadline=deadline)
            texts = {item: document.source.get(kept, {}).get(key) for item, document in known.items()}
        found.update((item, to_vector(text, descriptor)) for item, text in texts.items() if text is not None)
    return found


def scan(
    connection: Connection, index: Index, descriptor: Descriptor, *, block: int, after: str
) -> Iterator[tuple[list[str], NDArray[np.float32]]]:
    """Yield (ids, vectors (n, d) float32) in blocks by id, of the items that have a vector."""
    stored = stored_vectors(connection, index, descriptor, block=block, after=after)
    rows = ((item, to_vector(text, descriptor)) for item, text in stored)
    while some := list(islice(rows, block)):
        yield [item for item, _ in some], np.stack([vector for _, vector in some])


def stored_vectors(
    connection: Connection, index: Index, descriptor: Descriptor, *, block: int, after: str = ""
) -> Iterator[tuple[str, str]]:
    """Yield the id of each item that has a vector, by id, and the vector as it is stored, sound or not."""
    field = vector_field(descriptor.name)
    size = min(block, _rows(descriptor))
    for hit in _all_hits(connection, index, [{"exists": {"field": field}}], [field], size, after=after):
        yield hit["sort"][0], hit["fields"][field][0]


def item_ids(connection: Connection, index: Index, *, deadline: float = math.inf) -> Iterator[str]:
    """Yield the ids of all items, sorted."""
    return (hit["sort"][0] for hit in _all_hits(connection, index, [], [], 10_000, deadline=deadline))


def search_hits(
    connection: Connection, index: Index, body: dict[str, Any], *, deadline: float = math.inf
) -> list[dict[str, Any]]:
    """Return the hits of one search that every shard answered."""
    try:
        reply = connection.ask("POST", f"/{index.name}/_search", body=body, deadline=deadline)
    except IndexMissing:
        raise UnknownCollection(index.collection, [], connection.url) from None
    check_search(reply, allow_partial=False)
    return part(reply, "hits.hits", list)


def descriptor_of(index: Index, name: str) -> Descriptor:
    """Return a descriptor by its full or short name. Raises UnknownDescriptor."""
    known = {descriptor.name: descriptor for descriptor in index.schema.descriptors}
    return known[resolve_descriptor(name, list(known))]


def possible(ids: Iterable[str]) -> list[str]:
    """Return the ids that an item can have, each once."""
    return [item for item in dict.fromkeys(ids) if _is_possible(item)]


def chunks(ids: Sequence[str], size: int) -> Iterator[list[str]]:
    """Split ids into lists of at most `size`."""
    for start in range(0, len(ids), size):
        yield list(ids[start : start + size])


def _is_possible(item: str) -> bool:
    try:
        check_id(item)
    except InvalidId:
        return False
    return True


def _with_vectors(connection: Connection, index: Index, items: dict[str, Item], deadline: float) -> dict[str, Item]:
    stored = {
        each.name: fetch(connection, index, each, list(items), deadline=deadline) for each in index.schema.descriptors
    }
    return {
        item: replace(found, vectors={name: some[item] for name, some in stored.items() if item in some})
        for item, found in items.items()
    }


def _all_hits(
    connection: Connection,
    index: Index,
    clauses: Clauses,
    fields: list[str],
    size: int,
    *,
    after: str = "",
    deadline: float = math.inf,
) -> Iterator[dict[str, Any]]:
    last = check_id(after) if after else ""
    while True:
        body = {**_page(clauses, size, last), "_source": False, "docvalue_fields": fields}
        hits = search_hits(connection, index, body, deadline=deadline)
        yield from hits
        if len(hits) < size:
            return
        last = hits[-1]["sort"][0]


def _page(clauses: Clauses, size: int, after: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "query": {"bool": {"filter": [HAS_ID, *clauses]}},
        "size": size,
        "sort": [{"id": "asc"}],
        "track_total_hits": False,
    }
    return body | ({"search_after": [after]} if after else {})


def _rows(descriptor: Descriptor) -> int:
    return max(1, min(CHUNK * 8, BLOCK_BYTES // (4 * descriptor.dim)))
