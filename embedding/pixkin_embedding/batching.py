"""The encoding thread: whatever waits when the encoder gets free is its next batch."""

from __future__ import annotations

import logging
import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.errors import Overloaded
from pixkin_proto.kept import without_frames

from pixkin_embedding.encoder import Encoder

Vectors = dict[str, NDArray[np.float32]]
"""One picture's vectors, (dim,) float32 by the descriptor's short name."""

MAX_WAITING = 512
MAX_BATCH = 16
MAX_BATCH_PIXELS = 2_000_000  # beyond this a batch gains nothing on two cores and its activations cost memory

log = logging.getLogger("pixkin.encoding")


@dataclass(frozen=True)
class _Picture:
    """A picture that waits. `alone`: its batch was stopped, so that it goes without company now."""

    encoder: Encoder
    pixels: NDArray[np.uint8]
    future: Future[Vectors]
    alone: bool = False


class Batcher:
    """Runs encoders in one thread. On CPU no timer waits for company: a batch is what is queued.

    Pictures of a batch have one encoder and one shape; they are never padded together. After an encoder that had to be
    stopped it is the turn of the others.
    """

    def __init__(self) -> None:
        self._waiting: deque[_Picture] = deque()
        self._stopped: Encoder | None = None
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="pixkin-encoding", daemon=True)
        self._thread.start()

    def submit(self, encoder: Encoder, pixels: NDArray[np.uint8]) -> Future[Vectors]:
        """Queue one prepared picture (h, w, 3) uint8; raises Overloaded when MAX_WAITING wait already."""
        future: Future[Vectors] = Future()
        with self._changed:
            if len(self._waiting) >= MAX_WAITING or self._closed:
                raise Overloaded("encoding", len(self._waiting))
            self._waiting.append(_Picture(encoder, pixels, future))
            self._changed.notify()
        return future

    @property
    def waiting(self) -> int:
        """Pictures that wait for the encoder."""
        return len(self._waiting)

    def close(self) -> None:
        """Encode what waits, then end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                batch = self._next_batch()
            again = _run(batch)
            with self._changed:
                self._stopped = again.encoder if again else None
                self._waiting.extend(again.pictures if again else ())
            del batch, again  # the next wait must not hold pixels

    def _next_batch(self) -> list[_Picture]:
        """Take the oldest picture and those behind it that fit; the others keep their order."""
        first = next((each for each in self._waiting if each.encoder is not self._stopped), self._waiting[0])
        room = max(1, min(MAX_BATCH, MAX_BATCH_PIXELS // (first.pixels.shape[0] * first.pixels.shape[1])))
        batch, rest = [first], deque[_Picture]()
        for each in self._waiting:
            if each is first:
                continue
            (batch if len(batch) < room and _together(first, each) else rest).append(each)
        self._waiting = rest
        return batch


@dataclass(frozen=True)
class _Again:
    """An encoder that was stopped, and the pictures that it has to try one by one."""

    encoder: Encoder
    pictures: list[_Picture]


def _together(first: _Picture, other: _Picture) -> bool:
    same = first.encoder is other.encoder and first.pixels.shape == other.pixels.shape
    return same and not (first.alone or other.alone)


def _run(batch: list[_Picture]) -> _Again | None:
    live = [each for each in batch if each.alone or each.future.set_running_or_notify_cancel()]
    return _encode(live) if live else None


def _encode(batch: list[_Picture]) -> _Again | None:
    """Encode pictures together; when that fails each alone, so that one costs itself and not its company.

    When it had to be stopped, the others' pictures have their turn before each of these is tried alone.
    """
    encoder = batch[0].encoder
    try:
        vectors = encoder.encode(np.stack([each.pixels for each in batch]))
    except Exception as error:  # whatever ONNX Runtime raises belongs to the pictures' futures, not to this thread
        stopped = "stopped_after" in getattr(error, "data", {})
        if stopped and len(batch) > 1:
            return _Again(encoder, [replace(each, alone=True) for each in batch])
        if len(batch) > 1:
            for each in batch:
                _encode([each])
            return None
        log.exception("encoding a picture with %s failed", encoder.extractor.name)
        batch[0].future.set_exception(without_frames(error))
        return _Again(encoder, []) if stopped else None
    for row, each in enumerate(batch):
        each.future.set_result({name: matrix[row].copy() for name, matrix in vectors.items()})
    return None
