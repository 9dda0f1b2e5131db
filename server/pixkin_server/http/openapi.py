"""The OpenAPI document: generated from the routes, the messages and what the .proto files say of them."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor
from pixkin_proto.errors import LEAVES, PixkinError
from pixkin_proto.v1 import types_pb2
from starlette.responses import Response

from pixkin_server.http.comments import comments
from pixkin_server.http.endpoint import SERVICES, declared_by, part_of
from pixkin_server.http.incoming import Incoming
from pixkin_server.http.others import OTHERS, Other
from pixkin_server.http.replies import as_json, json_reply
from pixkin_server.http.routes import JSON, LINES, MULTIPART, ROUTES, Body, Route
from pixkin_server.http.schemas import Schema, field_schema, plain_name, reference, schemas
from pixkin_server.http.statuses import status_of
from pixkin_server.metrics import pixkin_version
from pixkin_server.timeouts import MAX_SECONDS

TIMEOUT: Schema = {
    "name": "X-Request-Timeout",
    "in": "header",
    "description": "Seconds that the caller waits; 60 when absent.",
    "schema": {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_SECONDS},
}


class OpenApi:
    """Answers with the document."""

    async def __call__(self, incoming: Incoming) -> Response:
        """Return the document."""
        incoming.query(())
        return json_reply(as_json(document()))


@cache
def document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of all routes."""
    paths: dict[str, Any] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    for other in OTHERS:
        paths.setdefault(other.path, {})["get"] = _other(other)
    messages = [types for route in ROUTES for types in _types(route)]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "pixkin",
            "version": pixkin_version(),
            "description": "Finds the pictures that look like a picture. The messages of the gRPC services in the "
            "proto3 JSON mapping, with the field names of the .proto files.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas([*messages, types_pb2.Error.DESCRIPTOR]),
            "responses": {str(status): _error(status) for status in sorted(_reasons())},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    request, reply = _types(route)
    operation: dict[str, Any] = {
        "operationId": route.name,
        "tags": [route.service],
        "summary": comments()[route.name],
        "parameters": _parameters(route, request),
        "responses": {
            "200": {"description": comments()[plain_name(reply)], "content": _content(route, reply)},
            **_refusals(400, 403, 404, 409, 413, 415, 429, 500, 501, 503, 504),
        },
    }
    if route.body is not Body.NONE:
        operation["requestBody"] = {"required": True, "content": _body(route, request)}
    return operation


def _types(route: Route) -> tuple[Descriptor, Descriptor]:
    return declared_by(route), SERVICES[route.service].methods_by_name[route.rpc].output_type


def _parameters(route: Route, request: Descriptor) -> list[Schema]:
    holder = part_of(request, route.header) if route.header else request
    names = [(name, "path") for name in re.findall(r"\{(\w+)\}", route.path)] + [
        (name, "query") for name in route.query
    ]
    return [_parameter(holder, name, where) for name, where in names] + [TIMEOUT]


def _parameter(holder: Descriptor, name: str, where: str) -> Schema:
    text = {"minLength": 1} if where == "path" else {}
    return {
        "name": name,
        "in": where,
        "required": where == "path",
        "description": comments()[f"{plain_name(holder)}.{name}"],
        "schema": {**field_schema(holder.fields_by_name[name]), **text},
    }


def _body(route: Route, request: Descriptor) -> dict[str, Any]:
    if route.body is Body.LINES:
        line = part_of(request, route.item) if route.item else request
        return {LINES: {"schema": _lines(line)}}
    content: dict[str, Any] = {JSON: {"schema": reference(request)}}
    if route.body is Body.PICTURES:
        content[MULTIPART] = {"schema": _form(request), "encoding": {"request": {"contentType": JSON}}}
    return content


def _form(request: Descriptor) -> Schema:
    picture = {"type": "string", "format": "binary"}
    images = {"type": "array", "items": picture, "description": "Encoded pictures, in the order of their queries."}
    return {
        "type": "object",
        "properties": {"request": reference(request), "image": images},
        "additionalProperties": False,
    }


def _content(route: Route, reply: Descriptor) -> dict[str, Any]:
    return {LINES: {"schema": _lines(reply)}} if route.body is Body.LINES else {JSON: {"schema": reference(reply)}}


def _lines(message: Descriptor) -> Schema:
    about = f"A JSON {plain_name(message)} on each line."
    return {"type": "string", "description": about, "contentMediaType": LINES, "contentSchema": reference(message)}


def _other(other: Other) -> dict[str, Any]:
    names = re.findall(r"\{(\w+)\}", other.path)
    return {
        "operationId": other.name,
        "summary": other.summary,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for name in names
        ],
        "responses": {
            "200": {"description": other.summary, "content": {other.type: {"schema": other.schema}}},
            **({"304": {"description": "The caller has it, as If-None-Match says."}} if names else {}),
            **({"503": {"description": other.otherwise, "content": {other.type: {"schema": other.schema}}}}
               if other.otherwise else {}),
            **_refusals(400, 403, 404, 409, 429, 500, 504, *(() if other.otherwise else (503,))),
        },
    }  # fmt: skip


def _refusals(*statuses: int) -> dict[str, Any]:
    return {str(status): {"$ref": f"#/components/responses/{status}"} for status in statuses}


def _error(status: int) -> dict[str, Any]:
    reasons = _reasons()[status]
    content = {JSON: {"schema": reference(types_pb2.Error.DESCRIPTOR)}}
    return {"description": "Refused: " + ", ".join(reasons), "content": content}


@cache
def _reasons() -> dict[int, list[str]]:
    """The reasons that have each status."""
    found: dict[int, list[str]] = {}
    for reason in LEAVES:
        found.setdefault(status_of(PixkinError.rebuild(reason, "", {})), []).append(reason)
    return found
