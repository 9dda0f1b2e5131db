"""Errors as messages and back."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping

from pixkin_proto.errors import Datum, PixkinError
from pixkin_proto.v1 import types_pb2

from pixkin_server.messages.telling import told, without_commands

MAX_SENTENCE = 1200  # bytes: gRPC drops trailing metadata beyond 8 KiB, in which the sentence stands twice and escaped
MAX_DATUM = 512  # bytes of one text: ids are no longer


def error_to_proto(error: PixkinError) -> types_pb2.Error:
    """Return an error as a message, without paths and commands of the server; what a caller made too long is cut."""
    data = {key: json.dumps(_short(value), ensure_ascii=False) for key, value in error.data.items()}
    return types_pb2.Error(
        reason=error.reason, message=_cut(told(without_commands(error.message)), MAX_SENTENCE), data=data
    )


def error_from_proto(message: types_pb2.Error) -> PixkinError:
    """Return the error that a message carries; data that only another version understands are left out."""
    return PixkinError.rebuild(message.reason, message.message, dict(_data(message.data)))


def _data(texts: Mapping[str, str]) -> Iterator[tuple[str, Datum]]:
    for key, text in texts.items():
        with contextlib.suppress(ValueError):
            if key not in {"self", "message"}:
                yield key, json.loads(text)


def _short(value: Datum) -> Datum:
    if isinstance(value, list):
        return [_cut(told(text), MAX_DATUM // 8) for text in value[:12]]
    return _cut(told(value), MAX_DATUM) if isinstance(value, str) else value


def _cut(text: str, most: int) -> str:
    encoded = text.encode("utf-8", "replace")
    return encoded.decode() if len(encoded) <= most else encoded[: most - 3].decode("utf-8", "ignore") + "…"
