"""Extractors, each loaded once in a thread of its own, so that one that takes long holds up its own callers alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from pixkin_embedding.encoder import Encoder

from pixkin_server.waiting import wait

LOAD_SECONDS = 120.0
"""How long an extractor may load where no caller says how long to wait; 2 GB on a slow disk take a minute."""


class Loading:
    """The encoders of this process by fingerprint, and those on their way.

    load: reads one file, checks it, and returns it ready to run.
    """

    def __init__(self, load: Callable[[Path], Encoder]) -> None:
        self.encoders: dict[str, Encoder] = {}
        self._load = load
        self._coming: dict[Path, Future[Encoder]] = {}
        self._lock = threading.Lock()

    def encoder(self, path: Path, fingerprint: str, deadline: float) -> Encoder:
        """Return what a file holds, loaded now unless it is there; it goes on loading when the deadline has passed.

        fingerprint: what the file claims, or empty. Raises Deadline, and whatever keeps the file from being loaded.
        """
        with self._lock:
            if fingerprint in self.encoders:
                return self.encoders[fingerprint]
            coming = self._coming.get(path) or self._begin(path)
        try:
            return wait(coming, deadline, "loading an extractor")
        finally:
            del coming  # it holds the error, and the error this frame, with a whole extractor file

    def _begin(self, path: Path) -> Future[Encoder]:
        coming: Future[Encoder] = Future()
        coming.set_running_or_notify_cancel()  # a caller that leaves does not end it for the others
        # A daemon: the process ends whether or not ONNX Runtime ever returns from a graph.
        thread = threading.Thread(target=self._work, args=(path, coming), name="pixkin-loading", daemon=True)
        thread.start()
        self._coming[path] = coming
        return coming

    def _work(self, path: Path, coming: Future[Encoder]) -> None:
        try:
            encoder = self._load(path)
        except BaseException as error:  # raised where it is waited for
            self._done(path)
            coming.set_exception(error)
            del coming  # as above
            return
        with self._lock:
            self.encoders[encoder.extractor.fingerprint] = encoder
        self._done(path)
        coming.set_result(encoder)

    def _done(self, path: Path) -> None:
        with self._lock:
            del self._coming[path]
