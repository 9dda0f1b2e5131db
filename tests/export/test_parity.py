from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_export.classic.hsv_histogram import build
from pixkin_export.parity import check_declared, compare_with_reference
from pixkin_proto.descriptors import Descriptor, Norm
from pixkin_proto.errors import InvalidExtractor

GOOD = np.eye(3, 4, dtype=np.float32)


@pytest.mark.parametrize(
    ("norm", "vectors", "fault"),
    [
        (Norm.L2, GOOD * 2, "norm l2"),
        (Norm.L1, GOOD * 0.5, "norm l1"),
        (Norm.NONE, -GOOD, "negative components"),
        (Norm.NONE, GOOD * np.nan, "4 finite numbers"),
        (Norm.NONE, GOOD[:, :3], "4 finite numbers"),
        (Norm.L2, GOOD[[0, 0, 0]], "same for every picture"),
        (Norm.NONE, GOOD * 0, "same for every picture"),
    ],
)
def test_vectors_that_are_not_as_declared_stop_the_export(norm: Norm, vectors: NDArray[np.float32], fault: str) -> None:
    with pytest.raises(InvalidExtractor, match=fault):
        check_declared("net", [Descriptor("d", 4, norm, non_negative=True)], {"d": vectors})


@pytest.mark.parametrize("vectors", [GOOD, np.vstack([GOOD, np.zeros((1, 4), np.float32)])])
def test_vectors_as_declared_pass_and_zero_vectors_with_them(vectors: NDArray[np.float32]) -> None:
    check_declared("net", [Descriptor("d", 4, Norm.L2, non_negative=True)], {"d": vectors})


def test_a_runtime_that_computes_something_else_than_the_reference_stops_the_export() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (1, 8, 8, 3), dtype=np.uint8)
    with pytest.raises(InvalidExtractor, match="disagree on histogram"):
        compare_with_reference(build(), picture, {"histogram": np.ones((1, 405), np.float32)})
