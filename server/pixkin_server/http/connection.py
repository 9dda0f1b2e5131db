"""One connection: its caller must say what it wants in time, and there are only so many."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from pixkin_proto.errors import InvalidArgument, Overloaded, PixkinError
from uvicorn.protocols.http.h11_impl import H11Protocol

from pixkin_server.http.framing import Framing
from pixkin_server.http.guard import HEADERS
from pixkin_server.http.incoming import LINGER_SECONDS
from pixkin_server.http.replies import error_reply

MAX_CONNECTIONS = 256
HEADER_SECONDS = 10.0
"""In which the head of a request must have come, once a connection is open or its first byte is there."""
STALL_SECONDS = 20.0
"""How long a caller may read nothing of a reply that waits for it."""
READ_SIZE = 16 * 1024
"""Bytes that a connection is given in one turn of the event loop, which all others share."""
TURN_SECONDS = 0.005
"""Until the next turn of a connection whose body has more parts than one turn takes."""


class Connection(H11Protocol, asyncio.BufferedProtocol):
    """uvicorn's connection with the limits that it has none of."""

    conn: Framing

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.conn = Framing()
        self._read = bytearray(READ_SIZE)
        self._turning: asyncio.TimerHandle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._lingering: asyncio.TimerHandle | None = None
        self._stalling: asyncio.TimerHandle | None = None
        self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Wait for a request, or refuse when there are too many connections."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            self._refuse(Overloaded("their connections to be served", len(self.connections)))
            self.transport.close()
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all clocks."""
        for timer in (self._timer, self._lingering, self._stalling, self._turning):
            if timer:
                timer.cancel()
        super().connection_lost(exc)

    def get_buffer(self, sizehint: int) -> bytearray:
        """Say where the next bytes go; there are no more of them at a time."""
        del sizehint
        return self._read

    def buffer_updated(self, nbytes: int) -> None:
        """Take the bytes that have come."""
        self.data_received(bytes(self._read[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Take what comes; the clock runs while a head is incomplete."""
        if self._refused or self.transport.is_closing():
            return
        if self._turning is None:
            self.conn.turn()
        super().data_received(data)
        self._expect()

    def handle_events(self) -> None:
        """Handle what has come, as much as one turn takes; the rest waits, and so does what is on the way."""
        super().handle_events()
        if self.conn.held and self._turning is None and not self._refused:
            self.flow.pause_reading()
            self._turning = self.loop.call_later(TURN_SECONDS, self._turn)

    def _turn(self) -> None:
        self._turning = None
        if self._refused or self.transport.is_closing():
            return
        self.conn.turn()
        self.flow.resume_reading()
        self.handle_events()
        self._expect()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, and end; what still comes is dropped, or its sender would not get to read why."""
        self.loop.call_later(LINGER_SECONDS, self.transport.close)
        self.flow.resume_reading()
        self._refuse(InvalidArgument(self.conn.refusal or f"{msg.rstrip('.')}; send HTTP/1.1"))

    def on_response_complete(self) -> None:
        """Read on for a while when the caller still sends a body that nobody wants."""
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY and not self._lingering:
            self._lingering = self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def pause_writing(self) -> None:
        """Hold the reply; the clock runs while its reader takes none of it."""
        super().pause_writing()
        self._watch_reader(-1)

    def resume_writing(self) -> None:
        """Go on with the reply."""
        super().resume_writing()
        if self._stalling:
            self._stalling.cancel()

    def _watch_reader(self, before: int) -> None:
        waiting = self.transport.get_write_buffer_size()
        if waiting == before:
            self.transport.abort()
        else:
            self._stalling = self.loop.call_later(STALL_SECONDS, self._watch_reader, waiting)

    def _expect(self) -> None:
        waits = self.cycle is None or self.cycle.response_complete
        if waits and self._timer is None:
            self._timer = self.loop.call_later(HEADER_SECONDS, self._too_late)
        elif not waits and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_late(self) -> None:
        self._timer = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()

    def _refuse(self, error: PixkinError) -> None:
        """Answer by hand, where no request could be made of what came, and say no more."""
        self._refused = True
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            response = error_reply(error)
            headers = [*response.raw_headers, *((key.encode(), value.encode()) for key, value in HEADERS.items())]
            head = h11.Response(status_code=response.status_code, headers=[*headers, (b"connection", b"close")])
            self.transport.write(self.conn.send(head) or b"")
            self.transport.write(self.conn.send(h11.Data(data=bytes(response.body))) or b"")
            self.transport.write(self.conn.send(h11.EndOfMessage()) or b"")
        if self.transport.can_write_eof():
            self.transport.write_eof()
