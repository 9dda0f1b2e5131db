"""Files whose name never stands for a part of them."""

from __future__ import annotations

import os
from pathlib import Path

from pixkin_proto.errors import InvalidArgument


def write_whole(path: Path, content: bytes, *, otherwise: str) -> None:
    """Write a file and its folders; what was there stays until the new one is whole, and nothing is left of a failure.

    otherwise: what to do when it cannot be written, for the InvalidArgument that says so.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise InvalidArgument(f"{path} cannot be written: {error.strerror}; {otherwise}") from error
