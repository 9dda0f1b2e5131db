"""Whom work is for. Who has left waits for nothing any more, and what has not begun for them never does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any


class Caller:
    """Somebody who waits for an answer, or has left."""

    def __init__(self) -> None:
        self._left = False
        self._awaited: Future[Any] | None = None
        self._lock = threading.Lock()

    @property
    def left(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self._left

    def leave(self) -> None:
        """Say that nobody waits any more; what is awaited now is cancelled, unless it has begun."""
        with self._lock:
            self._left = True
            awaited, self._awaited = self._awaited, None
        if awaited is not None:
            awaited.cancel()

    @contextmanager
    def awaiting(self, future: Future[Any]) -> Iterator[None]:
        """Have a future cancelled when the caller leaves within the block, or has left."""
        with self._lock:
            self._awaited = None if self._left else future
        if self._left:
            future.cancel()
        try:
            yield
        finally:
            with self._lock:
                self._awaited = None
            del future  # an error's traceback holds this frame


CALLER: ContextVar[Caller | None] = ContextVar("caller", default=None)
"""The caller that the current thread works for; none where the work is the process's own."""
