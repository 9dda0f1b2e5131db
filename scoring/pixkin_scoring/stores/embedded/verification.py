"""Reads a whole collection and compares it with itself and its checksums."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import PixkinError, StoreFormat, listed

from pixkin_scoring.items import Verification
from pixkin_scoring.stores.embedded.checksums import of_collection, of_items, of_values
from pixkin_scoring.stores.embedded.database import Database
from pixkin_scoring.stores.embedded.reading import IN_JSON, as_json, blocks, tables, vector_block
from pixkin_scoring.stores.embedded.writing import sums_and_norms

TOLERANCE = 1e-12
"""Of the sum of magnitudes: float64 additions in another order differ by less, a flipped bit of a float32 by more."""
NAMED = 5
ITEMS_AT_ONCE = 256
WITHOUT_CHECKSUMS = 1
"""The last format without checksums."""
StoredVector = tuple[int, bytes, float, float]


def verify(database: Database) -> Verification:
    """Return the number of items, and what is wrong with the file, its contents or the tables between them."""
    problems: list[str] = []
    items = 0
    try:
        with database.transaction() as connection:
            connection.text_factory = _readable
            problems += _of_the_file(connection)
            [(items,)] = connection.execute("SELECT count(*) FROM items")
            problems += _problems(connection)
    except StoreFormat as error:
        problems.append(error.message)
    except PixkinError:
        raise
    except Exception as error:  # what the values of a damaged file provoke in code that takes them as they are
        problems.append(f"the file is damaged, so that reading it ended with: {type(error).__name__}: {error}")
    return Verification(items, tuple(problems))


def _readable(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def _of_the_file(connection: sqlite3.Connection) -> Iterator[str]:
    for (finding,) in connection.execute("PRAGMA integrity_check(20)"):
        if finding != "ok":
            yield f"the file is damaged: {finding}"
    for table in sorted({table for table, *_ in connection.execute("PRAGMA foreign_key_check")}):
        yield f"{table} has entries of items that are gone"


def _problems(connection: sqlite3.Connection) -> Iterator[str]:
    summed = connection.execute("PRAGMA user_version").fetchone()[0] > WITHOUT_CHECKSUMS
    if summed:
        yield from _of_declarations(connection)
        yield from _of_attachments(connection)
        changed = list(_changed_items(connection))
        yield from _named("facts, labels, attributes or thumbnail have changed since they were written", changed)
    for table, descriptor in tables(connection).items():
        for finding, ids in _findings(connection, table, descriptor, summed=summed):
            yield from _named(finding, ids)


def _named(finding: str, ids: list[str]) -> Iterator[str]:
    if ids:
        yield f"{finding} for: {listed(ids, most=NAMED)}; remove it and add it again"


def _of_declarations(connection: sqlite3.Connection) -> Iterator[str]:
    stored = connection.execute("SELECT value FROM meta WHERE key = 'checksum'").fetchone()
    if stored is None or stored[0] != of_collection(connection):
        yield "what the collection declares has changed since it was written: put a copy back, or build it anew"


def _changed_items(connection: sqlite3.Connection) -> Iterator[str]:
    cursor = connection.execute("SELECT row, id, checksum, changed FROM items")
    allowed = _without_checksum(connection)
    while block := cursor.fetchmany(ITEMS_AT_ONCE):
        right = of_items(connection, as_json(row for row, *_ in block))
        for row, item, checksum, changed in block:
            if checksum != right[row] and not (checksum is None and changed <= allowed):
                yield item


def _changed_vectors(connection: sqlite3.Connection, table: str, size: int) -> Iterator[str]:
    allowed = _without_checksum(connection)
    statement = (
        f"SELECT id, changed, {table}.checksum, row, vector, sum, norm FROM {table} LEFT JOIN items USING (row) "
        f"WHERE length(vector) = {size}"
    )
    for item, changed, checksum, *values in connection.execute(statement):
        if checksum != of_values(values) and not (checksum is None and changed is not None and changed <= allowed):
            yield item or f"row {values[0]}"


def _of_attachments(connection: sqlite3.Connection) -> Iterator[str]:
    allowed = _without_checksum(connection)
    for key, made, data, checksum in connection.execute("SELECT key, generation, data, checksum FROM attachments"):
        if checksum != of_values((key, made, data)) and not (checksum is None and made <= allowed):
            yield f"what is kept as {key} has changed since it was written; make it again"


def _without_checksum(connection: sqlite3.Connection) -> int:
    """The generation up to which a file of an older format may lack checksums; below 0 for one that never was."""
    found = connection.execute("SELECT value FROM meta WHERE key = 'upgraded'").fetchone()
    return -1 if found is None else int(found[0])


def _findings(
    connection: sqlite3.Connection, table: str, descriptor: Descriptor, *, summed: bool
) -> Iterator[tuple[str, list[str]]]:
    """Yield what may be wrong with the vectors of a descriptor, and the ids of which it holds."""
    name, size = descriptor.name, 4 * descriptor.dim
    yield f"no vector of {name}", _ids(connection, f"NOT IN (SELECT row FROM {table})")
    wrong = f"IN (SELECT row FROM {table} WHERE length(vector) <> {size})"
    yield f"a vector of {name} has a wrong length", _ids(connection, wrong)
    if summed:
        yield f"a vector of {name} has changed since it was written", list(_changed_vectors(connection, table, size))
    others = " AND checksum IS NULL" if summed else ""
    cursor = connection.execute(f"SELECT row, vector, sum, norm FROM {table} WHERE length(vector) = {size}{others}")
    rows = [row for block in blocks(cursor, descriptor) for row in _differing(block, descriptor)]
    yield (
        f"the sum and norm stored with a vector of {name} are not its own",
        _ids(connection, IN_JSON, [as_json(rows)]),
    )


def _differing(block: list[StoredVector], descriptor: Descriptor) -> list[int]:
    rows, blobs, sums, norms = zip(*block, strict=True)
    vectors = vector_block(blobs, descriptor)
    right_sums, right_norms = sums_and_norms(vectors)
    # Not `>`: a NaN differs from everything.
    allowed = TOLERANCE * np.abs(vectors).sum(axis=1, dtype=np.float64)
    same = (np.abs(right_sums - _floats(sums)) <= allowed) & (np.abs(right_norms - _floats(norms)) <= allowed)
    return [row for row, kept in zip(rows, same.tolist(), strict=True) if not kept]


def _floats(values: tuple[Any, ...]) -> NDArray[np.float64]:
    return np.array([value if isinstance(value, float) else np.nan for value in values], dtype=np.float64)


def _ids(connection: sqlite3.Connection, condition: str, parameters: Sequence[str] = ()) -> list[str]:
    return [item for (item,) in connection.execute(f"SELECT id FROM items WHERE row {condition}", parameters)]
