"""What is noted of every call, over gRPC and HTTP alike: how it ended, how long it took, and its stages."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Protocol, Self

from pixkin_proto.errors import PixkinError

OK, CANCELLED = "OK", "CANCELLED"


class Observer(Protocol):
    """Somebody who counts."""

    def ended(self, interface: str, method: str, error: PixkinError | None, seconds: float, *, cancelled: bool) -> None:
        """Count a call: grpc or http, SERVICE.RPC, why it failed, whether its caller left."""

    def took(self, stage: str, seconds: float) -> None:
        """Note how long one stage of a reply took."""


class Unobserved:
    """Counts nothing."""

    def ended(self, interface: str, method: str, error: PixkinError | None, seconds: float, *, cancelled: bool) -> None:
        """Do nothing."""

    def took(self, stage: str, seconds: float) -> None:
        """Do nothing."""


class Observed:
    """One call, from the moment a `with` block begins until it ends."""

    def __init__(self, observer: Observer, interface: str, method: str) -> None:
        self._observer, self._interface = observer, interface
        self.method = method
        self._error: PixkinError | None = None
        self._began = 0.0

    def __enter__(self) -> Self:
        self._began = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        seconds = time.perf_counter() - self._began
        left = kind is not None and self._error is None  # what fails for a reason is caught inside, and named
        self._observer.ended(self._interface, self.method, self._error, seconds, cancelled=left)

    def failed(self, error: PixkinError) -> None:
        """Say why the call failed."""
        self._error = error

    def replied(self, reply: Any) -> None:
        """Note the stages of a reply, or of each that it holds."""
        for timing in _timings(reply):
            self._observer.took(timing.stage, timing.ms / 1000)


def _timings(reply: Any) -> Iterator[Any]:
    """The timings in a SearchReply, SearchBatchReply, EmbedReply or EmbedStreamReply; other replies have none."""
    yield from getattr(reply, "timings", ())
    if hasattr(reply, "reply"):
        yield from reply.reply.timings
    for outcome in getattr(reply, "outcomes", ()):
        yield from outcome.reply.timings
