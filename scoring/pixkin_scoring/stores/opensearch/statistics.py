"""Numbers of an index: its generation, its items and its bytes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pixkin_proto.errors import StoreUnavailable

from pixkin_scoring.stores.opensearch.answers import part
from pixkin_scoring.stores.opensearch.connection import Connection
from pixkin_scoring.stores.opensearch.faults import check_search
from pixkin_scoring.stores.opensearch.index import Index, closed
from pixkin_scoring.stores.opensearch.mapping import attachments_index
from pixkin_scoring.stores.opensearch.reading import HAS_ID

MAX_ROOTS = 1000


@dataclass(frozen=True)
class Measured:
    """Numbers of a collection.

    generation: raised by every write · vector_generation: by every write of items · bytes: what it takes on all nodes.
    """

    generation: int
    vector_generation: int
    bytes: int


def measured(connection: Connection, index: Index, *, deadline: float = math.inf) -> Measured:
    """Return the generations and the bytes of a collection.

    Every write of a document, by whomever, takes the next sequence number of its shard, so that their sum never stays.
    """
    if index.closed:
        raise closed(index)
    names = f"{index.name},{attachments_index(index.collection)}"
    params = {"level": "shards", "ignore_unavailable": "true", "expand_wildcards": "open,hidden"}
    reply = connection.ask("GET", f"/{names}/_stats/store", params=params, deadline=deadline)
    indices = part(reply, "indices", dict)
    # Of a shard that is not open the answer says nothing, and the sum would be too small.
    own = _written({index.name: indices.get(index.name, {})})
    opened = len(own)
    if opened < int(index.settings["number_of_shards"]):
        raise StoreUnavailable(f"only {opened} of {index.settings['number_of_shards']} shards of {index.name} are open")
    size = sum(part(about, "total.store.size_in_bytes", int) for about in indices.values())
    return Measured(index.schema.base + sum(_written(indices)), index.schema.base + sum(own), size)


def counted(connection: Connection, index: Index, *, deadline: float = math.inf) -> tuple[int, tuple[str, ...]]:
    """Return the number of items and the folders that they came from."""
    body = {
        "size": 0,
        "query": HAS_ID,
        "track_total_hits": True,
        "aggs": {"roots": {"terms": {"field": "root", "size": MAX_ROOTS, "order": {"_key": "asc"}}}},
    }
    reply = connection.ask("POST", f"/{index.name}/_search", body=body, deadline=deadline)
    check_search(reply, allow_partial=False)
    roots = [bucket["key"] for bucket in part(reply, "aggregations.roots.buckets", list)]
    return part(reply, "hits.total.value", int), tuple(root for root in roots if root)


def _written(indices: Mapping[str, Any]) -> list[int]:
    """Return how many writes each open shard has had."""
    return [part(shard, "seq_no.max_seq_no", int) + 1 for shard in _primaries(indices)]


def _primaries(indices: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for about in indices.values():
        for copies in about.get("shards", {}).values():
            yield from (copy for copy in copies if part(copy, "routing.primary", bool))
