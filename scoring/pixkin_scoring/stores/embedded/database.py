"""One SQLite file per collection: its tables, how it is made, opened, and used in transactions.

meta          generation, whether thumbnails are kept, a number that no other collection of the name has had, and the
              highest number of a descriptor when one was removed; which tables of vectors are computed of others
              checksum of what is declared; `upgraded`: up to this generation a file of format 1 may lack checksums
descriptors   declarations; `number` names the table of the vectors
items         facts; a row number is never used twice; `changed` is the generation that last wrote vectors or id
labels, attributes, thumbnails        of an item, deleted with it
vectors_N     little-endian float32 exactly as given, with sum and norm in float64
attachments   bytes kept with the collection
checksum      of an item with what belongs to it, of a vector, of an attachment: see `checksums.py`
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import StoreFormat, StoreUnavailable

from pixkin_scoring.stores.embedded.checksums import seal_collection
from pixkin_scoring.stores.embedded.faults import file_faults, sqlite_faults
from pixkin_scoring.stores.embedded.opening import (
    APPLICATION_ID,
    VERSION,
    Opened,
    may_be_read_alone,
    open_file,
    open_snapshot,
    stamp_of,
)

INCARNATION_BITS = 62  # SQLite's integers have 63 and a sign
PAGE_BYTES = 16_384  # a 512-dimensional vector takes 2 KB: pages of 4 KB would be half empty

SCHEMA = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE descriptors(
    number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, dim INTEGER NOT NULL, norm TEXT NOT NULL,
    non_negative INTEGER NOT NULL, default_measure TEXT NOT NULL, fingerprint TEXT NOT NULL);
CREATE TABLE items(
    row INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, source TEXT NOT NULL, root TEXT NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, sha256 BLOB NOT NULL, width INTEGER NOT NULL,
    height INTEGER NOT NULL, changed INTEGER NOT NULL, checksum INTEGER);
CREATE INDEX items_changed ON items(changed);
CREATE TABLE labels(
    row INTEGER NOT NULL REFERENCES items(row) ON DELETE CASCADE, label TEXT NOT NULL,
    PRIMARY KEY(row, label)) WITHOUT ROWID;
CREATE INDEX labels_label ON labels(label, row);
CREATE TABLE attributes(
    row INTEGER NOT NULL REFERENCES items(row) ON DELETE CASCADE, key TEXT NOT NULL, text TEXT, number REAL,
    PRIMARY KEY(row, key)) WITHOUT ROWID;
CREATE INDEX attributes_text ON attributes(key, text, row);
CREATE INDEX attributes_number ON attributes(key, number, row);
CREATE TABLE thumbnails(row INTEGER PRIMARY KEY REFERENCES items(row) ON DELETE CASCADE, jpeg BLOB NOT NULL);
CREATE TABLE attachments(key TEXT PRIMARY KEY, generation INTEGER NOT NULL, data BLOB NOT NULL, checksum INTEGER);
"""

NEXT_NUMBER = """
SELECT 1 + max(coalesce((SELECT max(number) FROM descriptors), 0),
               coalesce((SELECT value FROM meta WHERE key = 'removed'), 0)) AS number
"""


class Database:
    """One connection to a collection's file; several threads may use it, one transaction at a time.

    Raises StoreFormat when the file is no collection or a newer one, and what `sqlite_faults` says.
    """

    def __init__(self, path: Path, *, writing: bool = False) -> None:
        self.path = path
        self._writing = writing
        self._lock = threading.Lock()
        self._torn = False
        with sqlite_faults(path):
            self._opened: Opened | None = open_file(path, writing=writing)

    def is_current(self) -> bool:
        """Return whether everything that was read is right: a snapshot may have been written under a reader's eyes."""
        return not self._torn

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Give the connection inside a transaction: committed at the end, undone when anything is raised."""
        with self._lock, sqlite_faults(self.path), self._unchanged():
            connection = self._begun()
            try:
                before = connection.total_changes
                yield connection
                if connection.total_changes > before:
                    seal_collection(connection)
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the connection once nobody uses it."""
        with self._lock:
            if self._opened is not None:
                self._opened.connection.close()
            self._opened = None

    def _begun(self) -> sqlite3.Connection:
        """Begin a transaction on the file as it is now."""
        opened = self._opened
        if opened is None:
            raise StoreUnavailable(f"{self.path} was closed or replaced meanwhile; ask again")
        if opened.stamp not in (None, stamp_of(self.path)):
            opened = self._replaced(open_file(self.path, writing=False))
        try:
            _begin(opened.connection, writing=self._writing)
        except sqlite3.OperationalError as error:
            if self._writing or not may_be_read_alone(error):
                raise
            opened = self._replaced(open_snapshot(self.path))
            _begin(opened.connection, writing=False)
        return opened.connection

    def _replaced(self, opened: Opened) -> Opened:
        before, self._opened = self._opened, opened
        if before is not None:
            before.connection.close()
        return opened

    @contextmanager
    def _unchanged(self) -> Iterator[None]:
        """Raise StoreUnavailable for what was read of a snapshot that somebody wrote to meanwhile."""
        try:
            yield
        finally:
            if self._opened is not None and self._opened.stamp not in (None, stamp_of(self.path)):
                self._torn = True
                raise StoreUnavailable(f"{self.path} was written while it was read; ask again")


def create_file(path: Path, descriptors: list[Descriptor], *, thumbnails: bool) -> None:
    """Make an empty collection; its file appears complete or not at all."""
    draft = path.with_name(f".{path.name}.new")
    with file_faults(path):
        # A log that a crash left behind must not be taken for one of the new file.
        delete_file(path)
        delete_file(draft)
        try:
            _write_draft(draft, descriptors, thumbnails=thumbnails)
            draft.rename(path)
            sync(path.parent)
        finally:
            delete_file(draft)


def delete_file(path: Path) -> None:
    """Delete a collection's file first, so that it is gone at once, and then SQLite's files beside it."""
    for file in _files(path):
        file.unlink(missing_ok=True)


def file_bytes(path: Path) -> int:
    """Return the bytes on disk of a collection with SQLite's files beside it."""
    found = 0
    for file in _files(path):
        with contextlib.suppress(FileNotFoundError):  # the log goes with its last reader
            found += file.stat().st_size
    return found


def add_descriptor(connection: sqlite3.Connection, descriptor: Descriptor) -> str:
    """Declare a descriptor and make the table of its vectors; returns the table's name."""
    [(number,)] = connection.execute(NEXT_NUMBER)
    declaration = {"number": number, **asdict(descriptor), "norm": str(descriptor.norm)}
    connection.execute(
        f"INSERT INTO descriptors({', '.join(declaration)}) VALUES ({', '.join('?' * len(declaration))})",
        list(declaration.values()),
    )
    connection.execute(
        f"CREATE TABLE vectors_{number}(row INTEGER PRIMARY KEY REFERENCES items(row) ON DELETE CASCADE, "
        "vector BLOB NOT NULL, sum REAL NOT NULL, norm REAL NOT NULL, checksum INTEGER)"
    )
    return f"vectors_{number}"


def mark_derived(connection: sqlite3.Connection, table: str) -> None:
    """Note that the vectors of a table are computed of others."""
    connection.execute("INSERT INTO meta VALUES (?, 1)", [f"derived {table}"])


def derived_tables(connection: sqlite3.Connection) -> frozenset[str]:
    """Return the tables whose vectors are computed of others; pixkin 0.1.0 noted none."""
    marks = connection.execute("SELECT key FROM meta WHERE key LIKE 'derived %'")
    return frozenset(key.removeprefix("derived ") for (key,) in marks)


def forget_descriptor(connection: sqlite3.Connection, table: str, descriptor: Descriptor) -> None:
    """Delete a declaration and its table, whose name no other gets: a reader may have that one in memory."""
    connection.execute(f"INSERT OR REPLACE INTO meta SELECT 'removed', number - 1 FROM ({NEXT_NUMBER})")
    connection.execute("DELETE FROM meta WHERE key = ?", [f"derived {table}"])
    connection.execute("DELETE FROM descriptors WHERE name = ?", [descriptor.name])
    connection.execute(f"DROP TABLE {table}")


def generation(connection: sqlite3.Connection) -> int:
    """Return the number that every write raises."""
    return stated(connection, "generation")


def stated(connection: sqlite3.Connection, key: str) -> int:
    """Return what `meta` says under a key that every collection has. Raises StoreFormat where it lacks."""
    found = connection.execute("SELECT value FROM meta WHERE key = ?", [key]).fetchone()
    if found is None or not isinstance(found[0], int):
        raise StoreFormat(f"a collection's file is damaged: it states no {key}; put a copy back or move it away")
    return found[0]


def incarnation(connection: sqlite3.Connection) -> int:
    """Return the number that was drawn when the collection was made; 0 for one of pixkin 0.1.0."""
    found = connection.execute("SELECT value FROM meta WHERE key = 'incarnation'").fetchone()
    return int(found[0]) if found else 0


def raise_generation(connection: sqlite3.Connection) -> int:
    """Raise the generation, and return it."""
    connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'generation'")
    return generation(connection)


def _files(path: Path) -> list[Path]:
    return [path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm")]


def _write_draft(path: Path, descriptors: list[Descriptor], *, thumbnails: bool) -> None:
    path.touch(mode=0o600, exist_ok=False)  # thumbnails are pictures; SQLite makes its other files with the same mode
    with sqlite_faults(path), closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.executescript(f"BEGIN; {SCHEMA}")
        connection.execute(
            "INSERT INTO meta VALUES ('generation', 0), ('thumbnails', ?), ('incarnation', ?)",
            (thumbnails, secrets.randbits(INCARNATION_BITS)),
        )
        for descriptor in descriptors:
            add_descriptor(connection, descriptor)
        seal_collection(connection)
        connection.execute("COMMIT")
        # Last, because the rename takes the file without its log: everything must be in the file itself.
        connection.execute("PRAGMA journal_mode = WAL")


def _begin(connection: sqlite3.Connection, *, writing: bool) -> None:
    connection.execute("BEGIN IMMEDIATE" if writing else "BEGIN")
    generation(connection)  # a reader's view begins with what it first reads
    if writing and connection.execute("PRAGMA user_version").fetchone() == (1,):
        _upgrade(connection)


def _upgrade(connection: sqlite3.Connection) -> None:
    """Make a file of format 1 one of format 2, whose checksums come with what is written from now on."""
    tables = [f"vectors_{number}" for (number,) in connection.execute("SELECT number FROM descriptors")]
    for table in ("items", "attachments", *tables):
        connection.execute(f"ALTER TABLE {table} ADD COLUMN checksum INTEGER")
    connection.execute("INSERT INTO meta VALUES ('upgraded', ?)", [generation(connection)])
    connection.execute(f"PRAGMA user_version = {VERSION}")
    seal_collection(connection)


def sync(directory: Path) -> None:
    """Make what was named, renamed or deleted in a directory outlive a power cut, before it is acknowledged."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
