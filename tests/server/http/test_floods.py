"""Requests that are many in little: refused before they take the time of others, and what is wrong is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import h11
import httpx
import pytest
from pixkin_server.counts import MAX_ENTRIES
from pixkin_server.http.framing import FREE_CHUNKS, MAX_EVENTS, MAX_LINES, Framing
from pixkin_server.http.lines import MAX_BLANK
from pixkin_server.values import MAX_VALUES

JSON = {"content-type": "application/json"}
HEAD = "POST {} HTTP/1.1\r\nContent-Type: {}\r\nTransfer-Encoding: chunked"
TINY = b"1\r\n \r\n"


def said(answer: bytes) -> tuple[int, dict[str, Any]]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


@pytest.mark.parametrize("path", ["/v1/embed/stream", "/v1/search", "/v1/collections/photos/missing"])
def test_a_body_in_tiny_chunks_is_refused_and_told_why(raw: Callable[..., bytes], path: str) -> None:
    kind = "application/x-ndjson" if path.endswith("stream") else "application/json"
    status, error = said(raw(HEAD.format(path, kind), TINY * 100_000))
    assert (status, error["reason"]) == (400, "INVALID_ARGUMENT")
    assert "less than 32 bytes on average" in error["message"]


def test_some_tiny_chunks_are_taken(raw: Callable[..., bytes]) -> None:
    text = b'{"collection": "photos", "queries": [{"id": "red/0.jpg"}], "plan": {"descriptors": [{"name": "gap"}]}}'
    body = b"".join(b"1\r\n%c\r\n" % byte for byte in text) + b"0\r\n\r\n"
    status, found = said(raw(HEAD.format("/v1/search", "application/json"), body))
    assert (status, len(found["ids"])) == (200, 10)


def test_a_long_body_in_chunks_of_an_ordinary_size_is_taken(raw: Callable[..., bytes]) -> None:
    files = [{"id": f"{number:05}"} for number in range(5000)]
    text = json.dumps({"files": files}).encode()
    body = b"".join(b"40\r\n%s\r\n" % text[at : at + 64].ljust(64) for at in range(0, len(text), 64)) + b"0\r\n\r\n"
    status, found = said(raw(HEAD.format("/v1/collections/photos/missing", "application/json"), body))
    assert (status, len(found["states"])) == (200, 5000)


def test_one_turn_gives_few_parts_of_a_body_however_many_have_come() -> None:
    framing = Framing()
    framing.receive_data(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + TINY * FREE_CHUNKS)
    assert isinstance(framing.next_event(), h11.Request)
    turns = []
    while not turns or turns[-1]:
        framing.turn()
        turns.append(len(list(iter(framing.next_event, h11.NEED_DATA))))
    assert max(turns) == MAX_EVENTS
    assert sum(turns) == FREE_CHUNKS


@pytest.mark.parametrize("place", ["head", "trailer"])
def test_more_headers_than_anybody_needs_are_refused(raw: Callable[..., bytes], place: str) -> None:
    many = "".join(f"\r\na{at}: b" for at in range(MAX_LINES + 1))
    head = HEAD.format("/v1/search", "application/json")
    answer = raw(head, b"0" + many.encode() + b"\r\n") if place == "trailer" else raw(head + many, b"0\r\n\r\n")
    status, error = said(answer)
    assert status == 400
    assert f"more than {MAX_LINES} headers" in error["message"]


@pytest.mark.parametrize("line", [b"\n", b" \r\n"])
def test_a_stream_of_empty_lines_is_refused(web: httpx.Client, line: bytes) -> None:
    answer = web.post("/v1/embed/stream", content=line * 100_000, headers={"content-type": "application/x-ndjson"})
    assert answer.status_code == 400
    assert f"more than {MAX_BLANK:,} empty lines" in answer.json()["message"]


@pytest.mark.parametrize("value", ['{"id":"1"}', '"1"', "[]", "0"])
def test_values_are_counted_before_they_are_read(web: httpx.Client, value: str) -> None:
    content = f'{{"queries":[{",".join([value] * (MAX_VALUES + 1))} and no JSON at all'
    answer = web.post("/v1/search", content=content, headers=JSON)
    assert answer.status_code == 400
    assert f"more than {MAX_VALUES:,} values" in answer.json()["message"]


@pytest.mark.parametrize(
    ("path", "request_", "said_"),
    [
        ("/v1/search", {"queries": [7] * (MAX_ENTRIES + 1)}, "a search has at most 100 examples"),
        ("/v1/search", {"plan": {"rerank": [7] * (MAX_ENTRIES + 1)}}, "a plan has at most 16 re-ranking stages"),
        ("/v1/search/batch", {"requests": [7] * 1001}, "a batch has at most 1,000 searches"),
        ("/v1/search", {"plan": {"filter": [7] * (MAX_ENTRIES + 1)}}, "a plan has at most 10,000 conditions"),
        ("/v1/collections/photos/missing", {"files": [7] * (MAX_ENTRIES + 1)}, "a look-up has at most 10,000 files"),
    ],
)
def test_entries_are_counted_before_any_is_read(web: httpx.Client, path: str, request_: Any, said_: str) -> None:
    answer = web.post(path, json=request_)
    assert answer.status_code == 400
    assert said_ in answer.json()["message"]


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"plan":{"rerank":['])
def test_json_that_is_nested_without_end_is_refused(web: httpx.Client, opening: bytes) -> None:
    answer = web.post("/v1/search", content=opening * 30_000, headers=JSON)
    assert (answer.status_code, answer.json()["reason"]) == (400, "INVALID_ARGUMENT")


def test_a_form_of_many_parts_is_refused(web: httpx.Client) -> None:
    part = b'--X\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n\r\n'
    answer = web.post("/v1/search", content=part * 100_000, headers={"content-type": "multipart/form-data; boundary=X"})
    assert answer.status_code == 400
    assert "Too many files" in answer.json()["message"]
