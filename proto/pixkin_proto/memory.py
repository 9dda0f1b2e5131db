"""What memory that is missing looks like: each library says it in its own way."""

from __future__ import annotations

import errno

_SIGNS = (
    "Cannot allocate memory",
    "cannot allocate memory",
    "Failed to allocate memory",
    "failed to map segment",
    "bad_alloc",
    "out of memory",
    "can't start new thread",
)


def lacks_memory(error: BaseException | None) -> bool:
    """Return whether an error, or one that it came from, means that the process could not have more memory."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
            return True
        if any(sign in str(error) for sign in _SIGNS):
            return True
        error = error.__cause__ or error.__context__
    return False
