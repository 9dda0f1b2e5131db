"""How near to its source an export must be, and what is held against it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_embedding.limits import FOLDER_LIMITS
from pixkin_embedding.preprocessing import Preprocessing, prepare
from pixkin_export.asked import Asked, ask
from pixkin_export.differences import ParityFailed, Row
from pixkin_export.gate_pictures import picture_files
from pixkin_export.graph import Graph
from pixkin_export.parity import check_declared, compare_with_source
from pixkin_export.sources.pixels import PixelSource
from pixkin_export.sources.source import Layer, Seen
from pixkin_proto.descriptors import Descriptor, Norm
from pixkin_proto.errors import InvalidExtractor

GOOD = np.eye(3, 4, dtype=np.float32)
Floats = NDArray[np.float64]
Vectors = dict[str, NDArray[np.float32]]
RULE = Preprocessing("exact", (64, 64), filter="bilinear")


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


class Named:
    """A source with one layer, a vector that tells its formula which picture it is."""

    learnt: dict[str, object] = {}  # noqa: RUF012 - never written
    against = "a test"
    preprocessing = RULE

    def __init__(self, vectors: Iterable[Floats]) -> None:
        self._vectors = iter(vectors)

    def layer(self, name: str) -> Layer:
        """Return what any layer gives."""
        del name
        return Layer("vector", 3)

    def add(self, graph: Graph, layers: Sequence[str]) -> dict[str, str]:
        """Add a vector."""
        return {name: graph.constant(np.ones((1, 3), np.float32)) for name in layers}

    def see(self, picture: NDArray[np.uint8], layers: Sequence[str]) -> Seen:
        """Return the next of the vectors."""
        pixels = prepare(picture, RULE, FOLDER_LIMITS).astype(np.float64) / 255
        return Seen(pixels, dict.fromkeys(layers, next(self._vectors)))


PICTURES = len(picture_files()) + 8
TRUE = np.random.default_rng(2).normal(size=(PICTURES, 3))


def compared(computed: Floats, true: Floats = TRUE) -> Row:
    """Return the row of a descriptor whose vectors come as they are given, picture by picture."""
    rows = iter(computed)

    def encode(_pixels: NDArray[np.uint8]) -> Vectors:
        return {"vector": next(rows)[np.newaxis].astype(np.float32)}

    [row] = compare_with_source(asked(), Named(true), encode)
    return row


def asked() -> Asked:
    return ask("named", Named(TRUE), ["vector=layer:layer=it,norm=none"])


def changed(picture: int, component: int, by: float) -> Floats:
    values = TRUE.copy()
    values[picture, component] += by
    return values


def test_what_is_equal_passes() -> None:
    row = compared(TRUE)
    assert row.passed
    assert row.cosine == pytest.approx(1)
    assert row.difference < 1e-6


def test_a_component_may_differ_by_a_ten_thousandth_and_no_more() -> None:
    smallest = int(abs(TRUE).max(axis=1).argmin())
    assert abs(TRUE[smallest]).max() < 1
    assert compared(changed(smallest, 0, 9e-5)).worst == [*picture_files(), *golden_names()][smallest]
    with pytest.raises(ParityFailed, match=r"differs by .e-04 on the picture") as failed:
        compared(changed(smallest, 0, 3e-4))
    [row] = failed.value.rows
    assert not row.passed
    assert row.difference == pytest.approx(3e-4, rel=1e-2)


def golden_names() -> list[str]:
    return [f"golden {place}" for place in range(8)]


@pytest.mark.parametrize("picture", range(PICTURES))
def test_one_picture_that_differs_is_enough(picture: int) -> None:
    with pytest.raises(ParityFailed, match=f"on the picture '{[*picture_files(), *golden_names()][picture]}'"):
        compared(changed(picture, 1, 0.1))


def test_large_vectors_are_compared_relative_to_their_size() -> None:
    assert compared(TRUE * 1e4 + 0.01, TRUE * 1e4).difference < 1e-4
    with pytest.raises(ParityFailed):
        compared(TRUE * 1e4 + 10, TRUE * 1e4)


def test_another_length_is_noticed_though_cosine_does_not() -> None:
    with pytest.raises(ParityFailed, match=r"cosine 1\.000000"):
        compared(TRUE * 1.01)


def test_numbers_that_are_not_finite_never_pass() -> None:
    with pytest.raises(ParityFailed):
        compared(changed(3, 1, np.nan))


def test_the_order_of_pictures_is_the_sources() -> None:
    # Two pictures that are nearly alike change places: each vector is near enough, and the rankings are not.
    true = TRUE / np.linalg.norm(TRUE, axis=1, keepdims=True)
    true[1] = true[0] + np.array([0, 5e-5, 0])
    computed = true.copy()
    computed[[0, 1]] = true[[1, 0]]
    with pytest.raises(ParityFailed) as failed:
        compared(computed, true)
    [row] = failed.value.rows
    assert (row.difference <= 1e-4, row.cosine >= 0.99999, row.ranked) == (True, True, False)


@pytest.mark.parametrize(("moved", "passes"), [(0, True), (3, True), (5, False)])
def test_of_what_is_counted_a_thousandth_may_lie_in_another_bin(moved: int, passes: bool) -> None:  # noqa: FBT001 - pytest passes parameters by name
    source = PixelSource(RULE, {})
    shares = ask("counted", source, ["gch:bins=4"])

    def encode(pixels: NDArray[np.uint8]) -> Vectors:
        vector = shares.expected(Seen(np.zeros(0), {}), pixels[0])["gch"]
        step = np.array([1, -1, 0, 0]) * moved * 1e-4
        return {"gch": (vector + step)[np.newaxis].astype(np.float32)}

    if passes:
        [row] = compare_with_source(shares, source, encode)
        assert row.plain() == {
            "descriptor": "gch",
            "cosine": pytest.approx(1, abs=1e-6),
            "moved": f"{row.difference:.0e}",
        }
        assert row.difference == pytest.approx(2 * moved * 1e-4, abs=1e-6)
    else:
        with pytest.raises(ParityFailed, match="gch"):
            compare_with_source(shares, source, encode)


@pytest.mark.parametrize("shape", [(64, 63), (1, 1)])
def test_a_picture_of_another_size_than_the_sources_is_a_difference(shape: tuple[int, int]) -> None:
    class Other(Named):
        def see(self, picture: NDArray[np.uint8], layers: Sequence[str]) -> Seen:
            return Seen(np.zeros((*shape, 3)), super().see(picture, layers).layers)

    with pytest.raises(ParityFailed, match=r"is prepared in another way than its source does \(\(64, 64, 3\) and not"):
        compare_with_source(asked(), Other(TRUE), lambda _pixels: {})
