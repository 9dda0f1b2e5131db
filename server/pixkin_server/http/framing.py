"""HTTP/1.1 off the wire, so many events at a time, and not from those who make much work with few bytes."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import h11

MAX_HEAD = 64 * 1024
MAX_LINES = 200
"""Of a head, and of what follows a body in chunks: each costs as much as a kilobyte of a body."""
MAX_EVENTS = 8
"""Parts of a body in one turn of the event loop: with parts of one byte they take a millisecond."""
FREE_CHUNKS = 256
MEAN_CHUNK = 32
"""Bytes that chunks have on average beyond the first ones: a chunk takes 30 µs, however little is in it."""


class Framing(h11.Connection):
    """h11's connection of a server.

    held: whether events wait for the next turn, which `turn` begins · refusal: what is wrong beyond what h11 says.
    """

    def __init__(self) -> None:
        super().__init__(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self.refusal = ""
        self._events = self._chunks = self._bytes = 0

    @property
    def held(self) -> bool:
        """Whether there may be more events, for which this turn has no time."""
        return self._events >= MAX_EVENTS

    def turn(self) -> None:
        """Begin the next turn."""
        self._events = 0

    def next_event(self) -> Any:
        """Return the next event, NEED_DATA too when it must wait for the next turn. Raises h11.RemoteProtocolError."""
        if self.held:
            return h11.NEED_DATA
        if self.their_state is h11.IDLE:
            self._check_lines()
        event = super().next_event()
        if event is h11.NEED_DATA:
            self._check_lines()
        elif isinstance(event, h11.Request):
            self._chunks = self._bytes = 0
            return _origin_form(event)
        elif isinstance(event, h11.Data):
            self._count(len(event.data))
        return event

    def _check_lines(self) -> None:
        lines = self.trailing_data[0].split(b"\n", MAX_LINES)
        if len(lines) > MAX_LINES and not {b"", b"\r"} & set(lines[:MAX_LINES]):
            self._refuse(f"the request has more than {MAX_LINES} headers; send fewer")

    def _count(self, size: int) -> None:
        self._events += 1
        self._chunks += 1
        self._bytes += size
        if self._chunks > FREE_CHUNKS + self._bytes // MEAN_CHUNK:
            self._refuse(
                f"the body comes in chunks of less than {MEAN_CHUNK} bytes on average; send larger ones, or a "
                "Content-Length"
            )

    def _refuse(self, why: str) -> None:
        self.refusal = why
        raise h11.RemoteProtocolError(why)


def _origin_form(request: h11.Request) -> h11.Request:
    """Return a request to http://HOST/PATH as one to /PATH: the host in the target goes before the header's."""
    if not request.target.lower().startswith((b"http://", b"https://")):
        return request
    try:
        parts = urlsplit(request.target)
    except ValueError as error:
        raise h11.RemoteProtocolError(str(error)) from None
    target = (parts.path or b"/") + (b"?" + parts.query if parts.query else b"")
    headers = [(b"host", parts.netloc), *((name, value) for name, value in request.headers if name != b"host")]
    return h11.Request(method=request.method, headers=headers, target=target)
