"""How a collection's file is opened: shared with other processes, or as it is at the moment where that cannot be done.

SQLite's readers and writers meet in shared memory beside the file and in POSIX locks on it. Who may not write in the
directory, has no space left in it, or reads on a network file system without locks, still reads: the file and its log
are opened without either, as a *snapshot*, which is right for as long as neither file changes.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from pixkin_proto.errors import PixkinError, StoreFormat

APPLICATION_ID = 0x70786B6E  # "pxkn", in the file's header where file(1) looks for it
VERSION = 2
"""What is written. Format 1, of 0.1.0, has no checksums: it is read as it is, and becomes 2 with the next write."""
BUSY_SECONDS = 5.0
READER_BUSY_SECONDS = 1.0  # readers wait for a recovery alone, and have a snapshot when it takes longer

_NOT_SHARED = {
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
}
_PRIMARY = 0xFF
Stamp = tuple[tuple[int, int, int, int] | None, ...]
"""What tells a change of the file or its log: device, inode, size, and time in nanoseconds; None for no file."""


@dataclass(frozen=True)
class Opened:
    """An open file. stamp: of a snapshot, None where the file is shared."""

    connection: sqlite3.Connection
    stamp: Stamp | None = None


def open_file(path: Path, *, writing: bool) -> Opened:
    """Open a collection's file, shared where that can be done; a writer needs that.

    Raises StoreFormat when it is not a collection or a newer one, and sqlite3.Error.
    """
    try:
        return Opened(_connect(path, "mode=rw", writing=writing))
    except sqlite3.OperationalError as error:
        if writing or not may_be_read_alone(error) or not path.exists():
            raise
        return open_snapshot(path)


def open_snapshot(path: Path) -> Opened:
    """Open a collection's file for reading, as it is now, without shared memory and locks."""
    stamp = stamp_of(path)
    log = stamp[1]
    # SQLite reads a log without shared memory only when it believes to be alone, and no log in an immutable file.
    how = "vfs=unix-none" if log is not None and log[2] else "immutable=1"
    return Opened(_connect(path, f"mode=ro&{how}", writing=False, alone=True), stamp)


def stamp_of(path: Path) -> Stamp:
    """Return what the file and its log look like from outside."""
    return _looks(path), _looks(path.with_name(path.name + "-wal"))


def may_be_read_alone(error: sqlite3.Error) -> bool:
    """Return whether a snapshot may succeed where sharing the file failed."""
    return (getattr(error, "sqlite_errorcode", 0) & _PRIMARY) in _NOT_SHARED


def _looks(file: Path) -> tuple[int, int, int, int] | None:
    try:
        stat = file.stat()
    except OSError:
        return None
    # Not the time of the last change of status: SQLite as root gives a log to the file's owner whenever it opens one.
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


def _connect(path: Path, how: str, *, writing: bool, alone: bool = False) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{how}",
        uri=True,
        isolation_level=None,
        timeout=BUSY_SECONDS if writing else READER_BUSY_SECONDS,
        check_same_thread=False,
    )
    try:
        if alone:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        _check_format(connection, path)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA query_only = {not writing:d}")
    except (sqlite3.Error, PixkinError):
        connection.close()
        raise
    return connection


def _check_format(connection: sqlite3.Connection, path: Path) -> None:
    [application] = connection.execute("PRAGMA application_id").fetchone()
    [version] = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID or version < 1:
        raise StoreFormat(f"{path} is not a collection of pixkin; move it out of the store")
    if version > VERSION:
        raise StoreFormat(
            f"{path} has format {version} and this pixkin reads format {VERSION}; "
            "upgrade it with: pip install --upgrade pixkin"
        )
