"""The values of path and query string, which belong to the request's message like its body."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from pixkin_proto.errors import InvalidArgument

TRUTHS = {"true": True, "1": True, "false": False, "0": False}


def bound(
    declared: Descriptor, path: Mapping[str, str], query: Sequence[tuple[str, str]], body: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the object of a message: its body, with path and query put in.

    Raises InvalidArgument when the body names another value than the path, a query parameter came twice that is one
    value, or is no truth value where one is wanted. What else is wrong shows when the message is made.
    """
    found = {**body}
    for name, value in path.items():
        if body.get(name, value) != value:
            raise InvalidArgument(f"the body's {name} is {str(body[name])[:100]!r}, and the path's {value[:100]!r}")
        found[name] = value
    for name, text in query:
        field = declared.fields_by_name[name]
        if field.is_repeated:
            found.setdefault(name, []).append(text)
        elif name in found:
            raise InvalidArgument(f"the query parameter {name} came twice; give it once")
        else:
            found[name] = _truth(name, text) if field.type == FieldDescriptor.TYPE_BOOL else text
    return found


def _truth(name: str, text: str) -> bool:
    if text not in TRUTHS:
        raise InvalidArgument(f"the query parameter {name} is true or false, not {text[:100]!r}")
    return TRUTHS[text]
