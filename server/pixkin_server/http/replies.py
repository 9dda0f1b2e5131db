"""What goes back: messages and errors as JSON, one at a time or a line each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from pixkin_proto.errors import PixkinError, WrongMethod
from starlette.responses import Response

from pixkin_server.http.routes import JSON
from pixkin_server.http.statuses import status_of
from pixkin_server.messages.errors import error_to_proto


def as_dict(message: Message) -> dict[str, Any]:
    """Return a message in the proto3 JSON mapping, with the names of the .proto files and with default values."""
    found: dict[str, Any] = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return found


def as_json(found: Mapping[str, Any]) -> bytes:
    """Return an object as UTF-8 JSON on one line."""
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()


def json_reply(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a reply of JSON; nobody keeps it."""
    return Response(body, status, {"cache-control": "no-store", **(headers or {})}, media_type=JSON)


def error_reply(error: PixkinError) -> Response:
    """Return an error as the message Error in JSON, with its status."""
    headers = {"allow": ", ".join(error.allowed)} if isinstance(error, WrongMethod) else {}
    return json_reply(as_json(as_dict(error_to_proto(error))), status_of(error), headers)
