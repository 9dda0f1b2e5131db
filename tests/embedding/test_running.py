"""A graph that never ends, fails, or needs more memory than any machine has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_embedding import running
from pixkin_embedding.batching import Batcher
from pixkin_embedding.bundle import read_extractor
from pixkin_embedding.encoder import Encoder, Session, load_encoder
from pixkin_proto.errors import InvalidExtractor, OutOfMemory

Written = Callable[[Path, str, str], Path]
HUGE = """
    whole = Shape(values)
    first = Constant<value = int64[1] {0}>()
    second = Constant<value = int64[1] {1}>()
    count = Slice(whole, first, second)
    sides = Constant<value = int64[2] {10000000, 10000000}>()
    shape = Concat<axis = 0>(count, sides)
    zeros = ConstantOfShape(shape)
    most = ReduceMax<keepdims = 0>(zeros)
    means = ReduceMean<keepdims = 0, axes = [1, 2]>(values)
    v = Add(means, most)
"""


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "RUN_SECONDS", 0.5)


@pytest.fixture
def batcher() -> Iterator[Batcher]:
    batcher = Batcher()
    yield batcher
    batcher.close()


def _white(count: int = 1, level: int = 255) -> NDArray[np.uint8]:
    return np.full((count, 24, 24, 3), level, np.uint8)


def test_an_extractor_with_a_loop_without_an_end_is_refused(written: Written, tmp_path: Path) -> None:
    with pytest.raises(InvalidExtractor, match="loop without an end"):
        load_encoder(written(tmp_path, "e", "endless"), "cpu")


def test_an_extractor_that_needs_more_memory_than_there_is_is_refused(written: Written, tmp_path: Path) -> None:
    with pytest.raises(InvalidExtractor, match="not enough memory"):
        load_encoder(written(tmp_path, "e", HUGE), "cpu")


@pytest.mark.parametrize(
    "nodes",
    [
        "all = ReduceMean<keepdims = 0>(values) v = Identity(all)",
        "zero = Sub(values, values) v = ReduceMean<keepdims = 0, axes = [1, 2]>(zero)",
        "flat = Flatten(values) v = Identity(flat)",
        "shape = Constant<value = int64[2] {7, 3}>() v = Reshape(values, shape)",
    ],
)
def test_an_extractor_that_gives_no_vectors_of_its_dimension_is_refused(
    written: Written, tmp_path: Path, nodes: str
) -> None:
    with pytest.raises(InvalidExtractor):
        load_encoder(written(tmp_path, "e", nodes), "cpu")


def test_memory_that_a_run_cannot_have_is_said_to_be_missing(written: Written, tmp_path: Path) -> None:
    _, graph = read_extractor(written(tmp_path, "e", HUGE))
    with pytest.raises(OutOfMemory, match="ulimit"):
        Session(graph, "cpu").run(_white(), ["v"])


def test_a_picture_on_which_an_extractor_never_ends_costs_itself_alone(
    written: Written, batcher: Batcher, tmp_path: Path
) -> None:
    encoder = load_encoder(written(tmp_path, "e", "endless_on_white"), "cpu")
    bad = [batcher.submit(encoder, _white()[0]) for _ in range(2)]
    good = batcher.submit(encoder, _white(level=90)[0])
    assert np.array_equal(good.result(30)["v"], [1, 1, 1])
    for future in bad:
        with pytest.raises(InvalidExtractor, match="stopped"):
            future.result(30)


def test_others_have_their_turn_between_the_runs_of_an_extractor_that_never_ends(
    written: Written, batcher: Batcher, extractors: Path, tmp_path: Path
) -> None:
    endless = load_encoder(written(tmp_path, "e", "endless_on_white"), "cpu")
    other: Encoder = load_encoder(extractors / "hsv-histogram.onnx", "cpu")
    bad = [batcher.submit(endless, _white()[0]) for _ in range(5)]
    good = batcher.submit(other, _white()[0])
    assert good.result(30)["histogram"].shape == (405,)
    assert not all(future.done() for future in bad)
    for future in bad:
        with pytest.raises(InvalidExtractor):
            future.result(30)
