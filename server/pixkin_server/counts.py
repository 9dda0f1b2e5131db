"""How many parts a call may have. A message holds a million, so they are counted before any of them is read."""

from __future__ import annotations

from collections.abc import Sized

from pixkin_proto.errors import InvalidArgument

MAX_EXAMPLES = 100
"""Of one search: they are averaged in the one scoring thread."""
MAX_SEARCHES = 1000
"""Of one batch: they run one after the other, and their replies are one message."""
MAX_ENTRIES = 10_000
"""Of one call that changes, removes or looks up items: it holds its collection until all are done."""
MAX_DESCRIPTORS = 100
"""Of one collection, and of one reply: each is a table and a matrix."""


def check_count(whole: str, part: str, entries: Sized, most: int, advice: str = "") -> None:
    """Raise InvalidArgument for too many entries, such as: a search has at most 100 examples, this one has 101."""
    if len(entries) > most:
        todo = f"; {advice}" if advice else ""
        raise InvalidArgument(f"{whole} has at most {most:,} {part}, this one has {len(entries):,}{todo}")
