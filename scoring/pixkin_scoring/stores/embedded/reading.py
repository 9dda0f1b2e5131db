"""What is read from a collection's file: declarations, items, vectors, and the rows that a filter keeps."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor, Norm
from pixkin_proto.errors import StoreFormat
from pixkin_proto.names import resolve_descriptor

from pixkin_scoring.filters import LABEL, Condition, Filter
from pixkin_scoring.items import Attribute, FileFacts, Item, Vectors

CHUNK = 500
BLOCK_BYTES = 1 << 20  # of vectors; larger blocks are not read faster
FACTS = "row, id, source, root, size, mtime_ns, sha256, width, height"
IN_JSON = "IN (SELECT value FROM json_each(?))"
Part = tuple[str, list[str | float]]
"""A part of a statement, and its parameters."""


def tables(connection: sqlite3.Connection) -> dict[str, Descriptor]:
    """Return the declared descriptors by the table of their vectors, in the order of their declaration."""
    rows = connection.execute(
        "SELECT number, name, dim, norm, non_negative, default_measure, fingerprint FROM descriptors ORDER BY number"
    )
    try:
        return {
            f"vectors_{number}": Descriptor(name, dim, Norm(norm), bool(non_negative), measure, fingerprint)
            for number, name, dim, norm, non_negative, measure, fingerprint in rows
        }
    except ValueError as error:
        raise StoreFormat(f"a collection's file is damaged: {error}; put a copy back or move it away") from error


def table_of(connection: sqlite3.Connection, name: str) -> tuple[str, Descriptor]:
    """Return the table and declaration of a descriptor by its full or short name. Raises UnknownDescriptor."""
    known = {descriptor.name: (table, descriptor) for table, descriptor in tables(connection).items()}
    return known[resolve_descriptor(name, list(known))]


def items(
    connection: sqlite3.Connection,
    clause: str,
    parameters: Sequence[str | float],
    *,
    thumbnails: bool = False,
    vectors: bool = False,
) -> dict[int, Item]:
    """Return items by row, those and in the order that `clause` (WHERE … ORDER BY …) says."""
    facts = connection.execute(f"SELECT {FACTS} FROM items {clause}", parameters).fetchall()
    rows = as_json(fact[0] for fact in facts)
    labelled = _labels(connection, rows)
    attributes = _attributes(connection, rows)
    pictures = _thumbnails(connection, rows) if thumbnails else {}
    stored = _vectors(connection, rows) if vectors else {}
    return {
        row: Item(
            id=name,
            vectors=stored.get(row, {}),
            labels=frozenset(labelled.get(row, ())),
            attributes=attributes.get(row, {}),
            source=source,
            root=root,
            file=FileFacts(size, mtime_ns, sha256),
            width=width,
            height=height,
            thumbnail=pictures.get(row, b""),
        )
        for row, name, source, root, size, mtime_ns, sha256, width, height in facts
    }


def rows_of(connection: sqlite3.Connection, ids: Iterable[str]) -> dict[str, int]:
    """Return the rows of the ids that are there."""
    found: dict[str, int] = {}
    for chunk in chunks(ids):
        found.update(connection.execute(f"SELECT id, row FROM items WHERE id {IN_JSON}", [as_json(chunk)]))
    return found


def vector_block(blobs: Sequence[bytes], descriptor: Descriptor) -> NDArray[np.float32]:
    """Return vectors (n, d) float32, read-only, from their stored bytes. Raises StoreFormat."""
    joined = b"".join(blobs)
    if len(joined) != len(blobs) * descriptor.dim * 4:
        raise StoreFormat(f"stored vectors of {descriptor.name} have a wrong length; see: pixkin index verify")
    return np.frombuffer(joined, dtype="<f4").astype(np.float32, copy=False).reshape(len(blobs), descriptor.dim)


def blocks(cursor: sqlite3.Cursor, descriptor: Descriptor) -> Iterator[list[Any]]:
    """Split rows that have a vector each into lists of about BLOCK_BYTES."""
    size = max(1, BLOCK_BYTES // (4 * descriptor.dim))
    while block := cursor.fetchmany(size):
        yield block


def where(filters: Filter) -> Part:
    """Return an SQL expression on `items` that holds for the items which satisfy all conditions."""
    clauses, parameters = ["TRUE"], []
    for condition in filters:
        clause, values = _labelled(condition) if condition.key == LABEL else _attributed(condition)
        clauses.append(f"items.row IN ({clause})")
        parameters += values
    return " AND ".join(clauses), parameters


def matching_rows(connection: sqlite3.Connection, filters: Filter) -> list[int]:
    """Return the rows of the items that satisfy all conditions."""
    clause, parameters = where(filters)
    return [row for (row,) in connection.execute(f"SELECT row FROM items WHERE {clause}", parameters)]


def fetch(connection: sqlite3.Connection, name: str, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Return the vectors (d,) float32 of the ids that are there."""
    table, descriptor = table_of(connection, name)
    statement = f"SELECT id, vector FROM items JOIN {table} USING (row) WHERE id {IN_JSON}"
    found: dict[str, NDArray[np.float32]] = {}
    for chunk in chunks(ids):
        stored = dict(connection.execute(statement, [as_json(chunk)]))
        found.update(zip(stored, vector_block(list(stored.values()), descriptor), strict=True))
    return found


def block_after(
    connection: sqlite3.Connection, name: str, after: str, size: int
) -> tuple[list[str], NDArray[np.float32]]:
    """Return the first `size` ids after `after`, and their vectors (n, d) float32."""
    table, descriptor = table_of(connection, name)
    # CROSS JOIN keeps SQLite from walking the vectors first and sorting them.
    stored = connection.execute(
        f"SELECT id, vector FROM items CROSS JOIN {table} USING (row) WHERE id > ? ORDER BY id LIMIT ?", [after, size]
    ).fetchall()
    return [item for item, _ in stored], vector_block([blob for _, blob in stored], descriptor)


def labels(connection: sqlite3.Connection, ids: Sequence[str] | None) -> dict[str, frozenset[str]]:
    """Return the labels of the ids that are there, or of every item."""
    clause = "" if ids is None else f"WHERE id {IN_JSON}"
    parameters = [] if ids is None else [as_json(ids)]
    found: dict[str, set[str]] = defaultdict(set)
    statement = f"SELECT id, label FROM items LEFT JOIN labels USING (row) {clause}"
    for item, label in connection.execute(statement, parameters):
        found[item].update(() if label is None else (label,))
    return {item: frozenset(some) for item, some in found.items()}


def as_json(values: Iterable[str] | Iterable[int]) -> str:
    """Return values for json_each, which takes any number of them as one parameter."""
    return json.dumps(list(values))


def chunks(ids: Iterable[str]) -> Iterator[list[str]]:
    """Split ids into lists of at most CHUNK."""
    chunk: list[str] = []
    for name in ids:
        chunk.append(name)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _labels(connection: sqlite3.Connection, rows: str) -> dict[int, list[str]]:
    found = defaultdict(list)
    for row, label in connection.execute(f"SELECT row, label FROM labels WHERE row {IN_JSON}", [rows]):
        found[row].append(label)
    return found


def _attributes(connection: sqlite3.Connection, rows: str) -> dict[int, dict[str, Attribute]]:
    found: dict[int, dict[str, Attribute]] = defaultdict(dict)
    statement = f"SELECT row, key, text, number FROM attributes WHERE row {IN_JSON}"
    for row, key, text, number in connection.execute(statement, [rows]):
        found[row][key] = number if text is None else text
    return found


def _thumbnails(connection: sqlite3.Connection, rows: str) -> dict[int, bytes]:
    return dict(connection.execute(f"SELECT row, jpeg FROM thumbnails WHERE row {IN_JSON}", [rows]))


def _vectors(connection: sqlite3.Connection, rows: str) -> dict[int, Vectors]:
    found: dict[int, dict[str, NDArray[np.float32]]] = defaultdict(dict)
    for table, descriptor in tables(connection).items():
        for row, blob in connection.execute(f"SELECT row, vector FROM {table} WHERE row {IN_JSON}", [rows]):
            found[row][descriptor.name] = vector_block([blob], descriptor)[0]
    return dict(found)


def _labelled(condition: Condition) -> Part:
    return f"SELECT row FROM labels WHERE label {IN_JSON}", [as_json(condition.texts)]


def _attributed(condition: Condition) -> Part:
    clause = f"SELECT row FROM attributes WHERE key = ? AND text {IN_JSON}"
    parameters: list[str | float] = [condition.key, as_json(condition.texts)]
    if condition.numbers:
        # A list of VALUES, because a chain of OR is limited to 1000.
        spans = ", ".join(["(?, ?)"] * len(condition.numbers))
        clause += (
            f" UNION SELECT row FROM attributes, (VALUES {spans}) AS span"
            " WHERE key = ? AND number BETWEEN span.column1 AND span.column2"
        )
        parameters += [*(end for span in condition.numbers for end in span), condition.key]
    return clause, parameters
