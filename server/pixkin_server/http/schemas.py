"""JSON Schema of the messages, as the proto3 JSON mapping writes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from pixkin_server.http.comments import comments

Schema = dict[str, Any]
_INT64 = {"type": "string", "pattern": "^-?[0-9]{1,18}$", "description": "A whole number of 64 bits, as text."}
_INT32 = {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}
SCALARS: dict[int, Schema] = {
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64", "pattern": "^[A-Za-z0-9+/]*={0,2}$"},
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_DOUBLE: {"type": "number"},
    FieldDescriptor.TYPE_INT32: _INT32,
    FieldDescriptor.TYPE_INT64: _INT64,
}


def schemas(messages: Iterable[Descriptor]) -> dict[str, Schema]:
    """Return the schemas of messages and of all that they hold, by name."""
    found: dict[str, Schema] = {}
    waiting = list(messages)
    while waiting:
        message = waiting.pop()
        if plain_name(message) not in found:
            found[plain_name(message)] = _message(message)
            waiting += [held for field in message.fields for held in _held(field)]
    return dict(sorted(found.items()))


def reference(message: Descriptor) -> Schema:
    """Return a reference to a message's schema."""
    return {"$ref": f"#/components/schemas/{plain_name(message)}"}


def field_schema(field: FieldDescriptor) -> Schema:
    """Return the schema of one field, without what is said of it."""
    if (entry := _map_entry(field)) is not None:
        return {"type": "object", "additionalProperties": _single(entry.fields_by_name["value"])}
    return {"type": "array", "items": _single(field)} if field.is_repeated else _single(field)


def _message(message: Descriptor) -> Schema:
    said = comments()
    properties = {}
    for field in message.fields:
        about = said.get(f"{plain_name(message)}.{field.name}", "")
        properties[field.name] = {**field_schema(field), "description": about}
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    for group in message.oneofs:
        names = [field.name for field in group.fields]
        if len(names) > 1:
            several = [[one, other] for at, one in enumerate(names) for other in names[at + 1 :]]
            schema.setdefault("allOf", []).append({"not": {"anyOf": [{"required": pair} for pair in several]}})
    return {"description": said.get(plain_name(message), ""), **schema}


def _single(field: FieldDescriptor) -> Schema:
    if field.message_type is not None:
        return reference(field.message_type)
    if field.enum_type is not None:
        return _enum(field.enum_type)
    return dict(SCALARS[field.type])


def _enum(enum: EnumDescriptor) -> Schema:
    return {"type": "string", "enum": [value.name for value in enum.values]}


def _held(field: FieldDescriptor) -> list[Descriptor]:
    if (entry := _map_entry(field)) is not None:
        return _held(entry.fields_by_name["value"])
    return [] if field.message_type is None else [field.message_type]


def _map_entry(field: FieldDescriptor) -> Descriptor | None:
    found = field.message_type
    return found if found is not None and found.GetOptions().map_entry else None


def plain_name(message: Descriptor) -> str:
    """Return the name without the package, as the comments have it."""
    return message.full_name.removeprefix(f"{message.file.package}.")
