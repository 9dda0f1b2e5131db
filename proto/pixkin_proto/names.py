"""The rules for names and ids, which every room applies."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pixkin_proto.errors import AmbiguousName, InvalidId, InvalidName, UnknownDescriptor

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
MAX_ID_BYTES = 512


def check_name(kind: str, name: str) -> str:
    """Return the name of a collection, extractor or descriptor; raise InvalidName when it breaks the rule."""
    if not NAME.fullmatch(name):
        raise InvalidName(
            f"{name!r} is no name of a {kind}; use 1 to 64 of a-z, 0-9, _ and -, beginning with a letter or a digit"
        )
    return name


def check_id(item: str) -> str:
    """Return an item's id; raise InvalidId unless it is 1 to 512 bytes of UTF-8 without control characters."""
    try:
        size = len(item.encode())
    except UnicodeEncodeError:
        raise InvalidId(f"the id {item!a} is not valid UTF-8; rename the file or folder") from None
    if not 1 <= size <= MAX_ID_BYTES:
        raise InvalidId(f"an id has 1 to {MAX_ID_BYTES} bytes, this one has {size}: {item[:40]!r}")
    if CONTROL.search(item):
        raise InvalidId(f"the id {item[:80]!r} has control characters; pass ids in a manifest")
    return item


def resolve_descriptor(name: str, known: Sequence[str]) -> str:
    """Return the full name that `name` stands for.

    A full name stands for itself, a short name for the only descriptor that ends in it, and an empty name for the only
    descriptor. Raises UnknownDescriptor where none fits and AmbiguousName where several do, listing the candidates.
    """
    if name in known:
        return name
    fitting = [full for full in known if not name or full.rpartition(".")[2] == name]
    if not fitting:
        raise UnknownDescriptor(name, known)
    if len(fitting) > 1:
        raise AmbiguousName("descriptor", name, fitting)
    return fitting[0]
