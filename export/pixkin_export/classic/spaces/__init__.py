"""The colour spaces of histograms: reading `SPACES` is reading the list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.errors import InvalidArgument, listed

from pixkin_export.classic.spaces import grey, hsv, lab, rgb
from pixkin_export.graph import Graph

Bins = tuple[int, ...]
MOST = 256


@dataclass(frozen=True)
class Space:
    """A way to cut colours into bins.

    channels: their names · bins: how many for each channel unless asked otherwise, the first channel varies slowest ·
    add: adds the bin of every pixel to a graph, int32 (n, h, w) · formula: the same of pixels uint8 (h, w, 3), int64
    (h, w).
    """

    channels: tuple[str, ...]
    bins: Bins
    add: Callable[[Graph, Bins], str]
    formula: Callable[[NDArray[np.uint8], Bins], NDArray[np.int64]]


SPACES: dict[str, Space] = {
    "hsv": Space(("hue", "saturation", "value"), (9, 3, 3), hsv.add, hsv.formula),
    "rgb": Space(("red", "green", "blue"), (4, 4, 4), rgb.add, rgb.formula),
    "lab": Space(("L*", "a*", "b*"), (4, 9, 9), lab.add, lab.formula),
    "grey": Space(("grey",), (64,), grey.add, grey.formula),
}


def find_space(name: str, bins: Bins | None) -> tuple[Space, Bins]:
    """Return a space and the bins to use; raise InvalidArgument for an unknown space and bins that do not fit it."""
    if name not in SPACES:
        raise InvalidArgument(f"there is no colour space {name!r}; choose one of {listed(SPACES)}")
    space = SPACES[name]
    chosen = space.bins if bins is None else tuple(bins)
    if len(chosen) != len(space.bins) or not all(1 <= each <= MOST for each in chosen):
        raise InvalidArgument(
            f"{name} cannot be cut into {'x'.join(map(str, chosen))} bins; give {len(space.bins)} numbers, each 1 to "
            f"{MOST}, such as {'x'.join(map(str, space.bins))}"
        )
    return space, chosen
