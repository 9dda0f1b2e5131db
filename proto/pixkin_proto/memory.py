"""What memory that is missing looks like: each library says it in its own way, or ends the process."""

from __future__ import annotations

import errno
import importlib

from pixkin_proto.errors import OutOfMemory

LEAST_ADDRESS_SPACE = 768 * 2**20
"""With less, ONNX Runtime and numba may end the process without a word (measured: from 420 to 600 MB)."""
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


def check_address_space(library: str) -> None:
    """Raise OutOfMemory when this process may not have the address space that a native library wants to have."""
    try:
        resource = importlib.import_module("resource")
    except ImportError:  # not a POSIX system, which has no such limit
        return
    allowed, _ = resource.getrlimit(resource.RLIMIT_AS)
    if allowed != resource.RLIM_INFINITY and allowed < LEAST_ADDRESS_SPACE:
        raise OutOfMemory(f"{library}, which wants at least {LEAST_ADDRESS_SPACE >> 20} MiB of address space")
