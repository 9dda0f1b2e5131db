"""Query boxes of ground truths, which give two corners."""

from __future__ import annotations

import math
from collections.abc import Iterable

Box = tuple[float, float, float, float]


def box_between(corners: Iterable[object]) -> Box:
    """Return (x, y, width, height) of a box x1, y1, x2, y2, all in pixels. Raises ValueError."""
    x1, y1, x2, y2 = (float(str(number)) for number in corners)
    box = x1, y1, x2 - x1, y2 - y1
    if not (all(map(math.isfinite, box)) and x2 > x1 and y2 > y1):
        raise ValueError("the box has no area")
    return box
