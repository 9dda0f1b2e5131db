"""Reading a local picture's bytes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from pixkin_embedding.limits import Limits
from pixkin_proto.errors import InvalidImage


def read_picture(path: Path, limits: Limits) -> bytes:
    """Return the bytes of a file, or of what comes through a pipe.

    Raises InvalidImage when it cannot be read or is empty or too large.
    """
    try:
        with path.open("rb") as file:
            return read_stream(file, limits)
    except OSError as error:
        raise InvalidImage("corrupt", f"{path} cannot be read: {error.strerror}") from error


def read_stream(file: BinaryIO, limits: Limits) -> bytes:
    """Return what is left of an open file; raises InvalidImage when it is empty or too large, and OSError."""
    limits.check_bytes(os.fstat(file.fileno()).st_size or 1)  # before it is read; a pipe says 0
    data = file.read(limits.max_bytes + 1)
    limits.check_bytes(len(data))
    return data
