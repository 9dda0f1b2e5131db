"""Errors that nobody foresaw: the log has all of it, the caller a number to find it by."""

from __future__ import annotations

import logging
import uuid

from pixkin_proto.errors import Internal, OutOfMemory, PixkinError
from pixkin_proto.kept import without_frames
from pixkin_proto.memory import lacks_memory

log = logging.getLogger("pixkin.server")


def known_error(error: Exception) -> PixkinError:
    """Return an error of ours; anything else is logged under a correlation id, which is all that is told.

    Either has lost its frames: it is kept as a value, and must not keep the memory of what failed.
    """
    if isinstance(error, PixkinError):
        return without_frames(error)
    if lacks_memory(error):
        without_frames(error)
        return OutOfMemory("this call")
    correlation = uuid.uuid4().hex[:12]
    log.error("internal error %s", correlation, exc_info=error)
    without_frames(error)
    return Internal(f"an internal error; the server's log has it under {correlation}", correlation=correlation)
