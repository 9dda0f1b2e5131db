"""How many cores this process may use."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Return how many cores this process may use: those that it is bound to, or where nobody can say, all of them."""
    if hasattr(os, "sched_getaffinity"):  # macOS binds no process to cores
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
