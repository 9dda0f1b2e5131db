"""Dense SIFT against OpenCV."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_export.classic import sift
from pixkin_export.classic.channels import grey
from pixkin_proto.errors import InvalidArgument

Pixels = NDArray[np.uint8]
Start = Callable[..., Callable[[Pixels], NDArray[np.float32]]]


def of_opencv(picture: Pixels, cell: int, step: int) -> NDArray[np.float32]:
    rows, columns = (sift.positions(length, cell, step) for length in picture.shape[:2])
    points = [cv2.KeyPoint(float(x), float(y), size=2 * cell / 3, angle=0) for y in rows for x in columns]
    return np.asarray(cv2.SIFT.create().compute(grey(picture).astype(np.uint8), points)[1])


def check_against_opencv(made: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    points = made.reshape(-1, 128)
    lengths = np.linalg.norm(points, axis=1) * np.linalg.norm(expected, axis=1)
    cosines = (points * expected).sum(axis=1)[lengths > 0] / lengths[lengths > 0]
    assert abs(points - expected).max() <= 1
    assert cosines.min() >= 0.9999
    assert np.array_equal(points.any(axis=1), expected.any(axis=1))


@pytest.mark.parametrize(("cell", "step"), [(4, 8), (4, 4), (3, 5), (6, 8), (16, 1)])
def test_photos_have_the_numbers_of_opencv(cell: int, step: int, start: Start, squares: Pixels) -> None:
    made = start(sift, cell=cell, step=step)(squares)
    for picture, numbers in zip(squares, made, strict=True):
        check_against_opencv(numbers, of_opencv(picture, cell, step))


def test_a_wide_picture_with_flat_parts_and_hard_edges_has_the_numbers_of_opencv(start: Start) -> None:
    picture = np.zeros((40, 100, 3), np.uint8)
    picture[12:29, 20:53] = 255
    picture[5:9, 70:] = (200, 10, 30)
    made = start(sift, size=(40, 100), cell=4, step=4)(picture[np.newaxis])
    assert not made.reshape(-1, 128).any(axis=1).all()
    check_against_opencv(made, of_opencv(picture, 4, 4))


def test_rounded_they_are_the_bytes_of_opencv_but_for_one_in_a_thousand(start: Start, squares: Pixels) -> None:
    made = np.rint(start(sift)(squares)).reshape(len(squares), -1, 128)
    expected = np.stack([of_opencv(picture, 4, 8) for picture in squares])
    assert (made != expected).mean() <= 0.001


def test_root_sift_is_the_root_of_the_shares_and_of_length_1(start: Start, squares: Pixels) -> None:
    plain, root = (start(sift, root=each)(squares).reshape(-1, 128) for each in (False, True))
    shares = plain / plain.sum(axis=1, keepdims=True).clip(1e-6)
    assert root == pytest.approx(np.sqrt(shares), abs=1e-6)
    assert np.linalg.norm(root, axis=1)[plain.any(axis=1)] == pytest.approx(1, abs=1e-6)


def test_points_are_amid_the_picture_with_their_cells_inside() -> None:
    assert sift.positions(64, 4, 8).tolist() == [8, 16, 24, 32, 40, 48, 56]
    assert sift.positions(70, 4, 8).tolist() == [11, 19, 27, 35, 43, 51, 59]
    assert sift.positions(16, 4, 8).tolist() == [8]


@pytest.mark.parametrize(("size", "cell", "step"), [((64, 15), 4, 8), ((64, 64), 0, 8), ((64, 64), 4, 0)])
def test_a_picture_without_room_for_a_point_is_an_error(size: tuple[int, int], cell: int, step: int) -> None:
    with pytest.raises(InvalidArgument, match=f"cells of {cell} pixels, {step} pixels apart, has no point in"):
        sift.dim(size=size, cell=cell, step=step)


def test_a_single_point_in_the_smallest_picture_is_finite(start: Start) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)
    made = start(sift, size=(4, 4), cell=1, step=1)(pixels)
    assert made == pytest.approx(
        np.stack([sift.formula(each, size=(4, 4), cell=1, step=1) for each in pixels]), abs=1e-4
    )
