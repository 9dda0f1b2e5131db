"""Reading a local picture's bytes."""

from __future__ import annotations

import os
from pathlib import Path

from pixkin_embedding.limits import Limits
from pixkin_proto.errors import InvalidImage


def read_picture(path: Path, limits: Limits) -> bytes:
    """Return the bytes of a file; raises InvalidImage when it cannot be read or is empty or too large."""
    try:
        with path.open("rb") as file:
            limits.check_bytes(os.fstat(file.fileno()).st_size)
            return file.read()
    except OSError as error:
        raise InvalidImage("corrupt", f"{path} cannot be read: {error.strerror}") from error
