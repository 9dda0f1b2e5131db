"""One generic handler: a route's request becomes the message of its call, and the reply JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from pixkin_proto.errors import TooLarge, WritesDisabled
from pixkin_proto.v1 import collections_pb2, embedding_pb2, search_pb2
from starlette.responses import Response

from pixkin_server.http import bodies
from pixkin_server.http.binding import bound
from pixkin_server.http.context import CallContext
from pixkin_server.http.incoming import Incoming
from pixkin_server.http.replies import as_dict, as_json, json_reply
from pixkin_server.http.routes import MULTIPART, Body, Route
from pixkin_server.interceptors import checked_reply
from pixkin_server.observing import Observed
from pixkin_server.values import JsonValues

SERVICES: Mapping[str, ServiceDescriptor] = {
    name: file.DESCRIPTOR.services_by_name[name]
    for file, name in ((embedding_pb2, "Embedding"), (search_pb2, "Search"), (collections_pb2, "Collections"))
}
AT_ONCE = 64 * 1024
"""Bytes that are turned into messages or JSON in the event loop; more is done in a thread."""


def declared_by(route: Route) -> Descriptor:
    """Return how a route's request is declared."""
    return SERVICES[route.service].methods_by_name[route.rpc].input_type


def part_of(declared: Descriptor, field: str) -> Descriptor:
    """Return how the message in a field is declared."""
    found = declared.fields_by_name[field].message_type
    if found is None:
        raise TypeError(f"{declared.full_name}.{field} is no message")
    return found


def request_class(route: Route) -> type[Message]:
    """Return the class of a route's request."""
    return GetMessageClass(declared_by(route))


class Endpoint:
    """A call with one request and one reply. `call` is the method of the very servicer that gRPC calls."""

    def __init__(self, route: Route, call: Callable[[Any, Any], Any], *, writes: bool) -> None:
        self._route, self._call, self._writes = route, call, writes
        self._message = request_class(route)

    async def __call__(self, incoming: Incoming) -> Response:
        """Answer a request. Raises what the call raises, and what is wrong with the request."""
        check_writes(self._route, allowed=self._writes)
        context = incoming.context()
        message = await self._request(incoming)
        try:
            work = self._reply(message, context, incoming.observed)
            return json_reply(await incoming.attended(work, seconds=context.time_remaining()))
        finally:
            context.done()

    async def _reply(self, message: Message, context: CallContext, observed: Observed) -> bytes:
        reply = checked_reply(await self._call(message, context))
        observed.replied(reply)
        return await written(reply)

    async def _request(self, incoming: Incoming) -> Message:
        query = incoming.query(self._route.query)
        body, images = await self._body(incoming)
        found = bound(declared_by(self._route), incoming.path, query, body)
        message = await _made(found, self._message(), incoming)
        if images is not None:
            bodies.INTO[message.DESCRIPTOR.name](message, images)
        if message.ByteSize() > bodies.MAX_JSON:
            raise TooLarge("the request", bodies.MAX_JSON, bodies.ADVICE)
        return message

    async def _body(self, incoming: Incoming) -> tuple[dict[str, Any], list[bytes] | None]:
        """The JSON of a request, and the pictures of a form, None where it is no form."""
        if self._route.body is Body.NONE:
            return {}, None
        incoming.check_type(self._route.body.types)
        if incoming.content_type == MULTIPART:
            return await bodies.read_form(incoming)
        return await _read_json(incoming), None


def check_writes(route: Route, *, allowed: bool) -> None:
    """Raise WritesDisabled for a route that changes something where that is not allowed."""
    if route.writes and not allowed:
        raise WritesDisabled("this server changes nothing; start it with --allow-writes, and without --read-only")


async def written(reply: Message) -> bytes:
    """Return a reply as JSON."""
    if reply.ByteSize() <= AT_ONCE:
        return as_json(as_dict(reply))
    return await asyncio.to_thread(lambda: as_json(as_dict(reply)))


async def _read_json(incoming: Incoming) -> dict[str, Any]:
    body = await incoming.body(bodies.MAX_JSON, bodies.ADVICE, JsonValues().add)
    return bodies.read_json(body) if len(body) <= AT_ONCE else await asyncio.to_thread(bodies.read_json, body)


async def _made(found: dict[str, Any], message: Message, incoming: Incoming) -> Message:
    if incoming.held <= AT_ONCE:
        return bodies.to_message(found, message)
    return await asyncio.to_thread(bodies.to_message, found, message)
