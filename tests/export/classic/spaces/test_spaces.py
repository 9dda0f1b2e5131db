"""The simpler colour spaces, and what every entry of the registry keeps."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_export.classic import histogram
from pixkin_export.classic.channels import grey
from pixkin_export.classic.spaces import SPACES
from pixkin_proto.errors import InvalidArgument

Pixels = NDArray[np.uint8]
Start = Callable[..., Callable[[Pixels], NDArray[np.float32]]]


@pytest.fixture(scope="module")
def noise() -> Pixels:
    return np.random.default_rng(2).integers(0, 256, (200, 300, 3), dtype=np.uint8)


def test_grey_is_the_luma_of_opencv(noise: Pixels) -> None:
    assert np.array_equal(grey(noise), cv2.cvtColor(noise, cv2.COLOR_RGB2YCrCb)[..., 0])
    assert abs(grey(noise) - cv2.cvtColor(noise, cv2.COLOR_RGB2GRAY)).max() <= 1


def test_a_grey_histogram_is_that_of_numpy(start: Start, noise: Pixels) -> None:
    made = start(histogram, space="grey", bins=(256,), regions="whole")(noise[np.newaxis])[0]
    assert np.rint(made * grey(noise).size).tolist() == np.bincount(grey(noise).ravel(), minlength=256).tolist()


def test_an_rgb_histogram_is_that_of_numpy(start: Start, noise: Pixels) -> None:
    made = start(histogram, space="rgb", bins=(2, 5, 3), regions="whole")(noise[np.newaxis])[0]
    counted, _ = np.histogramdd(noise.reshape(-1, 3), bins=(2, 5, 3), range=[(0, 256)] * 3)
    assert np.rint(made * 60_000).tolist() == counted.ravel().tolist()


@pytest.mark.parametrize("name", SPACES)
def test_every_space_has_one_bin_where_one_is_asked_for_and_256_at_most(name: str, start: Start, noise: Pixels) -> None:
    one = (1,) * len(SPACES[name].bins)
    assert start(histogram, space=name, bins=one, regions="whole")(noise[np.newaxis]).tolist() == [[1]]
    for wrong in ((*one, 1), (0, *one[1:]), (257, *one[1:])):
        with pytest.raises(
            InvalidArgument, match=f"{name} cannot be cut into .* give {len(one)} numbers, each 1 to 256"
        ):
            histogram.dim(space=name, bins=wrong)


@pytest.mark.parametrize("hues", [1, 2, 4, 5, 6, 7, 12, 35, 256])
def test_hues_may_be_cut_into_any_number_of_bins(hues: int, start: Start, noise: Pixels) -> None:
    bins = (hues, 2, 5)
    made = start(histogram, space="hsv", bins=bins, regions="whole")(noise[np.newaxis])[0]
    hue = (made.reshape(bins).sum(axis=(1, 2)) * 60_000).round()
    degrees = cv2.cvtColor(noise.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)[..., 0]
    counted, _ = np.histogram(degrees, bins=hues, range=(0, 360))
    assert abs(hue - counted).sum() <= 0.01 * 60_000  # its rounding decides at the edges
    assert np.array_equal(made, histogram.formula(noise, space="hsv", bins=bins, regions="whole").astype(np.float32))


def test_an_unknown_space_is_answered_with_those_there_are() -> None:
    with pytest.raises(InvalidArgument, match="no colour space 'yuv'; choose one of grey, hsv, lab, rgb"):
        histogram.dim(space="yuv")
