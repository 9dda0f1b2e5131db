"""What SQLite and the file system report, as errors of pixkin: the one place where they are translated."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pixkin_proto.errors import (
    PixkinError,
    StoreDenied,
    StoreFormat,
    StoreFull,
    StoreLocked,
    StoreReadOnly,
    StoreUnavailable,
)

_FULL = {errno.ENOSPC, errno.EDQUOT}
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
_ALMOST_NOTHING = 1 << 20
_OF_DAMAGE = ("Could not decode", "no such table", "no such column", "unsupported file format")
"""What our own statements meet in a file whose texts or declarations have changed."""
_PRIMARY = 0xFF
"""SQLite's extended result codes keep the primary code in their lowest byte (sqlite.org/rescode.html)."""


@contextmanager
def sqlite_faults(path: Path) -> Iterator[None]:
    """Raise what SQLite reports about a file as StoreFull, StoreReadOnly, StoreFormat, StoreLocked or StoreUnavailable.

    What else it reports is a defect of pixkin and passes.
    """
    try:
        yield
    except UnicodeDecodeError as error:  # of a text, or of SQLite's own message about one
        raise _damaged(path, error) from error
    except sqlite3.Error as error:
        leaf = _of_sqlite(error, path)
        if leaf is None:
            raise
        raise leaf from error


@contextmanager
def file_faults(path: Path, *, reading: bool = False) -> Iterator[None]:
    """Raise what the file system reports about a path as StoreFull, StoreReadOnly or StoreUnavailable.

    reading: what is refused is reading, so that StoreDenied takes the place of StoreReadOnly.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _NO_LOCKS:
            raise _without_locks(path) from error
        if error.errno in _READ_ONLY and reading:
            raise _unreadable(path) from error
        if error.errno in _FULL:
            raise _full(path) from error
        if error.errno in _READ_ONLY:
            raise _read_only(path) from error
        raise StoreUnavailable(f"{path} cannot be used: {error.strerror}") from error


def _of_sqlite(error: sqlite3.Error, path: Path) -> PixkinError | None:
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _no_space(path)):
        return _full(path)
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}:
        return _read_only(path)
    if code in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
        return _damaged(path, error)
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StoreLocked(path.stem, "")
    if code in {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}:
        return _unusable(path, error)
    return _damaged(path, error) if any(words in str(error) for words in _OF_DAMAGE) else None


def _damaged(path: Path, error: Exception) -> StoreFormat:
    return StoreFormat(f"{path} is damaged or no collection of pixkin ({error}); put a copy back or move it away")


def _full(path: Path) -> StoreFull:
    return StoreFull(f"there is no space left to write {path}; free some and repeat: what was acknowledged is stored")


def _read_only(path: Path) -> StoreReadOnly:
    return StoreReadOnly(f"{path} may be read but not written; ask for write access or copy the store")


def _unreadable(path: Path) -> StoreDenied:
    return StoreDenied(f"this user may not read {path}; ask its owner for access, or run as the owner")


def _unusable(path: Path, error: sqlite3.Error) -> PixkinError:
    if path.exists() and not os.access(path, os.R_OK):
        return _unreadable(path)
    return StoreUnavailable(f"{path} cannot be read or written: {error}")


def _without_locks(path: Path) -> StoreUnavailable:
    return StoreUnavailable(
        f"the file system of {path} has no file locks, which writing needs, or its lock service does not answer; "
        "mount it with locks (NFS: without nolock), or keep the store on a local disk; reading works without locks"
    )


def _no_space(path: Path) -> bool:
    # A full tmpfs reports the growth of the shared memory beside the log as a plain I/O error.
    try:
        return shutil.disk_usage(path.parent).free < _ALMOST_NOTHING
    except OSError:
        return False
