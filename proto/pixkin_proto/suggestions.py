"""Did you mean: the names that are nearest to one that is not there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST = 200
"""Of a name that is compared: the time grows with the square, and a caller may send a megabyte."""
LIKENESS = 0.6


def nearest(name: str, known: Iterable[str], *, most: int = 3, likeness: float = LIKENESS) -> list[str]:
    """Return the known names that are most like a name, the nearest first; case does not count.

    A name of parts, such as hsv-histogram.histogram, is also known by its last one. likeness: from 0 to 1, of difflib.
    """
    if not name or len(name) > LONGEST:
        return []
    names = list(known)
    by_text = {each.rpartition(".")[2].lower(): each for each in names} | {each.lower(): each for each in names}
    found = difflib.get_close_matches(name.lower(), by_text, n=most, cutoff=likeness)
    return list(dict.fromkeys(by_text[text] for text in found))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ' (did you mean A or B?)' for a message, empty where nothing is near."""
    found = nearest(name, known)
    return f" (did you mean {' or '.join(found)}?)" if found else ""
