"""One writer at a time: flock on a file beside the collection, for the length of one write call."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pixkin_proto.errors import StoreLocked

from pixkin_scoring.stores.embedded.faults import file_faults

POLL_SECONDS = 0.02


@contextmanager
def write_lock(path: Path, collection: str, deadline: float) -> Iterator[None]:
    """Hold the only right to write a collection, against other processes and other threads of this one.

    The lock belongs to the open file, so that it vanishes with its process. A lock file that stays behind means
    nothing.

    Args:
        path: the lock file; made when missing.
        collection: its name, for the message.
        deadline: time.monotonic() instant, in seconds, until which to wait.

    Raises:
        StoreLocked: another writer still holds it at the deadline; its PID is information only.
        StoreReadOnly, StoreFull, StoreUnavailable: the lock file cannot be made, or the file system has no locks.
    """
    descriptor = _acquire(path, collection, deadline)
    try:
        _write_pid(descriptor)
        yield
    finally:
        os.close(descriptor)


def _acquire(path: Path, collection: str, deadline: float) -> int:
    while True:
        with file_faults(path):
            descriptor, pid = _try_lock(path)
        if descriptor is not None:
            return descriptor
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise StoreLocked(collection, pid)
        time.sleep(min(POLL_SECONDS, remaining))


def _try_lock(path: Path) -> tuple[int | None, str]:
    """Lock the file; no descriptor, but a PID, when another has it, or `drop` deleted it between open and lock."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    locked = False
    try:
        _try_posix_lock(descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        locked = os.path.samestat(os.fstat(descriptor), path.stat())
    except (BlockingIOError, FileNotFoundError):
        pass
    finally:
        pid = "" if locked else os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
        if not locked:
            os.close(descriptor)
    return (descriptor if locked else None), pid


def _try_posix_lock(descriptor: int) -> None:
    """Raise OSError where the file system has no locks of the kind that SQLite takes.

    SQLite would take it for one whose locks are held, and wait. Before flock, which NFS makes of the same locks.
    """
    with contextlib.suppress(BlockingIOError):
        fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fcntl.lockf(descriptor, fcntl.LOCK_UN)


def _write_pid(descriptor: int) -> None:
    with contextlib.suppress(OSError):  # a full disk must not keep anyone from removing items
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
