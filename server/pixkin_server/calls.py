"""From the event loop to the engine's blocking calls and back, with a bound on how many wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from threading import Event, Semaphore
from typing import Any, TypeVar

import grpc
from pixkin_proto.errors import Deadline, Overloaded

from pixkin_server.callers import CALLER, Caller
from pixkin_server.timeouts import DEFAULT_TIMEOUT, MAX_SECONDS

T = TypeVar("T")
R = TypeVar("R")

THREADS = 16
MAX_WAITING = 64
MAX_STREAMS = 8
MAX_UNREAD = 4096  # replies of a stream that its caller has not taken yet
IDLE_SECONDS = 0.25  # a stream that pauses this long has what came so far committed
MAX_IDLE_SECONDS = 60.0  # a stream that pauses this long ends: it holds the right to write its collection
REPLY_SECONDS = 0.5  # kept back from waiting for a lock, so that the answer arrives before the deadline
_END = object()


class Calls:
    """Worker threads for the engine's calls. Streams have threads of their own, so that they never starve searches."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, "pixkin-call")
        self._streams = ThreadPoolExecutor(MAX_STREAMS, "pixkin-stream")
        self._waiting = 0
        self._streaming = 0

    @property
    def waiting(self) -> int:
        """How many calls run or wait for a thread."""
        return self._waiting

    @property
    def streaming(self) -> int:
        """How many streams are open."""
        return self._streaming

    async def run(self, context: grpc.aio.ServicerContext, work: Callable[..., T], *args: Any, **options: Any) -> T:
        """Run a blocking call; raises Overloaded when too many wait, Deadline when the caller's time is over.

        A call whose caller is gone before its turn never runs; one that runs is counted until it is done, and what it
        waits for never begins then.
        """
        if self._waiting >= MAX_WAITING:
            raise Overloaded("the server", self._waiting)
        loop = asyncio.get_running_loop()
        self._waiting += 1
        caller = Caller()
        future = self._pool.submit(_work_for, caller, work, *args, **options)
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._done))
        try:
            async with asyncio.timeout(remaining(context)):  # wait_for of Python 3.11 may swallow that the caller left
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise Deadline("the call") from None
        finally:
            caller.leave()
            del future  # it holds the error that is raised, and the error this frame

    def _done(self) -> None:
        self._waiting -= 1

    async def stream(
        self,
        context: grpc.aio.ServicerContext,
        requests: AsyncIterator[T],
        work: Callable[[Iterator[T | None]], Iterator[R]],
    ) -> AsyncIterator[R]:
        """Feed an async stream through a blocking generator; None among its input says that nothing waits.

        Raises Overloaded, and Deadline when the caller neither sends nor reads for MAX_IDLE_SECONDS. When the caller is
        gone the generator's input ends.
        """
        if self._streaming >= MAX_STREAMS:
            raise Overloaded("streams", self._streaming)
        self._streaming += 1
        stream = _Stream(requests, asyncio.get_running_loop())
        context.add_done_callback(lambda _: stream.gone.set())
        worker = asyncio.get_running_loop().run_in_executor(self._streams, stream.consume, work)
        try:
            async for reply in stream.replies():
                yield reply
        finally:
            stream.gone.set()
            await asyncio.shield(worker)
            self._streaming -= 1

    def close(self) -> None:
        """End the threads once their calls are done."""
        self._pool.shutdown()
        self._streams.shutdown()


def _work_for(caller: Caller, work: Callable[..., T], *args: Any, **options: Any) -> T:
    CALLER.set(caller)
    return work(*args, **options)


def remaining(context: grpc.aio.ServicerContext) -> float:
    """Return the seconds that the caller still waits."""
    left: float | None = context.time_remaining()
    return DEFAULT_TIMEOUT if left is None else min(max(left, 0.0), MAX_SECONDS)


def patience(context: grpc.aio.ServicerContext) -> float:
    """Return the seconds that a call may wait for another writer and still tell its caller who that is."""
    left = remaining(context)
    return left - min(REPLY_SECONDS, left / 2)


class _Stream:
    """One stream between the event loop, where messages come and go, and the thread that works on it."""

    def __init__(self, requests: AsyncIterator[Any], loop: asyncio.AbstractEventLoop) -> None:
        self.gone = Event()
        self._requests, self._loop = requests, loop
        self._unread = Semaphore(MAX_UNREAD)
        self._replies: asyncio.Queue[Any] = asyncio.Queue()

    async def replies(self) -> AsyncIterator[Any]:
        """Yield what the work yields, and raise what it raises."""
        while (reply := await self._replies.get()) is not _END:
            if isinstance(reply, Exception):
                try:
                    raise reply
                finally:
                    del reply  # the error holds this frame
            self._unread.release()
            yield reply

    def consume(self, work: Callable[[Iterator[Any]], Iterator[Any]]) -> None:
        """Run the work to its end, in a thread of its own."""
        try:
            for reply in work(self._pulled()):
                self._wait_for_reader()
                self._reply(reply)
        except Exception as error:  # raised where the replies are awaited
            self._reply(error)
        else:
            self._reply(_END)

    def _reply(self, reply: object) -> None:
        self._loop.call_soon_threadsafe(self._replies.put_nowait, reply)

    def _wait_for_reader(self) -> None:
        end = time.monotonic() + MAX_IDLE_SECONDS
        while not self._unread.acquire(timeout=IDLE_SECONDS) and not self.gone.is_set():
            if time.monotonic() > end:
                raise Deadline("waiting for the caller to read")

    def _pulled(self) -> Iterator[Any]:
        """Yield what comes, when it is wanted; gRPC's flow control holds the sender."""
        coming: Future[Any] | None = None
        last = time.monotonic()
        while not self.gone.is_set():
            coming = coming or asyncio.run_coroutine_threadsafe(self._next(), self._loop)
            try:
                item = coming.result(IDLE_SECONDS)
            except FutureTimeoutError:
                if time.monotonic() - last > MAX_IDLE_SECONDS:
                    raise Deadline("waiting for the caller to send") from None
                yield None
                continue
            coming = None
            if item is _END:
                return
            yield item
            last = time.monotonic()
        if coming is not None:
            coming.cancel()

    async def _next(self) -> Any:
        return await anext(self._requests, _END)
