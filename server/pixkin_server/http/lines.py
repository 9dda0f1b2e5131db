"""Streams: a JSON message a line, both ways. A line that is none costs its own reply alone, as over gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable

from google.protobuf.message import Message
from pixkin_proto.errors import Deadline, InvalidArgument, PixkinError, TooLarge
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pixkin_server.faults import known_error
from pixkin_server.http import bodies
from pixkin_server.http.binding import bound
from pixkin_server.http.context import CallContext
from pixkin_server.http.endpoint import AT_ONCE, check_writes, declared_by, part_of, request_class, written
from pixkin_server.http.incoming import BODY_SECONDS, Gone, Incoming
from pixkin_server.http.replies import as_dict, as_json
from pixkin_server.http.routes import LINES, Route
from pixkin_server.messages.errors import error_to_proto
from pixkin_server.observing import Observed

MAX_BLANK = 1000
"""Empty lines of a body: they ask for nothing, and a caller can send millions of them."""
LINES_A_TURN = 64  # of the event loop, which all others share
MAX_CHUNKS = 16  # of a body that wait for their turn; then its sender is held
Call = Callable[[AsyncIterable[Message | PixkinError], CallContext], AsyncGenerator[Message, None]]


class LinesEndpoint:
    """A call with many requests and many replies."""

    def __init__(self, route: Route, call: Call, *, writes: bool) -> None:
        self._route, self._call, self._writes = route, call, writes

    async def __call__(self, incoming: Incoming) -> Response:
        """Begin to answer; what is wrong before the first reply is raised, later it is the last line."""
        check_writes(self._route, allowed=self._writes)
        incoming.check_type((LINES,))
        context = incoming.context()
        requests = Requests(self._route, incoming)
        conversation = Conversation(self._call(requests, context), requests, context, incoming.observed)
        await conversation.begin()
        return conversation


class Requests:
    """The messages of a body, as they come: first the header where a call has one, then a message for each line."""

    def __init__(self, route: Route, incoming: Incoming) -> None:
        self._route, self._incoming = route, incoming
        self._message = request_class(route)
        self._kept = 0
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue(MAX_CHUNKS)
        self._messages = self._read()
        self._header = self._first()

    def __aiter__(self) -> AsyncIterator[Message | PixkinError]:
        return self._messages

    async def receive(self) -> None:
        """Take what comes until the caller leaves, which ends this; nothing is taken faster than it is used."""
        more = True
        while True:
            message = await self._incoming.receive()
            if message["type"] == "http.disconnect":
                return
            if more:
                await self._chunks.put(message.get("body", b""))
                more = message.get("more_body", False)
                if not more:
                    await self._chunks.put(None)

    def _first(self) -> Message | None:
        """The header that path and query make. Raises InvalidArgument."""
        query = self._incoming.query(self._route.query)
        if not self._route.header:
            return None
        declared = part_of(declared_by(self._route), self._route.header)
        header = bound(declared, self._incoming.path, query, {})
        return bodies.to_message({self._route.header: header}, self._message())

    async def _read(self) -> AsyncIterator[Message | PixkinError]:
        if self._header is not None:
            yield self._header
        blank = read = 0
        async for line in self._lines():
            read += 1
            if read % LINES_A_TURN == 0:
                await asyncio.sleep(0)
            if line.strip():
                yield self._parsed(line) if len(line) <= AT_ONCE else await asyncio.to_thread(self._parsed, line)
            elif (blank := blank + 1) > MAX_BLANK:
                raise InvalidArgument(f"the body has more than {MAX_BLANK:,} empty lines; send a JSON message a line")

    async def _lines(self) -> AsyncIterator[bytes]:
        line = bytearray()
        while (chunk := await self._chunk()) is not None:
            start = 0
            while (end := chunk.find(b"\n", start)) >= 0:
                line += chunk[start:end]
                yield bytes(line)
                self._incoming.hold(-self._kept)
                self._kept, line, start = 0, bytearray(), end + 1
            line += chunk[start:]
            self._incoming.hold(len(line) - self._kept)
            self._kept = len(line)
            if len(line) > bodies.MAX_JSON:
                raise TooLarge("a line of the request", bodies.MAX_JSON, bodies.ADVICE)
        yield bytes(line)

    async def _chunk(self) -> bytes | None:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await self._chunks.get()
        except TimeoutError:
            raise Deadline("waiting for the caller to send") from None

    def _parsed(self, line: bytes) -> Message | PixkinError:
        try:
            found = bodies.read_json(line)
            return bodies.to_message({self._route.item: found} if self._route.item else found, self._message())
        except PixkinError as error:
            return error


class Conversation(Response):
    """The replies of a stream, a line each; they go out while requests still come in."""

    def __init__(
        self, replies: AsyncGenerator[Message, None], requests: Requests, context: CallContext, observed: Observed
    ) -> None:
        super().__init__(headers={"cache-control": "no-store"}, media_type=LINES)
        del self.headers["content-length"]
        self._replies, self._context, self._observed = replies, context, observed
        self._receiving = asyncio.ensure_future(requests.receive())
        self._first: Message | None = None

    async def begin(self) -> None:
        """Wait for the first reply. Raises what the call raises before it, and Gone."""
        try:
            self._first = await self._next()
        except BaseException:
            await self.end()
            raise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the replies. Raises Gone when their reader leaves."""
        del scope, receive
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            await self._send(send)
        finally:
            await self.end()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send) -> None:
        reply = self._first
        try:
            while reply is not None:
                self._observed.replied(reply)
                line = await written(reply)
                await send({"type": "http.response.body", "body": line + b"\n", "more_body": True})
                reply = await self._next()
        except Gone:
            raise
        except Exception as error:  # what is not an error of ours is told as INTERNAL, and nothing more
            known = known_error(error)
            self._observed.failed(known)
            line = as_json({"failure": as_dict(error_to_proto(known))})
            await send({"type": "http.response.body", "body": line + b"\n", "more_body": True})

    async def _next(self) -> Message | None:
        """The next reply, None after the last. Raises Deadline, Gone, and what the call raises."""
        coming = asyncio.ensure_future(anext(self._replies, None))
        try:
            await asyncio.wait(
                (coming, self._receiving), return_when=asyncio.FIRST_COMPLETED, timeout=self._context.time_remaining()
            )
            if coming.done():
                return coming.result()
            raise Gone if self._receiving.done() else Deadline("the call")
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)

    async def end(self) -> None:
        """Stop the call, and take nothing more."""
        self._context.done()
        self._receiving.cancel()
        await asyncio.gather(self._receiving, return_exceptions=True)
        await self._replies.aclose()
