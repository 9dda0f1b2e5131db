"""Messages with more values than a request may have are refused before they are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from pixkin_proto.errors import InvalidArgument
from pixkin_proto.v1 import collections_pb2, search_pb2
from pixkin_server.counts import MAX_ENTRIES
from pixkin_server.values import MAX_VALUES, check_message

TORN = b"\xff"
"""What no parser takes."""
EMPTY_QUERY, EMPTY_FILE, ONE_ID = b"\x12\x00", b"\x12\x00", b"\x12\x011"


@pytest.mark.parametrize(
    ("method", "message", "said"),
    [
        ("Search/Search", EMPTY_QUERY * 100_000, "a search has at most 100 examples"),
        ("Search/SearchBatch", b"\n\x00" * 100_000, "a batch has at most 1,000 searches"),
        ("Collections/Missing", EMPTY_FILE * 100_000, "a look-up has at most 10,000 files"),
        ("Collections/Remove", ONE_ID * 100_000, "a removal has at most 10,000 ids"),
        ("Collections/Describe", b"\x78\x01" * 200_000, f"more than {MAX_VALUES:,} values"),
    ],
)
def test_values_are_counted_before_they_are_read(
    stubs: Any, refusal: Callable[..., Any], method: str, message: bytes, said: str
) -> None:
    code, error = refusal(stubs.channel.unary_unary(f"/pixkin.v1.{method}"), message + TORN)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert isinstance(error, InvalidArgument)
    assert said in error.message


def test_values_of_inner_messages_count_too() -> None:
    searches = search_pb2.SearchBatchRequest(
        requests=[search_pb2.SearchRequest(queries=[search_pb2.Query(id="1", weight=2.0)] * 100)] * 999
    )
    with pytest.raises(InvalidArgument, match="values"):
        check_message(searches.SerializeToString(), searches.DESCRIPTOR)


def test_a_large_message_with_all_that_is_allowed_passes() -> None:
    facts = {"size": 2**40, "mtime_ns": -1, "sha256": bytes(32)}
    known = [collections_pb2.KnownFile(id=f"{at}/{'é' * 100}", file=facts) for at in range(MAX_ENTRIES)]
    message = collections_pb2.MissingRequest(collection="c", files=known)
    check_message(message.SerializeToString(), message.DESCRIPTOR)
    query = search_pb2.Query(image=search_pb2.ImageQuery(data=bytes(range(256)) * 50_000), weight=-0.5)
    search = search_pb2.SearchRequest(collection="c", queries=[query] * 5)
    check_message(search.SerializeToString(), search.DESCRIPTOR)
