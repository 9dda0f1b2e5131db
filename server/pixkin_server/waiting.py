"""Waiting for another thread, no longer than a caller waits."""

from __future__ import annotations

import math
import time
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

from pixkin_proto.errors import Deadline

from pixkin_server.callers import CALLER, Caller

T = TypeVar("T")


def wait(future: Future[T], deadline: float, stage: str) -> T:
    """Return a future's result. Raises what the work raised, and Deadline, also when the caller has left meanwhile.

    Work that has not begun by then never does.
    """
    caller = CALLER.get() or Caller()
    try:
        with caller.awaiting(future):
            result = future.result(None if math.isinf(deadline) else max(0.0, deadline - time.monotonic()))
    except (FutureTimeoutError, CancelledError):
        future.cancel()
        raise Deadline(stage) from None
    finally:
        del future  # an error's traceback holds this frame, which must not hold the future that holds the error
    if caller.left:
        raise Deadline(stage)
    return result
