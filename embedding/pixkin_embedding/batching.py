"""The encoding thread: whatever waits when the encoder gets free is its next batch."""

from __future__ import annotations

import logging
import threading
from collections import deque
from concurrent.futures import Future

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.errors import Overloaded

from pixkin_embedding.encoder import Encoder

Vectors = dict[str, NDArray[np.float32]]
"""One picture's vectors, (dim,) float32 by the descriptor's short name."""

MAX_WAITING = 512
MAX_BATCH = 16
MAX_BATCH_PIXELS = 2_000_000  # beyond this a batch gains nothing on two cores and its activations cost memory

log = logging.getLogger("pixkin.encoding")


class Batcher:
    """Runs encoders in one thread. On CPU no timer waits for company: a batch is what is queued.

    Pictures of a batch have one encoder and one shape; they are never padded together.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[Encoder, NDArray[np.uint8], Future[Vectors]]] = deque()
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
            self._waiting.append((encoder, pixels, future))
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
                encoder, batch = self._next_batch()
            _run(encoder, batch)
            del batch  # the next wait must not hold pixels

    def _next_batch(self) -> tuple[Encoder, list[tuple[NDArray[np.uint8], Future[Vectors]]]]:
        """Take the oldest picture and those behind it that fit; the others keep their order."""
        encoder, first, _ = self._waiting[0]
        room = max(1, min(MAX_BATCH, MAX_BATCH_PIXELS // (first.shape[0] * first.shape[1])))
        batch: list[tuple[NDArray[np.uint8], Future[Vectors]]] = []
        rest = []
        while self._waiting and len(batch) < room:
            entry = self._waiting.popleft()
            if entry[0] is encoder and entry[1].shape == first.shape:
                batch.append(entry[1:])
            else:
                rest.append(entry)
        self._waiting.extendleft(reversed(rest))
        return encoder, batch


def _run(encoder: Encoder, batch: list[tuple[NDArray[np.uint8], Future[Vectors]]]) -> None:
    live = [(pixels, future) for pixels, future in batch if future.set_running_or_notify_cancel()]
    if live:
        _encode(encoder, live)


def _encode(encoder: Encoder, batch: list[tuple[NDArray[np.uint8], Future[Vectors]]]) -> None:
    """Encode pictures together; when that fails each alone, so that one costs itself and not its company."""
    try:
        vectors = encoder.encode(np.stack([pixels for pixels, _ in batch]))
    except Exception as error:  # whatever ONNX Runtime raises belongs to the pictures' futures, not to this thread
        if len(batch) > 1:
            for entry in batch:
                _encode(encoder, [entry])
            return
        log.exception("encoding a picture with %s failed", encoder.extractor.name)
        batch[0][1].set_exception(error)
        return
    for row, (_, future) in enumerate(batch):
        future.set_result({name: matrix[row].copy() for name, matrix in vectors.items()})
