"""Pictures as parts of a form, and streams line by line."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

pytestmark = pytest.mark.slow

LINES = {"content-type": "application/x-ndjson"}
HISTOGRAM = {"descriptors": [{"name": "histogram"}]}


def files(*pictures: bytes) -> list[tuple[str, tuple[str, bytes]]]:
    return [("image", ("picture.jpg", picture)) for picture in pictures]


@pytest.fixture(scope="module")
def red(photos: Path) -> bytes:
    return (photos / "red/0.jpg").read_bytes()


@pytest.fixture(scope="module")
def blue(photos: Path) -> bytes:
    return (photos / "blue/0.jpg").read_bytes()


def ranked(answer: httpx.Response) -> tuple[list[str], list[float]]:
    assert answer.status_code == 200, answer.text
    return answer.json()["ids"], answer.json()["values"]


def test_a_picture_of_a_form_is_the_picture_of_the_json(web: httpx.Client, red: bytes) -> None:
    request = {"collection": "photos", "plan": HISTOGRAM}
    query = {"image": {"data": base64.b64encode(red).decode()}}
    as_form = web.post("/v1/search", data={"request": json.dumps(request)}, files=files(red))
    as_json = web.post("/v1/search", json={**request, "queries": [query]})
    assert ranked(as_form) == ranked(as_json)


def test_the_request_may_be_a_file_of_the_form_too(web: httpx.Client, red: bytes) -> None:
    request = json.dumps({"collection": "photos", "plan": HISTOGRAM}).encode()
    answer = web.post("/v1/search", files=[("request", ("blob", request, "application/json")), *files(red)])
    assert ranked(answer)[0][0] == "red/0.jpg"


def test_pictures_take_the_places_of_queries_without_data(web: httpx.Client, red: bytes, blue: bytes) -> None:
    crop = {"x": 0, "y": 0, "width": 64, "height": 48}
    queries: list[dict[str, Any]] = [
        {"image": {"crop": crop}},
        {"id": "green/1.jpg", "weight": 0.25},
        {"image": {}, "weight": -0.5},
    ]
    request = {"collection": "photos", "plan": HISTOGRAM, "queries": queries}
    as_form = web.post("/v1/search", data={"request": json.dumps(request)}, files=files(red, blue))
    for place, picture in ((0, red), (2, blue)):
        queries[place]["image"]["data"] = base64.b64encode(picture).decode()
    assert ranked(as_form) == ranked(web.post("/v1/search", json=request))


def test_without_queries_each_picture_is_one(web: httpx.Client, red: bytes, blue: bytes) -> None:
    request = {"collection": "photos", "plan": HISTOGRAM}
    two = web.post("/v1/search", data={"request": json.dumps(request)}, files=files(red, blue))
    named = {**request, "queries": [{"image": {}}, {"image": {}}]}
    assert ranked(two) == ranked(web.post("/v1/search", data={"request": json.dumps(named)}, files=files(red, blue)))


def test_a_large_picture_stays_within_the_limit_of_a_picture(web: httpx.Client, red: bytes) -> None:
    padded = red + bytes(16 * 2**20 - len(red))  # what stands behind a JPEG's end is left alone
    found = web.post("/v1/embed", data={"request": '{"extractor":"hsv-histogram"}'}, files=files(padded))
    assert found.status_code == 200
    refused = web.post("/v1/embed", data={"request": '{"extractor":"hsv-histogram"}'}, files=files(padded + b"x"))
    assert (refused.status_code, refused.json()["reason"]) == (400, "INVALID_IMAGE")
    beyond = web.post("/v1/embed", files=files(padded + bytes(2**20)))
    assert (beyond.status_code, beyond.json()["reason"]) == (413, "TOO_LARGE")


def test_embed_takes_exactly_one_picture(web: httpx.Client, red: bytes) -> None:
    one = web.post("/v1/embed", data={"request": '{"extractor":"hsv-histogram"}'}, files=files(red))
    assert [each["descriptor"] for each in one.json()["vectors"]] == ["histogram"]
    assert web.post("/v1/embed", files=files(red, red)).status_code == 400
    assert web.post("/v1/embed", files=[("request", ("r", b"{}"))]).status_code == 400


def talk(address: str, path: str) -> tuple[socket.socket, Any]:
    """Open a stream both ways; returns the socket and what is read from it."""
    where = urlsplit(address)
    connection = socket.create_connection((where.hostname, where.port), timeout=20)
    connection.sendall(
        f"POST {path} HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Type: application/x-ndjson\r\n"
        "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n".encode()
    )
    return connection, connection.makefile("rb")


def chunk(*lines: dict[str, Any]) -> bytes:
    text = "".join(json.dumps(line) + "\n" for line in lines).encode()
    return f"{len(text):x}\r\n".encode() + text + b"\r\n"


def test_a_reply_comes_while_requests_are_still_being_sent(served: Any, red: bytes) -> None:
    connection, answers = talk(served.page, "/v1/embed/stream")
    request = {"extractor": "hsv-histogram", "image": base64.b64encode(red).decode()}
    with connection, answers:
        connection.sendall(chunk(request))
        assert b"200" in answers.readline()
        while answers.readline() != b"\r\n":
            pass
        for _ in range(3):
            size = int(answers.readline(), 16)
            assert json.loads(answers.read(size))["reply"]["fingerprint"]
            answers.readline()
            connection.sendall(chunk(request))
        connection.sendall(b"0\r\n\r\n")
        assert answers.read().endswith(b"\r\n0\r\n\r\n")


@pytest.mark.parametrize("bad", [b"{", b"[]", b"7", b'{"imagee":1}', b'{"image":[]}', b"\xff"])
def test_a_bad_line_costs_its_own_reply_alone(web: httpx.Client, red: bytes, bad: bytes) -> None:
    good = json.dumps({"extractor": "hsv-histogram", "image": base64.b64encode(red).decode()}).encode()
    answer = web.post("/v1/embed/stream", content=b"\n".join([good, b"", bad, good]), headers=LINES)
    found = [json.loads(line) for line in answer.content.splitlines()]
    assert [("reply" in each, "error" in each) for each in found] == [(True, False), (False, True), (True, False)]
    assert found[1]["error"]["reason"] == "INVALID_ARGUMENT"


@pytest.fixture(scope="module")
def writable(start: Callable[..., Any], extractors: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server that takes writes over HTTP."""
    with start(tmp_path_factory.mktemp("writable") / "store", extractors, "--allow-writes") as server:
        yield server
        assert not [line for line in server.log if "internal error" in line]


def test_a_collection_is_made_filled_searched_and_dropped(writable: Any, red: bytes, blue: bytes) -> None:
    with httpx.Client(base_url=writable.page) as client:
        made = client.post("/v1/collections", json={"name": "new", "extractors": [{"name": "hsv-histogram"}]})
        assert made.json()["descriptors"][0]["name"] == "hsv-histogram.histogram"
        lines = [
            {"id": name, "image": base64.b64encode(data).decode(), "labels": [name], "attributes": {"n": {"number": 1}}}
            for name, data in (("red", red), ("blue", blue), ("bad", b"noise"))
        ]
        body = "\n".join(json.dumps(line) for line in lines)
        added = client.post("/v1/collections/new/items?root=/somewhere", content=body, headers=LINES)
        assert added.headers["content-type"] == "application/x-ndjson"
        states = [(each["id"], each["state"]) for each in map(json.loads, added.content.splitlines())]
        assert states == [("red", "ADDED"), ("blue", "ADDED"), ("bad", "REFUSED")]
        assert ranked(client.post("/v1/search", json={"collection": "new", "queries": [{"id": "red"}]}))[0] == ["blue"]
        assert client.get("/v1/collections/new").json()["roots"] == ["/somewhere"]
        removed = client.post("/v1/collections/new/remove", json={"ids": ["red", "none"]}).json()
        assert removed == {"removed": "1", "unknown": ["none"]}
        assert client.delete("/v1/collections/new").json() == {}
        assert client.get("/v1/collections/new").status_code == 404


def test_a_stream_that_fails_before_its_first_reply_has_the_status_of_its_error(writable: Any) -> None:
    with httpx.Client(base_url=writable.page) as client:
        answer = client.post("/v1/collections/nowhere/items", content=b"{}", headers=LINES)
    assert (answer.status_code, answer.json()["reason"]) == (404, "UNKNOWN_COLLECTION")


def test_read_only_goes_before_leave_to_write(start: Callable[..., Any], store: Path, extractors: Path) -> None:
    with (
        start(store, extractors, "--read-only") as server,
        httpx.Client(base_url=server.page) as client,
    ):
        answer = client.delete("/v1/collections/photos")
        assert (answer.status_code, answer.json()["reason"]) == (403, "WRITES_DISABLED")
        assert client.get("/v1/settings").json()["writes"] is False
