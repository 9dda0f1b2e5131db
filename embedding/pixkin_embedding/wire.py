"""As much of the protobuf wire format as an extractor file needs (protobuf.dev/programming-guides/encoding)."""

from __future__ import annotations

from collections.abc import Iterator

_BYTES = 2


def fields(data: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Yield (field number, value) of one protobuf message; ValueError when it is not one."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == _BYTES:
            size, at = _varint(data, at)
        elif wire == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"unexpected wire type {wire}")
        if number == 0 or at + size > len(data):
            raise ValueError("a field is cut off")
        yield number, data[at : at + size]
        at += size


def strings(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield (field number, bytes) of the fields of one message that are bytes, strings or messages."""
    return ((number, value) for number, value in fields(data) if isinstance(value, memoryview))


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise ValueError("a number is too long")


def bytes_field(number: int, content: bytes) -> bytes:
    """Return one field as it is appended to a message."""
    return _encode_varint(number << 3 | _BYTES) + _encode_varint(len(content)) + content


def _encode_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes([*encoded, value])
