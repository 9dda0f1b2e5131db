"""Checksums of what a collection's file holds, kept beside it: CRC-32, so that any few flipped bits show.

Of an item with its labels, attributes and thumbnail; of a vector with its sum and norm; of an attachment; and of the
declarations. A checksum covers row number and types too, and is computed from what SQLite gives back.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from zlib import crc32

_OF_ITEMS = (
    "SELECT row, id, source, root, size, mtime_ns, sha256, width, height, changed FROM items WHERE row {those}",
    "SELECT row, label FROM labels WHERE row {those} ORDER BY row, label",
    "SELECT row, key, text, number FROM attributes WHERE row {those} ORDER BY row, key",
    "SELECT row, jpeg FROM thumbnails WHERE row {those}",
)
_OF_COLLECTION = (
    "SELECT key, value FROM meta WHERE key <> 'checksum' ORDER BY key",
    "SELECT * FROM descriptors ORDER BY number",
    "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name",
    "SELECT name, seq FROM sqlite_sequence ORDER BY name",
)
THOSE = "IN (SELECT value FROM json_each(?))"


def of_items(connection: sqlite3.Connection, rows: str) -> dict[int, int]:
    """Return the checksums of items by row; rows: their numbers, as JSON."""
    found: dict[int, int] = {}
    with _types_kept(connection):
        for number, part in enumerate(_OF_ITEMS):
            for row, *values in connection.execute(part.format(those=THOSE), [rows]):
                found[row] = of_values((number, row, *values), found.get(row, 0))
    return found


def of_collection(connection: sqlite3.Connection) -> int:
    """Return the checksum of what is declared: tables, descriptors, generation, and whether thumbnails are kept."""
    found = 0
    with _types_kept(connection):
        for number, part in enumerate(_OF_COLLECTION):
            for values in connection.execute(part):
                found = of_values((number, *values), found)
    return found


def of_values(values: Iterable[Any], before: int = 0) -> int:
    """Return the checksum of values as SQLite gives them, text as str or bytearray; before: of what comes first."""
    found = before
    for part in _packed(values):
        found = crc32(part, found)
    return found


def seal_items(connection: sqlite3.Connection, rows: str) -> None:
    """Write the checksums of items that were written; rows: their numbers, as JSON."""
    found = [(checksum, row) for row, checksum in of_items(connection, rows).items()]
    connection.executemany("UPDATE items SET checksum = ? WHERE row = ?", found)


def seal_collection(connection: sqlite3.Connection) -> None:
    """Write the checksum of what is declared."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('checksum', ?)", [of_collection(connection)])


def _packed(values: Iterable[Any]) -> Iterator[bytes]:
    for value in values:
        match value:
            case None:
                yield b"n"
            case int():
                yield b"i%d;" % value
            case float():
                yield b"f" + struct.pack("<d", value)
            case bytes():
                yield b"b%d:" % len(value)
                yield value
            case _:
                text = value.encode() if isinstance(value, str) else bytes(value)
                yield b"t%d:" % len(text)
                yield text


@contextmanager
def _types_kept(connection: sqlite3.Connection) -> Iterator[None]:
    """Give text as bytearray, which tells it from blobs and needs not be UTF-8."""
    before, connection.text_factory = connection.text_factory, bytearray
    try:
        yield
    finally:
        connection.text_factory = before
