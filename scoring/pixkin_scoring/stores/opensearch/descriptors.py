"""Adding a descriptor to every item of a collection, replacing vectors of one that is there, and removing one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import InvalidArgument, StoreUnavailable, UnknownItem, listed

from pixkin_scoring.items import Item
from pixkin_scoring.stores.checks import check_item, only_descriptor
from pixkin_scoring.stores.keys import keys_of
from pixkin_scoring.stores.opensearch import attachments as kept
from pixkin_scoring.stores.opensearch.answers import acknowledged, part
from pixkin_scoring.stores.opensearch.bulk import Action, Answer, patient, send
from pixkin_scoring.stores.opensearch.connection import Connection
from pixkin_scoring.stores.opensearch.documents import to_document, vector_values
from pixkin_scoring.stores.opensearch.faults import item_error
from pixkin_scoring.stores.opensearch.index import Index
from pixkin_scoring.stores.opensearch.mapping import vector_properties
from pixkin_scoring.stores.opensearch.reading import chunks, get_documents, get_items, item_ids
from pixkin_scoring.stores.opensearch.twins import spaces_of
from pixkin_scoring.stores.opensearch.versions import declare, other_versions, undeclare
from pixkin_scoring.stores.opensearch.writing import GONE, MAX_TRIES, known_documents

BATCH = 256
Blocks = Iterable[tuple[list[str], NDArray[np.float32]]]


def put_descriptor(
    connection: Connection,
    index: Index,
    descriptor: Descriptor,
    blocks: Blocks,
    attachments: Mapping[str, bytes],
    *,
    deadline: float,
) -> None:
    """Check the vectors of all items, write them and the attachments, then declare the descriptor.

    The vectors wait in a temporary file, so that nothing is written before all of them have been seen; what an accident
    leaves behind is not declared, and the next try overwrites it. Raises InvalidArgument when the descriptor is there
    already or an item is left out, UnknownItem, DimensionMismatch, NotFinite.
    """
    if descriptor.name in {known.name for known in index.schema.descriptors}:
        raise InvalidArgument(f"{index.collection} has a descriptor {descriptor.name} already; choose another name")
    _check_other_versions(connection, index, descriptor.name, deadline)
    properties = vector_properties(descriptor, index.schema.layout)
    if "ann" in properties:
        _check_neighbours(connection, index, descriptor.name, properties["ann"]["properties"], deadline)
    with tempfile.TemporaryFile() as file:
        rows = _spooled(connection, index, descriptor, blocks, file, deadline)
        left_out = [item for item in item_ids(connection, index, deadline=patient(deadline)) if item not in rows]
        if left_out:
            raise InvalidArgument(
                f"{len(left_out)} items got no vector for {descriptor.name}: {listed(left_out, most=5)}; "
                "give one for every item of the collection"
            )
        acknowledged(
            connection.ask(
                "PUT", f"/{index.name}/_mapping", body={"properties": properties}, deadline=patient(deadline)
            )
        )
        for ids in chunks(list(rows), BATCH):
            _write(connection, index, descriptor, dict(_read(file, descriptor, ids, rows)), deadline)

    def attach() -> None:
        left = [key for key in keys_of(descriptor.name) if key not in attachments]
        kept.remove(connection, index.collection, left, deadline=patient(deadline))
        _put_attachments(connection, index, attachments, deadline)

    declare(connection, index, descriptor, attach, derived=bool(attachments), deadline=patient(deadline))


def remove_descriptor(connection: Connection, index: Index, descriptor: Descriptor, *, deadline: float) -> None:
    """Take the declaration back, then delete what belongs to it; the vectors go when the index is built anew.

    Raises InvalidArgument for the only descriptor, and where an earlier version of the collection has it.
    """
    if len(index.schema.descriptors) == 1:
        raise only_descriptor(index.collection, descriptor.name)
    _check_other_versions(connection, index, descriptor.name, deadline)

    def detach() -> None:
        kept.remove(connection, index.collection, keys_of(descriptor.name), deadline=patient(deadline))

    undeclare(connection, index, descriptor.name, detach, deadline=patient(deadline))


def put_vectors(
    connection: Connection,
    index: Index,
    descriptor: Descriptor,
    blocks: Blocks,
    attachments: Mapping[str, bytes],
    *,
    deadline: float,
) -> None:
    """Check vectors of items, write them in the place of those of a declared descriptor, then put the attachments.

    Raises UnknownItem, DimensionMismatch, NotFinite, InvalidArgument.
    """
    with tempfile.TemporaryFile() as file:
        rows = _spooled(connection, index, descriptor, blocks, file, deadline)
        for ids in chunks(list(rows), BATCH):
            _write(connection, index, descriptor, dict(_read(file, descriptor, ids, rows)), deadline)
    _put_attachments(connection, index, attachments, deadline)


def _check_other_versions(connection: Connection, index: Index, descriptor: str, deadline: float) -> None:
    """Raise InvalidArgument where a rollback could bring the descriptor's vectors back beside other attachments."""
    have = [other.name for other in other_versions(connection, index, deadline=patient(deadline))
            if descriptor in {each.name for each in other.schema.descriptors}]  # fmt: skip
    if have:
        raise InvalidArgument(
            f"{listed(have)} has a descriptor {descriptor} too, and `index rollback` would bring that back; delete "
            f"what is not in use first: pixkin index prune {index.collection}"
        )


def _check_neighbours(
    connection: Connection, index: Index, descriptor: str, wanted: Mapping[str, Any], deadline: float
) -> None:
    """Raise InvalidArgument where an earlier descriptor of the name has left neighbours of other dimensions."""
    reply = connection.ask("GET", f"/{index.name}/_mapping", deadline=patient(deadline))
    fields = part(reply, f"{index.name}.mappings.properties", dict).get("ann", {}).get("properties", {})
    for key, field in wanted.items():
        if fields.get(key, field)["dimension"] != field["dimension"]:
            raise InvalidArgument(
                f"{index.name} keeps neighbours of {fields[key]['dimension']:,} dimensions of an earlier {descriptor}, "
                f"this one has {field['dimension']:,}; choose another name, or first: pixkin index reindex "
                f"{index.collection}"
            )


def _put_attachments(connection: Connection, index: Index, attachments: Mapping[str, bytes], deadline: float) -> None:
    for key, data in attachments.items():
        kept.put(connection, index, key, data, deadline=patient(deadline))


def _spooled(
    connection: Connection, index: Index, descriptor: Descriptor, blocks: Blocks, file: IO[bytes], deadline: float
) -> dict[str, int]:
    """Write checked vectors to a file; returns the row of every id."""
    from pixkin_scoring.measures import check_vector  # compiles with numba, which other calls need not wait for

    rows: dict[str, int] = {}
    count = 0
    for ids, vectors in blocks:
        if len(ids) != len(vectors):
            raise InvalidArgument(f"a block has {len(ids)} ids and {len(vectors)} vectors; give one vector for each id")
        known = get_documents(connection, index, ids, includes=["id"], deadline=patient(deadline))
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
    """Write vectors to the items that are there still."""
    layout = index.schema.layout
    if layout.lean:
        _write_lean(connection, index, descriptor, vectors, deadline)
        return
    space = spaces_of(connection, index, deadline=patient(deadline)).get(descriptor.name)
    values = {item: vector_values(descriptor, vector, ann=layout.ann, space=space) for item, vector in vectors.items()}
    actions = [Action("update", item, {"doc": value}) for item, value in values.items()]
    _check(send(connection, index.name, actions, deadline=deadline))


def _write_lean(
    connection: Connection,
    index: Index,
    descriptor: Descriptor,
    vectors: dict[str, NDArray[np.float32]],
    deadline: float,
) -> None:
    """Write the whole documents: an update by the cluster would lose the vectors that are not in the source."""
    there = descriptor in index.schema.descriptors
    schema = index.schema if there else index.schema.with_descriptor(descriptor)
    spaces = spaces_of(connection, index, deadline=patient(deadline))
    waiting = list(vectors)
    for _ in range(MAX_TRIES):
        known = known_documents(connection, index, waiting, deadline, includes=["id"], whole=True)
        actions = []
        for item, found in _stored(connection, index, known, deadline).items():
            whole = replace(found, vectors={**found.vectors, descriptor.name: vectors[item]})
            checked = check_item(whole, schema.descriptors)
            actions.append(Action("index", item, to_document(whole, checked, schema, spaces), known[item].seen))
        answers = send(connection, index.name, actions, deadline=deadline) if actions else []
        waiting = [action.id for action, answer in zip(actions, answers, strict=True) if answer.conflict]
        _check(answer for answer in answers if not answer.conflict)
        if not waiting:
            return
    raise StoreUnavailable(f"{listed(waiting)} of {index.collection} were changed by other writers; try again")


def _stored(connection: Connection, index: Index, ids: Iterable[str], deadline: float) -> dict[str, Item]:
    return get_items(connection, index, list(ids), thumbnails=True, vectors=True, deadline=patient(deadline))


def _check(answers: Iterable[Answer]) -> None:
    for answer in answers:
        if answer.error and answer.status != GONE:
            raise item_error(answer.status, answer.error)
