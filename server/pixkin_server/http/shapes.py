"""Whether an object has the shape of a message in the proto3 JSON mapping, in words that name the field."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from pixkin_proto.errors import InvalidArgument, listed
from pixkin_proto.suggestions import did_you_mean
from pixkin_scoring.items import keeps_number

from pixkin_server.values import check_entries

BASE64 = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")
"""With either alphabet, as the mapping has it."""
LONG = 60


def _is_whole(value: Any, bits: int) -> bool:
    if isinstance(value, str):
        return bool(re.fullmatch(r"-?[0-9]{1,20}", value)) and _is_whole(int(value), bits)
    whole = isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1
    return whole and -(2 ** (bits - 1)) <= value < 2 ** (bits - 1)


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        written = re.fullmatch(r"-?([0-9]{1,400}(?P<rest>(\.[0-9]*)?([eE][-+]?[0-9]+)?)|Infinity)|NaN", value)
        return written is not None and (written["rest"] != "" or keeps_number(int(value)))
    return isinstance(value, float) or (not isinstance(value, bool) and keeps_number(value))


KINDS: Mapping[int, tuple[str, Callable[[Any], bool]]] = {
    FieldDescriptor.TYPE_BOOL: ("true or false", lambda value: isinstance(value, bool)),
    FieldDescriptor.TYPE_STRING: ("a text", lambda value: isinstance(value, str)),
    FieldDescriptor.TYPE_BYTES: ("base64", lambda value: isinstance(value, str) and bool(BASE64.fullmatch(value))),
    FieldDescriptor.TYPE_ENUM: ("a name", lambda value: isinstance(value, str | int)),
    FieldDescriptor.TYPE_INT32: ("a whole number of 32 bits", lambda value: _is_whole(value, 32)),
    FieldDescriptor.TYPE_INT64: ("a whole number of 64 bits", lambda value: _is_whole(value, 64)),
    FieldDescriptor.TYPE_DOUBLE: ("a number, and at most 2**53 if it is whole", _is_number),
}
"""What a value of each type that messages have is called, and whether JSON has one."""


def check_shape(declared: Any, found: Any, place: str = "") -> None:
    """Raise InvalidArgument for what cannot be read as a message.

    declared: the message's Descriptor, as either implementation of protobuf has it · place: the path to it.
    """
    if not isinstance(found, Mapping):
        raise _refused(place or "the request", "an object", found)
    fields = {name: field for field in declared.fields for name in (field.name, field.json_name)}
    for name, value in found.items():
        at = f"{place}.{name}" if place else str(name)
        if name not in fields:
            known = listed(field.name for field in declared.fields)
            raise InvalidArgument(
                f"{declared.name} has no field {at[:LONG]!r}{did_you_mean(str(name), fields)}; it has {known or 'none'}"
            )
        if value is not None:
            _check_field(fields[name], value, at)


def _check_field(field: Any, value: Any, place: str) -> None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        if not isinstance(value, Mapping):
            raise _refused(place, "an object", value)
        for key, each in value.items():
            _check_value(field.message_type.fields_by_name["value"], each, f"{place}.{key}")
    elif not field.is_repeated:
        _check_value(field, value, place)
    elif isinstance(value, list):
        check_entries(field, len(value))
        for at, each in enumerate(value):
            _check_value(field, each, f"{place}[{at}]")
    else:
        raise _refused(place, "a list", value)


def _check_value(field: Any, value: Any, place: str) -> None:
    if field.message_type is not None:
        check_shape(field.message_type, value, place)
        return
    what, fits = KINDS[field.type]
    if not fits(value):
        prefix = " without the data: prefix" if what == "base64" and str(value).startswith("data:") else ""
        raise _refused(place, what + prefix, value)


def _refused(place: str, what: str, value: Any) -> InvalidArgument:
    came = json.dumps(value, ensure_ascii=False)
    return InvalidArgument(f"{place} is {what}, not {came if len(came) <= LONG else came[:LONG] + '…'}")
