from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_embedding import batching
from pixkin_embedding.batching import Batcher
from pixkin_embedding.encoder import Encoder, load_encoder
from pixkin_proto.errors import Overloaded


class Slow(Encoder):
    """Waits until it is let go, and notes the shape of every batch."""

    def __init__(self, encoder: Encoder) -> None:
        self.__dict__.update(encoder.__dict__)
        self.go, self.batches = threading.Event(), list[tuple[int, ...]]()

    def encode(self, pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Encode once the test says so."""
        self.go.wait(10)
        self.batches.append(pixels.shape)
        return super().encode(pixels)


class Broken(Slow):
    """Fails at every batch."""

    def encode(self, pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Fail."""
        raise ValueError(f"out of luck with {len(pixels)} pictures")


@pytest.fixture
def batcher() -> Iterator[Batcher]:
    batcher = Batcher()
    yield batcher
    batcher.close()


@pytest.fixture
def slow(extractors: Path) -> Slow:
    return Slow(load_encoder(extractors / "hsv-histogram.onnx", "cpu"))


def _picture(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def test_what_waits_becomes_one_batch_of_equal_shapes(batcher: Batcher, slow: Slow) -> None:
    futures = [batcher.submit(slow, _picture(10, 10))]
    futures += [batcher.submit(slow, _picture(*shape)) for shape in [(20, 30), (10, 10), (20, 30), (20, 30)]]
    slow.go.set()
    vectors = [future.result(10)["histogram"] for future in futures]
    assert sorted(slow.batches[1:]) in ([(1, 10, 10, 3), (3, 20, 30, 3)], [(3, 20, 30, 3)])
    assert all(vector.shape == (405,) for vector in vectors)


def test_batched_vectors_are_those_of_single_pictures(batcher: Batcher, slow: Slow) -> None:
    pictures = [_picture(40, 50, seed) for seed in range(9)]
    futures = [batcher.submit(slow, picture) for picture in pictures]
    slow.go.set()
    for picture, future in zip(pictures, futures, strict=True):
        alone = Encoder.encode(slow, picture[np.newaxis])["histogram"][0]
        assert np.array_equal(future.result(10)["histogram"], alone)


def test_a_batch_stays_within_its_pixels(batcher: Batcher, slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "MAX_BATCH_PIXELS", 2500)
    futures = [batcher.submit(slow, _picture(30, 30)) for _ in range(7)]
    slow.go.set()
    for future in futures:
        future.result(10)
    assert max(shape[0] for shape in slow.batches) <= 2


def test_a_failing_batch_fails_its_pictures_and_the_next_one_works(
    batcher: Batcher, slow: Slow, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ValueError, match="out of luck"):
        batcher.submit(Broken(slow), _picture(5, 5)).result(10)
    assert "encoding a picture with hsv-histogram failed" in caplog.text
    slow.go.set()
    assert batcher.submit(slow, _picture(5, 5)).result(10)["histogram"].sum() == pytest.approx(1)


def test_too_many_waiting_pictures_are_refused(batcher: Batcher, slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "MAX_WAITING", 3)
    futures = [batcher.submit(slow, _picture(5, 5)) for _ in range(3)]
    with pytest.raises(Overloaded):
        _ = [batcher.submit(slow, _picture(5, 5)) for _ in range(3)]  # the first three may be in work already
    slow.go.set()
    assert all(future.result(10) for future in futures)


def test_a_cancelled_picture_is_not_encoded(batcher: Batcher, slow: Slow) -> None:
    first = batcher.submit(slow, _picture(5, 5))
    second = batcher.submit(slow, _picture(6, 6))
    assert second.cancel()
    slow.go.set()
    first.result(10)
    batcher.submit(slow, _picture(7, 7)).result(10)
    assert (1, 6, 6, 3) not in slow.batches


def test_closing_encodes_what_waits_and_refuses_more(slow: Slow) -> None:
    batcher = Batcher()
    future = batcher.submit(slow, _picture(5, 5))
    slow.go.set()
    batcher.close()
    assert future.done()
    with pytest.raises(Overloaded):
        batcher.submit(slow, _picture(5, 5))


class Picky(Slow):
    """Fails at batches with a black picture."""

    def encode(self, pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Encode, or fail."""
        if (pixels == 0).all(axis=(1, 2, 3)).any():
            raise ValueError("too dark")
        return super().encode(pixels)


def test_a_picture_that_breaks_a_batch_costs_itself_alone(batcher: Batcher, slow: Slow) -> None:
    picky = Picky(slow)
    first = batcher.submit(slow, _picture(9, 9))
    good = [batcher.submit(picky, _picture(5, 5, seed)) for seed in range(3)]
    bad = batcher.submit(picky, np.zeros((5, 5, 3), np.uint8))
    good.append(batcher.submit(picky, _picture(5, 5, 9)))
    slow.go.set()
    picky.go.set()
    first.result(10)
    with pytest.raises(ValueError, match="too dark"):
        bad.result(10)
    assert all(future.result(10)["histogram"].sum() == pytest.approx(1) for future in good)
