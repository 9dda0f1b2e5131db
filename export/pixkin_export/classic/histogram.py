"""Where in a picture which colours are: a histogram of colours for each of its regions, counted exactly.

Component C region + colour is the number of pixels with this colour bin (of C, see `spaces`) in this region (see
`regions`), divided by all pixels of the picture, so the components sum to 1. By default colours are cut into 9x3x3 bins
of hue, saturation and value, and there are five regions: 405 components.

Source: M. J. Swain and D. H. Ballard, Color indexing, IJCV 7, 1991; the five regions: A. Rosebrock, The complete guide
to building an image search engine, 2014.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.axes import Axis

from pixkin_export.classic.counting import add_extent, add_shares, shares
from pixkin_export.classic.regions import ELLIPSE, add_first_bins, number_of, places, regions_axis
from pixkin_export.classic.spaces import Bins, find_space
from pixkin_export.graph import Graph

HSV = "hsv"


def add(graph: Graph, *, space: str = HSV, bins: Bins | None = None, regions: str = ELLIPSE) -> str:
    """Add the histogram of pixels uint8 (n, h, w, 3), sides up to 16,384: float32 (n, dim), sum 1.

    space: one of `SPACES` · bins: for each channel of the space, its own where None · regions: see `regions`. Raises
    InvalidArgument for what there is not.
    """
    chosen, numbers = find_space(space, bins)
    size = dim(space=space, bins=bins, regions=regions)
    extent = add_extent(graph)
    placed = add_first_bins(graph, extent, chosen.add(graph, numbers), regions, math.prod(numbers))
    return add_shares(graph, placed, size, count=extent.pictures, total=extent.area, rows=extent.rows)


def formula(
    pixels: NDArray[np.uint8], *, space: str = HSV, bins: Bins | None = None, regions: str = ELLIPSE
) -> NDArray[np.float64]:
    """Return the histogram of pixels (h, w, 3), float64 (dim,)."""
    chosen, numbers = find_space(space, bins)
    height, width, _ = pixels.shape
    placed = math.prod(numbers) * places(height, width, regions) + chosen.formula(pixels, numbers)
    return shares(placed, dim(space=space, bins=bins, regions=regions))


def dim(*, space: str = HSV, bins: Bins | None = None, regions: str = ELLIPSE) -> int:
    """Return the number of components: colours times regions."""
    return math.prod(find_space(space, bins)[1]) * number_of(regions)


def axes(*, space: str = HSV, bins: Bins | None = None, regions: str = ELLIPSE) -> tuple[Axis, ...]:
    """Return what the components stand for: the region, then the channels of the space."""
    chosen, numbers = find_space(space, bins)
    channels = zip(chosen.channels, numbers, strict=True)
    return (
        *([regions_axis(regions)] if number_of(regions) > 1 else []),
        *(Axis(name, tuple(f"{name} {at} of {number}" for at in range(1, number + 1))) for name, number in channels),
    )
