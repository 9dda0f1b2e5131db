"""From the bytes of a request to the message that a service takes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message
from pixkin_proto.errors import InvalidArgument
from pixkin_proto.v1 import embedding_pb2, search_pb2
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from pixkin_server.http.incoming import Incoming
from pixkin_server.http.shapes import check_shape
from pixkin_server.values import JsonValues

MIB = 2**20
MAX_JSON = 17 * MIB
MAX_FORM = MAX_JSON + MIB
"""Parts have headings, and the request's JSON is longer than its message."""
ADVICE = "send less at a time, pictures as multipart/form-data, or use gRPC"
CHUNK = 16 * 1024
"""Of a form, in one turn of the event loop."""
SLOW_CHUNK = 1024
SLOW_SECONDS = 0.005
MAX_RETURNS = 256
"""Of a chunk, above which it is read in parts, with pauses: each may begin a boundary. In a picture there are 64."""
MAX_PARTS = 200


def read_json(body: bytes) -> dict[str, Any]:
    """Return the object that a body is, an empty one where there is none. Raises InvalidArgument."""
    if not body.strip():
        return {}
    try:
        JsonValues().add(body)
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"the body is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise InvalidArgument(f"the body is a JSON object, not {type(found).__name__}")
    return found


def to_message(found: dict[str, Any], message: Message) -> Message:
    """Fill a message from an object in the proto3 JSON mapping. Raises InvalidArgument naming the field."""
    check_shape(message.DESCRIPTOR, found)
    try:
        return ParseDict(found, message)
    except (ParseError, RecursionError) as error:
        said = str(error).partition("\n")[0].rstrip(".")
        raise InvalidArgument(f"the request is no {message.DESCRIPTOR.name}: {said}; see /v1/openapi.json") from None


async def read_form(incoming: Incoming) -> tuple[dict[str, Any], list[bytes]]:
    """Return the JSON of the part `request` and the bytes of the parts `image`, in their order.

    Raises InvalidArgument, and what reading a body raises.
    """
    body = await incoming.body(MAX_FORM, ADVICE)
    parser = _Parser(incoming.headers, _chunks(body), max_files=MAX_PARTS, max_fields=1, max_part_size=MAX_JSON)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise InvalidArgument(f"the multipart body cannot be read: {error.message}") from None
    try:
        if not parser.ended:
            raise InvalidArgument("the multipart body is cut off: the boundary at its end is missing")
        return await _parts(form)
    finally:
        await form.close()


class _Parser(MultiPartParser):
    """starlette's parser, which notes whether the end has come."""

    spool_max_size = MAX_FORM  # the bytes are in memory already; nothing of them goes to a disk
    ended = False

    def on_end(self) -> None:
        self.ended = True


async def _chunks(body: bytes) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(body), CHUNK):
        end = min(start + CHUNK, len(body))
        step = SLOW_CHUNK if body.count(b"\r", start, end) > MAX_RETURNS else CHUNK
        for at in range(start, end, step):
            yield body[at : min(at + step, end)]
            await asyncio.sleep(0 if step == CHUNK else SLOW_SECONDS)  # other calls go on meanwhile


async def _parts(form: FormData) -> tuple[dict[str, Any], list[bytes]]:
    requests, images = [], []
    for name, value in form.multi_items():
        if name == "request":
            requests.append(await value.read() if isinstance(value, UploadFile) else value.encode())
        elif name != "image":
            raise InvalidArgument(f"the form has a part {name[:100]!r}; it takes `request` (JSON) and `image` (files)")
        elif not isinstance(value, UploadFile):
            raise InvalidArgument("the part `image` is no file; give it a file name, as curl does for -F image=@FILE")
        else:
            images.append(await value.read())
    if len(requests) > 1:
        raise InvalidArgument("the form has several parts `request`; send one")
    return read_json(requests[0]) if requests else {}, images


def into_search(message: search_pb2.SearchRequest, images: Sequence[bytes]) -> None:
    """Put pictures into the queries that are pictures without data; without any queries each is one of its own."""
    if not message.queries:
        message.queries.extend(search_pb2.Query(image=search_pb2.ImageQuery(data=image)) for image in images)
        return
    waiting = [query for query in message.queries if query.WhichOneof("source") == "image" and not query.image.data]
    if len(waiting) != len(images):
        raise InvalidArgument(
            f"the form has {len(images)} parts `image`, and {len(waiting)} queries of the request wait for one; "
            'write such a query as {"image": {}}'
        )
    for query, image in zip(waiting, images, strict=True):
        query.image.data = image


def into_embed(message: embedding_pb2.EmbedRequest, images: Sequence[bytes]) -> None:
    """Put the one picture into its place."""
    if len(images) != 1 or message.image:
        raise InvalidArgument(f"the form has {len(images)} parts `image`; send one, and none in the request's JSON")
    message.image = images[0]


INTO: dict[str, Callable[[Any, Sequence[bytes]], None]] = {
    "SearchRequest": into_search,
    "EmbedRequest": into_embed,
}
"""How the pictures of a form get into a message, by its name."""
