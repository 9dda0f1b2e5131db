"""A picture's file and what is said about it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pixkin_proto.errors import InvalidArgument
from pixkin_scoring.items import Attribute

NOT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}


@dataclass(frozen=True)
class Picture:
    """A picture's file and what is said about it; None leaves labels or attributes as they are.

    first_labels: what an item gets that is new; one that is known keeps the labels that it has.
    """

    id: str
    path: Path
    labels: frozenset[str] | None = None
    attributes: Mapping[str, Attribute] | None = None
    first_labels: frozenset[str] = frozenset()


def single(file: Path, *, prefix: str = "") -> Picture:
    """Return one file as a picture; its id is its name. Raises InvalidArgument when it is not there or is no file."""
    try:
        mode = file.stat().st_mode
    except OSError as error:
        if error.errno in NOT_THERE and not os.path.islink(file):  # noqa: PTH114  # Path.is_symlink raises for long names
            raise InvalidArgument(f"there is no file or folder {file}") from None
        raise InvalidArgument(f"{file} cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(mode):
        raise InvalidArgument(f"{file} is a pipe or a device; name a file or folder")
    return Picture(prefixed(file.name, prefix), file.parent.resolve() / file.name)


def prefixed(item: str, prefix: str) -> str:
    """Return an id behind `prefix/`, or as it is when there is no prefix."""
    return f"{prefix.rstrip('/')}/{item}" if prefix else item


def inside(root: str) -> str:
    """Return the beginning of every path below a folder."""
    return f"{root.rstrip('/')}/"
