"""Adding a descriptor to every item of a collection."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import IO

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import InvalidArgument, UnknownItem, listed

from pixkin_scoring.stores.opensearch.bulk import Action, send
from pixkin_scoring.stores.opensearch.connection import Connection
from pixkin_scoring.stores.opensearch.documents import to_document, vector_values
from pixkin_scoring.stores.opensearch.faults import item_error
from pixkin_scoring.stores.opensearch.index import Index
from pixkin_scoring.stores.opensearch.mapping import vector_properties
from pixkin_scoring.stores.opensearch.reading import chunks, get_documents, get_items, item_ids
from pixkin_scoring.stores.opensearch.versions import declare

BATCH = 256
Blocks = Iterable[tuple[list[str], NDArray[np.float32]]]


def put_descriptor(
    connection: Connection, index: Index, descriptor: Descriptor, blocks: Blocks, *, deadline: float
) -> None:
    """Check the vectors of all items, write them, then declare the descriptor.

    The vectors wait in a temporary file, so that nothing is written before all of them have been seen; what an accident
    leaves behind is not declared, and the next try overwrites it. Raises InvalidArgument when the descriptor is there
    already or an item is left out, UnknownItem, DimensionMismatch, NotFinite.
    """
    if descriptor.name in {known.name for known in index.schema.descriptors}:
        raise InvalidArgument(f"{index.collection} has a descriptor {descriptor.name} already; choose another name")
    properties = vector_properties(descriptor, index.schema.layout)
    with tempfile.TemporaryFile() as file:
        rows = _spooled(connection, index, descriptor, blocks, file)
        left_out = [item for item in item_ids(connection, index) if item not in rows]
        if left_out:
            raise InvalidArgument(
                f"{len(left_out)} items got no vector for {descriptor.name}: {listed(left_out, most=5)}; "
                "give one for every item of the collection"
            )
        connection.ask("PUT", f"/{index.name}/_mapping", body={"properties": properties})
        for ids in chunks(list(rows), BATCH):
            _write(connection, index, descriptor, dict(_read(file, descriptor, ids, rows)), deadline)
    declare(connection, index, descriptor)


def _spooled(
    connection: Connection, index: Index, descriptor: Descriptor, blocks: Blocks, file: IO[bytes]
) -> dict[str, int]:
    """Write checked vectors to a file; returns the row of every id."""
    from pixkin_scoring.measures import check_vector  # compiles with numba, which other calls need not wait for

    rows: dict[str, int] = {}
    count = 0
    for ids, vectors in blocks:
        if len(ids) != len(vectors):
            raise InvalidArgument(f"a block has {len(ids)} ids and {len(vectors)} vectors; give one vector for each id")
        known = get_documents(connection, index, ids, includes=["id"])
        for item, vector in zip(ids, vectors, strict=True):
            if item not in known:
                raise UnknownItem(index.collection, item)
            file.write(check_vector(vector, descriptor).tobytes())
            rows[item] = count
            count += 1
    return rows


def _read(
    file: IO[bytes], descriptor: Descriptor, ids: list[str], rows: dict[str, int]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    for item in ids:
        file.seek(4 * descriptor.dim * rows[item])
        yield item, np.frombuffer(file.read(4 * descriptor.dim), dtype=np.float32)


def _write(
    connection: Connection,
    index: Index,
    descriptor: Descriptor,
    vectors: dict[str, NDArray[np.float32]],
    deadline: float,
) -> None:
    layout = index.schema.layout
    if layout.lean:
        schema = index.schema.with_descriptor(descriptor)
        stored = get_items(connection, index, list(vectors), thumbnails=True, vectors=True)
        actions = []
        for item, found in stored.items():
            whole = replace(found, vectors={**found.vectors, descriptor.name: vectors[item]})
            ordered = [whole.vectors[each.name] for each in schema.descriptors]
            actions.append(Action("index", item, to_document(whole, ordered, schema)))
    else:
        values = {item: vector_values(descriptor, vector, ann=layout.ann) for item, vector in vectors.items()}
        actions = [Action("update", item, {"doc": value}) for item, value in values.items()]
    for answer in send(connection, index.name, actions, deadline=deadline):
        if answer.error:
            raise item_error(answer.status, answer.error)
