"""Extractors that take long to load, or never do."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pixkin_embedding.encoder import Encoder, load_encoder
from pixkin_proto.errors import Deadline, InvalidExtractor, ServerUnavailable
from pixkin_server.client import Client
from pixkin_server.loading import Loading

Written = Callable[[Path, str, str], Path]


@pytest.fixture(scope="module")
def encoder(extractors: Path) -> Encoder:
    return load_encoder(extractors / "hsv-histogram.onnx", "cpu")


class Slow:
    """Loads once the test says so, and counts."""

    def __init__(self, encoder: Encoder) -> None:
        self.go, self.began, self.loads = threading.Event(), threading.Event(), 0
        self._encoder = encoder

    def __call__(self, path: Path) -> Encoder:
        """Load a file; `bad.onnx` fails and `quick.onnx` does not wait."""
        self.loads += 1
        self.began.set()
        if path.name != "quick.onnx":
            assert self.go.wait(30)
        if path.name == "bad.onnx":
            raise InvalidExtractor("bad")
        return self._encoder


def test_an_extractor_that_loads_long_holds_up_its_own_callers_alone(encoder: Encoder) -> None:
    load = Slow(encoder)
    loading = Loading(load)
    with ThreadPoolExecutor(2) as pool:
        slow = [pool.submit(loading.encoder, Path("slow.onnx"), "", math.inf) for _ in range(2)]
        assert load.began.wait(30)
        assert loading.encoder(Path("quick.onnx"), "", time.monotonic() + 30) is encoder
        assert not any(future.done() for future in slow)
        load.go.set()
        assert [future.result(30) for future in slow] == [encoder, encoder]
    assert load.loads == 2  # two callers of one file load it once
    assert loading.encoder(Path("slow.onnx"), encoder.extractor.fingerprint, 0) is encoder


def test_a_caller_that_leaves_does_not_end_the_loading(encoder: Encoder) -> None:
    load = Slow(encoder)
    loading = Loading(load)
    with pytest.raises(Deadline):
        loading.encoder(Path("slow.onnx"), "", time.monotonic())
    load.go.set()
    assert loading.encoder(Path("slow.onnx"), encoder.extractor.fingerprint, time.monotonic() + 30) is encoder
    assert load.loads == 1


def test_a_file_that_failed_to_load_is_tried_again(encoder: Encoder) -> None:
    load = Slow(encoder)
    load.go.set()
    loading = Loading(load)
    for _ in range(2):
        with pytest.raises(InvalidExtractor):
            loading.encoder(Path("bad.onnx"), "", math.inf)
    assert load.loads == 2


def test_a_server_answers_beside_an_extractor_that_never_ends_and_ends_after_its_grace(
    start: Any, written: Written, extractors: Path, photos: Path, tmp_path: Path
) -> None:
    for name in ("hsv-histogram", "efficientnet-lite0"):
        (tmp_path / f"{name}.onnx").write_bytes((extractors / f"{name}.onnx").read_bytes())
    written(tmp_path, "endless", "endless")
    image = (photos / "red/0.jpg").read_bytes()
    with (
        start(tmp_path / "store", tmp_path, "--grace", "0.5", "--drain", "0") as served,
        Client(served.address) as client,
    ):
        with ThreadPoolExecutor(2) as pool:
            waiting = [pool.submit(client.embed, image, extractor="endless", timeout=60) for _ in range(2)]
            for name in ("hsv-histogram", "efficientnet-lite0"):
                assert client.embed(image, extractor=name, timeout=60).vectors
            assert not any(call.done() for call in waiting)
            served.process.send_signal(signal.SIGTERM)
            assert served.process.wait(10) == 0
            assert all(isinstance(call.exception(30), ServerUnavailable) for call in waiting)
        served.wait_for("something still runs")
