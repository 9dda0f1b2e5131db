"""How many values a request has: seen in its bytes, before memory and time are spent on any of them."""

from __future__ import annotations

from functools import cache
from typing import Any

from pixkin_proto.errors import InvalidArgument, InvalidFilter, InvalidPlan
from pixkin_scoring.filters import MAX_CONDITIONS
from pixkin_scoring.plan import MOST_COMPARED, MOST_RERANKERS

from pixkin_server.counts import MAX_DESCRIPTORS, MAX_ENTRIES, MAX_EXAMPLES, MAX_SEARCHES

MAX_VALUES = 100_000
"""Of one request: reading them takes 0.1 s, in which other calls wait."""
SMALL = 64 * 1024
"""Bytes of a message that is read in 2 ms whatever it holds."""
ENTRIES = {
    "SearchRequest.queries": ("a search", MAX_EXAMPLES, "examples"),
    "SearchBatchRequest.requests": ("a batch", MAX_SEARCHES, "searches"),
    "Plan.descriptors": ("a plan", MOST_COMPARED, "descriptors"),
    "Plan.rerank": ("a plan", MOST_RERANKERS, "re-ranking stages"),
    "Plan.filter": ("a plan", MAX_CONDITIONS, "conditions in its filter"),
    "VectorQuery.vectors": ("a query", MAX_DESCRIPTORS, "vectors"),
    "EmbedRequest.descriptors": ("a reply", MAX_DESCRIPTORS, "descriptors"),
    "CreateRequest.extractors": ("a collection", MAX_DESCRIPTORS, "extractors"),
    "CreateRequest.descriptors": ("a collection", MAX_DESCRIPTORS, "descriptors"),
    "NewItem.vectors": ("an item", MAX_DESCRIPTORS, "vectors"),
    "UpdateRequest.items": ("an update", MAX_ENTRIES, "items"),
    "RemoveRequest.ids": ("a removal", MAX_ENTRIES, "ids"),
    "MissingRequest.files": ("a look-up", MAX_ENTRIES, "files"),
}
"""What has how many entries in its list, by message and field; another list has MAX_ENTRIES."""
LEAVES: dict[str, type[InvalidArgument | InvalidPlan | InvalidFilter]] = {
    "Plan.descriptors": InvalidPlan,
    "Plan.rerank": InvalidPlan,
    "Plan.filter": InvalidFilter,
}
OF_ONE_SEARCH = {"SearchRequest", "Plan", "VectorQuery"}
"""What has too many in one search of a batch costs that search alone, so that up to MAX_ENTRIES are read."""
VARINT, SIZED = 0, 2
FIXED = {1: 8, 5: 4}
"""Bytes of a value, by the kind in its tag."""


def _limit(field: Any) -> tuple[str, int, str]:
    return ENTRIES.get(f"{field.containing_type.name}.{field.name}", (field.name, MAX_ENTRIES, "entries"))


def check_entries(field: Any, count: int) -> None:
    """Raise InvalidArgument, InvalidPlan or InvalidFilter when a repeated field has more entries than it takes."""
    whole, most, part = _limit(field)
    if count > _most_read(field):
        leaf = LEAVES.get(f"{field.containing_type.name}.{field.name}", InvalidArgument)
        raise leaf(f"{whole} has at most {most:,} {part}; send fewer, or send them in several calls")


def _most_read(field: Any) -> int:
    return MAX_ENTRIES if field.containing_type.name in OF_ONE_SEARCH else _limit(field)[1]


class JsonValues:
    """Counts the values of JSON while it comes; commas and brackets in texts count too."""

    def __init__(self) -> None:
        self._count = 0

    def add(self, part: bytes) -> None:
        """Count a part. Raises InvalidArgument once there are more values than a request may have."""
        self._count += part.count(b",") + part.count(b"{") + part.count(b"[")
        if self._count > MAX_VALUES:
            raise _too_many("the body")


def check_message(data: bytes, declared: Any) -> None:
    """Raise what is wrong with a message of more values than a request may have, or than one of its lists takes.

    declared: the message's Descriptor · data: its bytes; what is no message is left to the parser.
    """
    if len(data) > SMALL:
        try:
            _walk(data, declared)
        except IndexError:  # it ends in the middle of a value
            return


def _walk(data: bytes, declared: Any) -> None:
    waiting = [(0, len(data), declared)]
    values = 0
    while waiting:
        at, end, message = waiting.pop()
        lists, parts = _declared(message)
        counts = dict.fromkeys(lists, 0)
        while at < end:
            tag, at = (data[at], at + 1) if data[at] < 0x80 else _varint(data, at)  # most are one byte, and no call
            number, kind = tag >> 3, tag & 7
            values += 1
            if values > MAX_VALUES:
                raise _too_many("the message")
            if number in counts:
                counts[number] += 1
                if counts[number] > lists[number]:
                    check_entries(message.fields_by_number[number], counts[number])
            if kind in FIXED:
                at += FIXED[kind]
                continue
            size, at = (data[at], at + 1) if data[at] < 0x80 else _varint(data, at)
            if kind == SIZED:
                if number in parts:
                    waiting.append((at, min(at + size, end), parts[number]))
                at += size
            elif kind != VARINT:
                return


@cache
def _declared(message: Any) -> tuple[dict[int, int], dict[int, Any]]:
    """The most entries of a message's lists, and how the messages in its fields are declared, by number."""
    lists = {field.number: _most_read(field) for field in message.fields if field.is_repeated}
    return lists, {field.number: field.message_type for field in message.fields if field.message_type is not None}


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at a place, and the place behind it."""
    found = data[at]
    if found < 0x80:
        return found, at + 1
    found &= 0x7F
    for shift in range(7, 70, 7):
        at += 1
        found |= (data[at] & 0x7F) << shift
        if data[at] < 0x80:
            break
    return found, at + 1


def _too_many(what: str) -> InvalidArgument:
    return InvalidArgument(f"{what} has more than {MAX_VALUES:,} values; send less at a time")
