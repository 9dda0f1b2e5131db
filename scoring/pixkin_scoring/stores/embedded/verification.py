"""Reads a whole collection and compares it with itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import StoreFormat, listed

from pixkin_scoring.items import Verification
from pixkin_scoring.stores.embedded.database import Database
from pixkin_scoring.stores.embedded.reading import IN_JSON, as_json, blocks, tables, vector_block
from pixkin_scoring.stores.embedded.writing import sums_and_norms

TOLERANCE = 1e-12
"""Of the sum of magnitudes: float64 additions in another order differ by less, a flipped bit of a float32 by more."""
NAMED = 5
StoredVector = tuple[int, bytes, float, float]


def verify(database: Database) -> Verification:
    """Return the number of items, and what is wrong with the file, the vectors or the tables between them."""
    try:
        with database.transaction() as connection:
            [(items,)] = connection.execute("SELECT count(*) FROM items")
            return Verification(items, tuple(_problems(connection)))
    except StoreFormat as error:
        return Verification(0, (error.message,))


def _problems(connection: sqlite3.Connection) -> Iterator[str]:
    for (finding,) in connection.execute("PRAGMA integrity_check(20)"):
        if finding != "ok":
            yield f"the file is damaged: {finding}"
    for table in sorted({table for table, *_ in connection.execute("PRAGMA foreign_key_check")}):
        yield f"{table} has entries of items that are gone"
    for table, descriptor in tables(connection).items():
        for finding, ids in _findings(connection, table, descriptor):
            if ids:
                yield f"{finding} for: {listed(ids, most=NAMED)}; remove it and add it again"


def _findings(connection: sqlite3.Connection, table: str, descriptor: Descriptor) -> Iterator[tuple[str, list[str]]]:
    """Yield what may be wrong with the vectors of a descriptor, and the ids of which it holds."""
    name, size = descriptor.name, 4 * descriptor.dim
    yield f"no vector of {name}", _ids(connection, f"NOT IN (SELECT row FROM {table})")
    wrong = f"IN (SELECT row FROM {table} WHERE length(vector) <> {size})"
    yield f"a vector of {name} has a wrong length", _ids(connection, wrong)
    cursor = connection.execute(f"SELECT row, vector, sum, norm FROM {table} WHERE length(vector) = {size}")
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


def _floats(values: tuple[float, ...]) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)


def _ids(connection: sqlite3.Connection, condition: str, parameters: Sequence[str] = ()) -> list[str]:
    return [item for (item,) in connection.execute(f"SELECT id FROM items WHERE row {condition}", parameters)]
