"""Waiting for another thread, no longer than a caller waits."""

from __future__ import annotations

import math
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

from pixkin_proto.errors import Deadline

T = TypeVar("T")


def wait(future: Future[T], deadline: float, stage: str) -> T:
    """Return a future's result. Raises what the work raised, and Deadline; work that has not begun then never does."""
    try:
        return future.result(None if math.isinf(deadline) else max(0.0, deadline - time.monotonic()))
    except FutureTimeoutError:
        future.cancel()
        raise Deadline(stage) from None
    finally:
        del future  # an error's traceback holds this frame, which must not hold the future that holds the error
