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
        StoreReadOnly, StoreFull, StoreUnavailable: the lock file cannot be made.
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
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        if _try_lock(descriptor, path):
            return descriptor
        pid = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise StoreLocked(collection, pid)
        time.sleep(min(POLL_SECONDS, remaining))


def _try_lock(descriptor: int, path: Path) -> bool:
    """Lock the file; False when another has it, or when `drop` deleted it between open and lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False


def _write_pid(descriptor: int) -> None:
    with contextlib.suppress(OSError):  # a full disk must not keep anyone from removing items
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
