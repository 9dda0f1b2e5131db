"""HOG against scikit-image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_embedding.golden import pictures
from pixkin_export.classic import hog
from pixkin_proto.errors import InvalidArgument
from skimage import feature

Pixels = NDArray[np.uint8]
Start = Callable[..., Callable[[Pixels], NDArray[np.float32]]]


def expected(pixels: Pixels, orientations: int = 9, cell: int = 8, block: int = 3) -> NDArray[np.float64]:
    return np.stack(
        [
            feature.hog(
                picture,
                orientations=orientations,
                pixels_per_cell=(cell, cell),
                cells_per_block=(block, block),
                block_norm="L2-Hys",
                channel_axis=-1,
            )
            for picture in pixels
        ]
    )


def test_photos_have_the_numbers_of_scikit_image(start: Start, squares: Pixels) -> None:
    made = start(hog)(squares)
    assert made.shape == (len(squares), 6 * 6 * 3 * 3 * 9)
    assert abs(made - expected(squares)).max() <= 1e-6


# An even number has gradients on the edge at 90°, multiples of 4 those at 45°.
@pytest.mark.parametrize("orientations", [1, 2, 4, 7, 8, 12, 18])
def test_gradients_on_the_edges_of_bins_are_where_scikit_image_has_them(start: Start, orientations: int) -> None:
    steps = np.random.default_rng(6).choice(np.array([0, 1, 2, 3, 128, 255], np.uint8), (4, 64, 64, 3))
    drawn = np.stack([np.resize(picture, (64, 64, 3)) for picture in pictures()[:6]])
    pixels = np.concatenate([steps, drawn])
    assert abs(start(hog, orientations=orientations)(pixels) - expected(pixels, orientations)).max() <= 1e-6


@pytest.mark.parametrize(
    ("size", "cell", "block"), [((64, 96), 8, 2), ((75, 61), 6, 3), ((24, 24), 8, 3), ((9, 8), 4, 1)]
)
def test_any_size_has_the_numbers_of_scikit_image_and_its_remainder_left_out(
    start: Start, size: tuple[int, int], cell: int, block: int
) -> None:
    pixels = np.random.default_rng(8).integers(0, 256, (2, *size, 3), dtype=np.uint8)
    made = start(hog, size=size, cell=cell, block=block)(pixels)
    assert abs(made - expected(pixels, cell=cell, block=block)).max() <= 1e-6


def test_every_possible_gradient_is_in_its_bin(start: Start) -> None:
    # Four pixels around a fifth give any gradient; cells of one pixel keep them apart.
    run = start(hog, size=(3, 3), cell=1, block=1)
    ends = np.array([0, 1, 2, 3, 5, 17, 90, 127, 201, 254, 255])
    up, down, left, right = (each.ravel() for each in np.meshgrid(ends, ends, ends, ends))
    pixels = np.zeros((len(up), 3, 3, 3), np.uint8)
    pixels[:, 0, 1], pixels[:, 2, 1], pixels[:, 1, 0], pixels[:, 1, 2] = (
        each[:, np.newaxis] for each in (up, down, left, right)
    )
    amid = run(pixels).reshape(-1, 9, 9)[:, 4]
    angle = np.degrees(np.arctan2(down - up, right - left)) % 180
    some = (down != up) | (right != left)
    assert np.array_equal(amid.argmax(axis=1)[some], np.floor(angle[some] / 20))
    assert not amid[~some].any()


def test_a_size_without_room_for_a_block_is_an_error() -> None:
    with pytest.raises(InvalidArgument, match="HOG of 64x23 pixels cannot have 9 orientations, cells of 8 pixels"):
        hog.dim(size=(64, 23))
