"""What the services use of gRPC's call context, for a call that came over HTTP."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from pixkin_proto.errors import InvalidArgument

from pixkin_server.timeouts import MAX_SECONDS

HEADER = "x-request-timeout"


class CallContext:
    """One call: how long its caller waits, and what is to be done when it ends."""

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds
        self._callbacks: list[Callable[[CallContext], Any]] = []

    def time_remaining(self) -> float | None:
        """Return the seconds that the caller still waits; None where it did not say."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def add_done_callback(self, callback: Callable[[CallContext], Any]) -> None:
        """Have a function called when the call has ended, or its caller has left."""
        self._callbacks.append(callback)

    def done(self) -> None:
        """Say that the call has ended."""
        for callback in self._callbacks:
            callback(self)


def seconds_asked(header: str | None) -> float | None:
    """Return the seconds of an X-Request-Timeout header, None where there is none. Raises InvalidArgument."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= MAX_SECONDS:
        raise InvalidArgument(f"X-Request-Timeout is seconds above 0 and up to {MAX_SECONDS:,.0f}, not {header[:40]!r}")
    return seconds
