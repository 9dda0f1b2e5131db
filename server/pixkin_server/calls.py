"""From the event loop to the engine's blocking calls and back, with a bound on how many wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from threading import Event
from typing import Any, TypeVar

import grpc
from pixkin_proto.errors import Deadline, Overloaded

T = TypeVar("T")
R = TypeVar("R")

THREADS = 16
MAX_WAITING = 64
MAX_STREAMS = 8
DEFAULT_TIMEOUT = 60.0
IDLE_SECONDS = 0.25  # a stream that pauses this long has what came so far committed
_END = object()


class Calls:
    """Worker threads for the engine's calls. Streams have threads of their own, so that they never starve searches."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, "pixkin-call")
        self._streams = ThreadPoolExecutor(MAX_STREAMS, "pixkin-stream")
        self._waiting = 0
        self._streaming = 0

    async def run(self, context: grpc.aio.ServicerContext, work: Callable[..., T], *args: Any, **options: Any) -> T:
        """Run a blocking call; raises Overloaded when too many wait, Deadline when the caller's time is over."""
        if self._waiting >= MAX_WAITING:
            raise Overloaded("the server", self._waiting)
        self._waiting += 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, lambda: work(*args, **options))
        future.add_done_callback(self._done)
        try:
            return await asyncio.wait_for(asyncio.shield(future), remaining(context))
        except TimeoutError:
            future.cancel()
            raise Deadline("the call") from None

    def _done(self, future: asyncio.Future[Any]) -> None:
        self._waiting -= 1
        if not future.cancelled():
            future.exception()  # seen, should nobody wait for it any more

    async def stream(
        self, requests: AsyncIterator[T], work: Callable[[Iterator[T | None]], Iterator[R]]
    ) -> AsyncIterator[R]:
        """Feed an async stream through a blocking generator; None among its input says that nothing waits."""
        if self._streaming >= MAX_STREAMS:
            raise Overloaded("streams", self._streaming)
        self._streaming += 1
        replies: asyncio.Queue[Any] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        gone = Event()

        def consume() -> None:
            outcome: object = _END
            try:
                for reply in work(_pulled(requests, loop, gone)):
                    loop.call_soon_threadsafe(replies.put_nowait, reply)
            except Exception as error:  # raised where the replies are awaited
                outcome = error
            loop.call_soon_threadsafe(replies.put_nowait, outcome)

        worker = loop.run_in_executor(self._streams, consume)
        try:
            while (reply := await replies.get()) is not _END:
                if isinstance(reply, Exception):
                    raise reply
                yield reply
        finally:
            gone.set()
            await asyncio.shield(worker)
            self._streaming -= 1

    def close(self) -> None:
        """End the threads once their calls are done."""
        self._pool.shutdown()
        self._streams.shutdown()


def remaining(context: grpc.aio.ServicerContext) -> float:
    """Return the seconds that the caller still waits."""
    left: float | None = context.time_remaining()
    return DEFAULT_TIMEOUT if left is None else max(left, 0.0)


def _pulled(requests: AsyncIterator[Any], loop: asyncio.AbstractEventLoop, gone: Event) -> Iterator[Any]:
    """Yield what comes from an async stream, in the thread that wants it; gRPC's flow control holds the sender."""
    coming = None
    while not gone.is_set():
        coming = coming or asyncio.run_coroutine_threadsafe(_next(requests), loop)
        try:
            item = coming.result(IDLE_SECONDS)
        except FutureTimeoutError:
            yield None
            continue
        coming = None
        if item is _END:
            return
        yield item
    if coming is not None:
        coming.cancel()


async def _next(requests: AsyncIterator[Any]) -> Any:
    return await anext(requests, _END)
