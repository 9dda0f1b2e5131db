"""Compares a collection with itself, its mapping with its declaration, and the cluster's scripts with pixkin's."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import PixkinError, StoreFormat, listed

from pixkin_scoring.items import Verification
from pixkin_scoring.stores.opensearch.answers import part, refresh
from pixkin_scoring.stores.opensearch.claims import claim_on
from pixkin_scoring.stores.opensearch.connection import Connection
from pixkin_scoring.stores.opensearch.documents import to_vector
from pixkin_scoring.stores.opensearch.index import Index
from pixkin_scoring.stores.opensearch.mapping import index_body, vector_field
from pixkin_scoring.stores.opensearch.reading import list_items, search_hits, stored_vectors
from pixkin_scoring.stores.opensearch.scripts import verify_scripts
from pixkin_scoring.stores.opensearch.statistics import counted
from pixkin_scoring.stores.opensearch.twins import read_twin
from pixkin_scoring.stores.opensearch.versions import other_versions, repair

NAMED = 5
PAGE = 1000
OWN = ("numbers.", "vectors.", "ann.")
"""Where fields come as they are needed; those of a descriptor that was removed stay until the index is built anew."""


def verify(connection: Connection, index: Index) -> Verification:
    """Return the number of items and what is wrong; a refresh that a load has left off is put back."""
    refresh(connection, index.name, math.inf)
    items, _ = counted(connection, index)
    return Verification(items, tuple(_problems(connection, index)))


def _problems(connection: Connection, index: Index) -> Iterator[str]:
    yield from repair(connection, index)
    name = index.collection
    if claim := claim_on(index):
        yield f"{name} is held by {claim}; if that was cut off, end its claim with: pixkin index unlock {name}"
    elif index.blocks:
        yield (
            f"{index.name} takes no writes: it has the block {listed(index.blocks)}; whoever set it lifts it, or what "
            f"was cut off and left it is ended with: pixkin index unlock {name}"
        )
    for other in other_versions(connection, index):
        if other.version > index.version:
            yield (
                f"{other.name} is not in use: a re-index was cut off, or a rollback has left it; delete it with: "
                f"pixkin index prune {name}"
            )
    yield from _mapping_problems(connection, index)
    yield from _twin_problems(connection, index)
    yield from verify_scripts(connection)
    yield from _document_problems(connection, index)


def _mapping_problems(connection: Connection, index: Index) -> Iterator[str]:
    reply = connection.ask("GET", f"/{index.name}/_mapping")
    mappings = _mappings(reply, index.name)
    if mappings.get("dynamic") != "strict":
        yield "the mapping was changed by hand: its `dynamic` is not strict any more, so that anything makes a field"
    found = dict(_leaves(mappings.get("properties", {})))
    wanted = dict(_leaves(index_body(index.schema)["mappings"]["properties"]))
    for field, kind in sorted(wanted.items()):
        if found.get(field) != kind:
            what = found.get(field, "missing")
            yield f"the mapping was changed by hand: {field} is {what} in place of {kind}; re-index"
    foreign = [name for name in found if name not in wanted and not name.startswith(OWN)]
    if foreign:
        yield f"the mapping was changed by hand: it has fields that pixkin does not know: {listed(foreign, most=NAMED)}"


def _twin_problems(connection: Connection, index: Index) -> Iterator[str]:
    for twin in index.schema.layout.twins:
        try:
            read_twin(connection, index, twin)
        except PixkinError as error:
            yield error.message


def _mappings(reply: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    about = reply.get(name)
    return part(about if isinstance(about, Mapping) else {}, "mappings", dict)


def _leaves(properties: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for name, about in properties.items():
        if "properties" in about:
            yield from _leaves(about["properties"], f"{path}{name}.")
        elif about.get("type") != "object":
            yield f"{path}{name}", str(about.get("type"))


def _document_problems(connection: Connection, index: Index) -> Iterator[str]:
    for descriptor in index.schema.descriptors:
        field = vector_field(descriptor.name)
        body = {
            "query": {"bool": {"must_not": [{"exists": {"field": field}}]}},
            "size": PAGE,
            "sort": [{"id": "asc"}],
            "_source": False,
        }
        without = [str(hit["_id"]) for hit in search_hits(connection, index, body)]
        if without:
            yield f"no vector of {descriptor.name} for: {listed(without, most=NAMED)}; remove it and add it again"
        stored = stored_vectors(connection, index, descriptor, block=PAGE)
        damaged = [item for item, text in stored if not _is_sound(text, descriptor)]
        if damaged:
            named = listed(damaged, most=NAMED)
            yield (
                f"a vector of {descriptor.name} has another length or is not finite for: {named}; remove it and add it "
                "again"
            )
    yield from _fact_problems(connection, index)


def _is_sound(text: str, descriptor: Descriptor) -> bool:
    try:
        return bool(np.isfinite(to_vector(text, descriptor)).all())
    except StoreFormat:
        return False


def _fact_problems(connection: Connection, index: Index) -> Iterator[str]:
    after = ""
    try:
        while page := list_items(connection, index, [], size=PAGE, after=after):
            after = page[-1].id
    except PixkinError as error:
        yield error.message
    without_id = search_hits(
        connection,
        index,
        {"query": {"bool": {"must_not": [{"exists": {"field": "id"}}]}}, "size": NAMED, "_source": False},
    )
    if without_id:
        named = listed([str(hit["_id"]) for hit in without_id])
        yield f"documents without an id were written by hand: {named}; delete them"
