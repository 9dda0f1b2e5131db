"""What histograms say of their components, held against the histograms themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pixkin_embedding.bundle import read_extractor
from pixkin_export.classic import histogram
from pixkin_export.classic.regions import ELLIPSE, WHOLE, places, regions_axis
from pixkin_export.classic.spaces import SPACES
from pixkin_proto.axes import bin_name, check_axes


@pytest.mark.parametrize("regions", [WHOLE, ELLIPSE, "2x3"])
@pytest.mark.parametrize("space", SPACES)
def test_every_component_has_a_name_of_its_own(space: str, regions: str) -> None:
    dim = histogram.dim(space=space, regions=regions)
    axes = check_axes(histogram.axes(space=space, regions=regions), dim)
    assert len({bin_name(axes, place) for place in range(dim)}) == dim


@pytest.mark.parametrize("regions", [ELLIPSE, "2x3", "4x4"])
def test_the_outlines_are_where_the_regions_are(regions: str) -> None:
    height, width = 120, 180
    y, x = (np.mgrid[:height, :width] + 0.5) / np.array([height, width])[:, None, None]
    drawn = np.full((height, width), -1)
    for number, part in enumerate(regions_axis(regions).outlines):
        if part.ellipse:
            right = (x - part.x - part.width / 2) / (part.width / 2)
            down = (y - part.y - part.height / 2) / (part.height / 2)
            inside = right**2 + down**2 <= 1
        else:
            inside = (abs(x - part.x - part.width / 2) <= part.width / 2) & (
                abs(y - part.y - part.height / 2) <= part.height / 2
            )
        drawn[inside] = number
    assert np.mean(drawn == places(height, width, regions)) > 0.999


def test_a_red_picture_fills_the_bins_that_are_called_after_it() -> None:
    red = np.zeros((40, 60, 3), np.uint8)
    red[..., 0] = 255
    axes = histogram.axes()
    named = {bin_name(axes, place) for place in np.flatnonzero(histogram.formula(red))}
    colour = "hue 1 of 9, saturation 3 of 3, value 3 of 3"
    assert named == {f"{region}, {colour}" for region in axes[0].labels}


def test_an_extractor_file_carries_the_axes_of_its_histogram(extractors: Path) -> None:
    extractor, _ = read_extractor(extractors / "hsv-histogram.onnx")
    assert extractor.axes == {"histogram": histogram.axes()}
    assert read_extractor(extractors / "efficientnet-lite0.onnx")[0].axes == {}
