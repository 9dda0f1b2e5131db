"""A request as its handler sees it: decoded path, query and headers, a body that is read within limits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from pixkin_proto.errors import Deadline, InvalidArgument, Overloaded, PixkinError, TooLarge, UnsupportedType
from starlette.datastructures import Headers
from starlette.types import Receive, Scope

from pixkin_server.http.context import HEADER, CallContext, seconds_asked
from pixkin_server.observing import Observed

T = TypeVar("T")

BODY_SECONDS = 60.0
"""In which a body must have come, and each message of a stream."""
LINGER_SECONDS = 2.0
"""How long the rest of a body is read and dropped that was refused, so that its sender gets to read why."""
MAX_BUFFERED = 512 * 2**20
"""Bytes of all bodies that are being read or answered."""


class Gone(Exception):
    """The caller has left; nobody waits for an answer."""


class Buffered:
    """The bytes that the bodies of all requests hold, so that many large ones together are refused."""

    def __init__(self) -> None:
        self.size = 0
        self.bodies = 0

    def take(self, size: int) -> None:
        """Count bytes. Raises Overloaded when there are too many."""
        if self.size + size > MAX_BUFFERED:
            raise Overloaded("reading their requests", self.bodies)
        self.size += size


class Incoming:
    """One request."""

    def __init__(self, scope: Scope, receive: Receive, buffered: Buffered, observed: Observed) -> None:
        self.method: str = scope["method"]
        self.raw_path: str = scope["raw_path"].decode("ascii", "replace")
        self.headers = Headers(scope=scope)
        self.scope = scope
        self.receive = receive
        self.observed = observed
        self.path: Mapping[str, str] = {}
        self._query: bytes = scope["query_string"]
        self._buffered = buffered
        self.held = 0
        self._unread = False

    @property
    def content_type(self) -> str:
        """The type of the body without its parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def check_type(self, allowed: Sequence[str]) -> None:
        """Raise UnsupportedType unless the body says to be of one of these types, and not packed."""
        packed = ", ".join(self.headers.getlist("content-encoding")).strip().lower()
        if packed not in {"", "identity"}:
            raise UnsupportedType(f"{allowed[0]} packed with {packed[:100]}", allowed)
        if self.content_type not in allowed:
            raise UnsupportedType(self.headers.get("content-type", "")[:100], allowed)

    def context(self) -> CallContext:
        """Return the call's context, its time running from now. Raises InvalidArgument."""
        return CallContext(seconds_asked(self.headers.get(HEADER)))

    def query(self, allowed: Sequence[str]) -> list[tuple[str, str]]:
        """Return the fields of the query string in their order. Raises InvalidArgument for one that is not allowed."""
        try:
            text = self._query.decode("ascii")
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=1000, errors="strict") if text else []
        except ValueError:
            raise InvalidArgument("the query string is not at most 1,000 fields of percent-encoded UTF-8") from None
        for key, _ in pairs:
            if key not in allowed:
                known = f"it takes: {', '.join(allowed)}" if allowed else "it takes none"
                raise InvalidArgument(f"this path has no query parameter {key[:100]!r}; {known}")
        return pairs

    def check_length(self, limit: int, advice: str) -> None:
        """Raise TooLarge when the body says to be longer than that."""
        declared = self.headers.get("content-length", "0")
        if not declared.isdecimal() or int(declared) > limit:
            raise TooLarge("the request's body", limit, advice)

    async def body(self, limit: int, advice: str, check: Callable[[bytes], None] = lambda _: None) -> bytes:
        """Return the body; `check` is shown each part as it comes, and may refuse it.

        Raises TooLarge, before anything is read where its length was said, Overloaded, Deadline when it comes too
        slowly, and Gone.
        """
        self.check_length(limit, advice)
        self._buffered.bodies += 1
        try:
            async with asyncio.timeout(self._patience()):
                return await self._read(limit, advice, check)
        except TimeoutError:
            raise Deadline("receiving the request") from None
        except PixkinError:
            if self._unread:
                await self._drop()
            raise
        finally:
            self._buffered.bodies -= 1

    async def _drop(self) -> None:
        """Read on for a while and keep nothing: closing a connection that still sends loses the answer on its way."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while (await self.receive()).get("more_body", False):
                    pass

    async def _read(self, limit: int, advice: str, check: Callable[[bytes], None]) -> bytes:
        chunks = []
        more = True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise Gone
            chunk, more = message.get("body", b""), message.get("more_body", False)
            self._unread = more
            self.hold(len(chunk))
            if self.held > limit:
                raise TooLarge("the request's body", limit, advice)
            check(chunk)
            chunks.append(chunk)
        return b"".join(chunks)

    async def attended(self, work: Coroutine[Any, Any, T], *, seconds: float | None = None) -> T:
        """Return what the work returns, and cancel it when nobody waits for it any more.

        Raises Gone when the caller leaves before, and Deadline after some seconds, None for any time.
        """
        working = asyncio.ensure_future(work)
        leaving = asyncio.ensure_future(self._left())
        try:
            await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED, timeout=seconds)
            if working.done():
                return working.result()
            raise Gone if leaving.done() else Deadline("the call")
        finally:
            leaving.cancel()
            working.cancel()
            await asyncio.gather(working, leaving, return_exceptions=True)

    def release(self) -> None:
        """Give the bytes of the body back."""
        self._buffered.size -= self.held
        self.held = 0

    def hold(self, size: int) -> None:
        """Count bytes of the body that are kept; a number below 0 gives some back. Raises Overloaded."""
        self._buffered.take(size)
        self.held += size

    def _patience(self) -> float:
        asked = seconds_asked(self.headers.get(HEADER))
        return BODY_SECONDS if asked is None else min(asked, BODY_SECONDS)

    async def _left(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass
