"""What is written to a collection's file, inside a transaction of the caller."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import InvalidArgument, PixkinError, UnknownItem, listed
from pixkin_proto.names import check_id

from pixkin_scoring.items import AddResult, Item, ItemUpdate
from pixkin_scoring.stores.checks import check_facts, check_item, check_root, id_taken, only_descriptor
from pixkin_scoring.stores.embedded.checksums import of_values, seal_items
from pixkin_scoring.stores.embedded.database import (
    add_descriptor,
    forget_descriptor,
    generation,
    mark_derived,
    raise_generation,
    stated,
)
from pixkin_scoring.stores.embedded.reading import IN_JSON, as_json, chunks, items, rows_of, table_of, tables
from pixkin_scoring.stores.keys import keys_of

Blocks = Iterable[tuple[list[str], NDArray[np.float32]]]
"""Ids and their vectors (n, d) float32, block by block."""

FIELDS = ("id", "source", "root", "size", "mtime_ns", "sha256", "width", "height", "changed")
INSERT = f"INSERT INTO items({', '.join(FIELDS)}) VALUES ({', '.join('?' * len(FIELDS))})"
UPDATE = f"UPDATE items SET {', '.join(f'{name} = ?' for name in FIELDS)} WHERE row = ?"


class Adding:
    """Adds items of one batch: what all of them need is read once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.written: list[int] = []
        self._tables = tables(connection)
        self._generation = generation(connection) + 1
        self._thumbnails = bool(stated(connection, "thumbnails"))

    def add(self, item: Item) -> AddResult:
        """Add or replace one item, or say why it is refused."""
        try:
            vectors = check_item(item, list(self._tables.values()))
            row = self._row(item)
        except PixkinError as error:
            return AddResult(item.id, "refused", error)
        new = _write_facts(self._connection, row, item, self._generation)
        self._write_thumbnail(new, item.thumbnail)
        for table, vector in zip(self._tables, vectors, strict=True):
            write_vectors(self._connection, table, [new], vector[None])
        self.written.append(new)
        return AddResult(item.id, "added" if row is None else "replaced")

    def _row(self, item: Item) -> int | None:
        known = self._connection.execute("SELECT row, root FROM items WHERE id = ?", [item.id]).fetchone()
        if known is None:
            return None
        row, root = known
        check_root(item, root)
        return int(row)

    def _write_thumbnail(self, row: int, jpeg: bytes) -> None:
        self._connection.execute("DELETE FROM thumbnails WHERE row = ?", [row])
        if jpeg and self._thumbnails:
            self._connection.execute("INSERT INTO thumbnails VALUES (?, ?)", [row, jpeg])


def add_items(connection: sqlite3.Connection, batch: Iterable[Item | AddResult]) -> list[AddResult]:
    """Add or replace items; results that came among them stay in their places."""
    adding = Adding(connection)
    results = [entry if isinstance(entry, AddResult) else adding.add(entry) for entry in batch]
    if adding.written:
        seal_items(connection, as_json(adding.written))
        raise_generation(connection)
    return results


def update_items(connection: sqlite3.Connection, name: str, updates: Iterable[ItemUpdate]) -> list[AddResult]:
    """Change items of collection `name`; returns what changed and what was refused."""
    results, written = [], []
    for update in updates:
        try:
            row = _update(connection, name, update)
            if row is not None:
                written.append(row)
                results.append(AddResult(update.id, "updated"))
        except PixkinError as error:
            results.append(AddResult(update.id, "refused", error))
    if written:
        seal_items(connection, as_json(written))
        raise_generation(connection)
    return results


def remove_items(connection: sqlite3.Connection, ids: Iterable[str]) -> list[str]:
    """Remove items with all that belongs to them; returns the ids that were there."""
    removed: list[str] = []
    for chunk in chunks(ids):
        rows = rows_of(connection, chunk)
        connection.execute(f"DELETE FROM items WHERE row {IN_JSON}", [as_json(rows.values())])
        removed += [name for name in dict.fromkeys(chunk) if name in rows]
    if removed:
        raise_generation(connection)
    return removed


def put_descriptor(
    connection: sqlite3.Connection,
    name: str,
    descriptor: Descriptor,
    blocks: Blocks,
    attachments: Mapping[str, bytes],
) -> None:
    """Declare a descriptor of collection `name`, write its vectors and put what it is computed by.

    Raises InvalidArgument when it is there already or an item is left out, UnknownItem, DimensionMismatch, NotFinite.
    """
    if descriptor.name in {known.name for known in tables(connection).values()}:
        raise InvalidArgument(f"{name} has a descriptor {descriptor.name} already; choose another name")
    _remove_attachments(connection, descriptor.name)
    table = add_descriptor(connection, descriptor)
    for ids, vectors in blocks:
        _put_block(connection, name, table, descriptor, ids, vectors)
    statement = f"SELECT id FROM items WHERE row NOT IN (SELECT row FROM {table})"
    left_out = [item for (item,) in connection.execute(statement)]
    if left_out:
        raise InvalidArgument(
            f"{len(left_out)} items got no vector for {descriptor.name}: {listed(left_out, most=5)}; "
            "give one for every item of the collection"
        )
    raise_generation(connection)
    if attachments:
        mark_derived(connection, table)
    put_attachments(connection, attachments)


def put_vectors(connection: sqlite3.Connection, name: str, descriptor: str, blocks: Blocks) -> None:
    """Replace vectors of a descriptor of collection `name`.

    Raises UnknownDescriptor, UnknownItem, DimensionMismatch, NotFinite, InvalidArgument.
    """
    table, declared = table_of(connection, descriptor)
    now = raise_generation(connection)
    for ids, vectors in blocks:
        _put_block(connection, name, table, declared, ids, vectors)
        rows = as_json(rows_of(connection, ids).values())
        connection.execute(f"UPDATE items SET changed = ? WHERE row {IN_JSON}", [now, rows])
        seal_items(connection, rows)


def put_attachments(connection: sqlite3.Connection, attachments: Mapping[str, bytes]) -> None:
    """Keep bytes with the collection by key, and the generation that this write makes."""
    for key, data in attachments.items():
        now = raise_generation(connection)
        values = (key, now, data)
        connection.execute("INSERT OR REPLACE INTO attachments VALUES (?, ?, ?, ?)", [*values, of_values(values)])


def remove_descriptor(connection: sqlite3.Connection, name: str, descriptor: str) -> None:
    """Remove a descriptor of collection `name` with its vectors and attachments.

    Raises UnknownDescriptor, and InvalidArgument for the only one.
    """
    table, declared = table_of(connection, descriptor)
    if len(tables(connection)) == 1:
        raise only_descriptor(name, declared.name)
    forget_descriptor(connection, table, declared)
    _remove_attachments(connection, declared.name)
    raise_generation(connection)


def write_vectors(
    connection: sqlite3.Connection, table: str, rows: Sequence[int], vectors: NDArray[np.float32]
) -> None:
    """Write vectors (n, d) float32 of n rows, with their sums and norms in float64, and a checksum over all four."""
    sums, norms = sums_and_norms(vectors)
    blobs = (vector.tobytes() for vector in vectors.astype("<f4", copy=False))
    stored = zip(rows, blobs, sums.tolist(), norms.tolist(), strict=True)
    connection.executemany(
        f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?, ?, ?)", ((*values, of_values(values)) for values in stored)
    )


def sums_and_norms(vectors: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sums and Euclidean norms, (n,) float64 each, of vectors (n, d) float32."""
    wide = vectors.astype(np.float64)
    return wide.sum(axis=1), np.sqrt(np.einsum("ij,ij->i", wide, wide))


def _remove_attachments(connection: sqlite3.Connection, descriptor: str) -> None:
    connection.execute(f"DELETE FROM attachments WHERE key {IN_JSON}", [as_json(keys_of(descriptor))])


def _put_block(
    connection: sqlite3.Connection,
    name: str,
    table: str,
    descriptor: Descriptor,
    ids: list[str],
    vectors: NDArray[np.float32],
) -> None:
    from pixkin_scoring.measures import check_vector  # compiles with numba, which other writes need not wait for

    if len(ids) != len(vectors):
        raise InvalidArgument(f"a block has {len(ids)} ids and {len(vectors)} vectors; give one vector for each id")
    known = rows_of(connection, ids)
    for item in ids:
        if item not in known:
            raise UnknownItem(name, item)
    if ids:
        checked = np.stack([check_vector(vector, descriptor) for vector in vectors])
        write_vectors(connection, table, [known[item] for item in ids], checked)


def _update(connection: sqlite3.Connection, name: str, update: ItemUpdate) -> int | None:
    """Change an item; returns its row, None when it stays as it is."""
    row = rows_of(connection, [update.id]).get(update.id)
    if row is None:
        raise UnknownItem(name, update.id)
    old = items(connection, "WHERE row = ?", [row])[row]
    new = update.applied_to(old)
    if new == old:
        return None
    check_facts(new)
    [(changed,)] = connection.execute("SELECT changed FROM items WHERE row = ?", [row])
    if new.id != old.id:
        _check_free(connection, new.id)
        changed = generation(connection) + 1
    return _write_facts(connection, row, new, changed)


def _check_free(connection: sqlite3.Connection, name: str) -> None:
    if rows_of(connection, [check_id(name)]):
        raise id_taken(name)


def _write_facts(connection: sqlite3.Connection, row: int | None, item: Item, changed: int) -> int:
    file = item.file
    facts = (
        *(item.id, item.source, item.root),
        *(file.size, file.mtime_ns, file.sha256, item.width, item.height),
        changed,
    )
    if row is None:
        row = connection.execute(INSERT, facts).lastrowid or 0
    else:
        connection.execute(UPDATE, (*facts, row))
        connection.execute("DELETE FROM labels WHERE row = ?", [row])
        connection.execute("DELETE FROM attributes WHERE row = ?", [row])
    connection.executemany("INSERT INTO labels VALUES (?, ?)", [(row, label) for label in item.labels])
    connection.executemany(
        "INSERT INTO attributes VALUES (?, ?, ?, ?)",
        [
            (row, key, value, None) if isinstance(value, str) else (row, key, None, float(value))
            for key, value in item.attributes.items()
        ],
    )
    return row
