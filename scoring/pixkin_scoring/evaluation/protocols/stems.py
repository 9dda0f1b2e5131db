"""Numbers in the names of pictures."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from pixkin_proto.errors import InvalidArgument, listed


def numbers_in(ids: Iterable[str], pattern: re.Pattern[str], shape: str) -> list[int]:
    """Return the number in every id's last part without its suffix, ascending.

    pattern: of the whole part, with the number as its group · shape: the pattern for people. Raises InvalidArgument for
    ids of another shape, and when there is none.
    """
    matches = {item: pattern.fullmatch(PurePosixPath(item).stem) for item in ids}
    others = [item for item, match in matches.items() if match is None]
    if others or not matches:
        lack = f"has items of other names: {listed(others)}" if others else "is empty"
        raise InvalidArgument(f"the collection {lack}; the pictures are named {shape}")
    return sorted({int(match[1]) for match in matches.values() if match})
