"""Streams from the client: what cannot be sent keeps its place, and costs nothing but itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pixkin_proto.errors import InvalidArgument, PixkinError
from pixkin_proto.kept import without_frames

T = TypeVar("T")
MAX_MESSAGE_BYTES = 17 * 1024 * 1024


@dataclass(frozen=True)
class Refused(Generic[T]):
    """An item that was not sent, and why."""

    item: T
    error: PixkinError


class Sending(Generic[T]):
    """Turns items into requests, and brings replies and refusals back in the order of the items.

    gRPC takes the requests in a thread of its own and loses what they raise; here it is kept for the caller.
    """

    def __init__(self, items: Iterable[T], make_request: Callable[[T], Any]) -> None:
        self._items, self._make_request = items, make_request
        self._places: deque[Refused[T] | None] = deque()
        self._raised: Exception | None = None

    def requests(self) -> Iterator[Any]:
        """Yield a request for each item that can be sent."""
        try:
            for item in self._items:
                try:
                    request = _sendable(self._make_request(item))
                except PixkinError as error:
                    self._places.append(Refused(item, without_frames(error)))
                except ValueError as error:  # protobuf's for what its fields cannot hold
                    self._places.append(Refused(item, InvalidArgument(f"this cannot be sent: {error}")))
                else:
                    self._places.append(None)
                    yield request
        except Exception as error:  # the caller's own iterator may raise anything
            self._raised = error

    def places(self, replies: Iterator[Any]) -> Iterator[Any]:
        """Yield a reply or a Refused for each item; then raise what the items raised."""
        try:
            for reply in replies:
                while (refused := self._places.popleft()) is not None:
                    yield refused
                yield reply
            yield from (refused for refused in self._places if refused is not None)
            if self._raised is not None:
                raise self._raised
        finally:
            self._raised = None  # its traceback holds this object, and the caller's items


def _sendable(request: Any) -> Any:
    if request.ByteSize() > MAX_MESSAGE_BYTES:
        raise InvalidArgument(
            f"a message has {request.ByteSize():,} bytes and the limit is {MAX_MESSAGE_BYTES:,}; send less at a time"
        )
    return request
