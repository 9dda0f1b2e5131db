"""Callers who leave, dawdle, or come in crowds: the work of the first stops, the others cost the rest nothing."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from PIL import Image
from pixkin_server.calls import MAX_WAITING
from pixkin_server.http.connection import HEADER_SECONDS, MAX_CONNECTIONS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def busy(start: Callable[..., Any], store: Path, extractors: Path) -> Iterator[Any]:
    """A server of its own: what other tests do would show in its counters."""
    with start(store, extractors) as server:
        yield server
        assert server.alive
        assert not [line for line in server.log if "internal error" in line or "Traceback" in line]


@pytest.fixture
def caller(busy: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=busy.page, timeout=30, trust_env=False) as client:
        yield client


def counted(client: httpx.Client, name: str, **labels: str) -> float:
    """The sum of a counter over all that have these labels."""
    found = 0.0
    for line in client.get("/metrics").text.splitlines():
        if re.match(rf"{name}[{{ ]", line) and all(f'{key}="{value}"' in line for key, value in labels.items()):
            found += float(line.rpartition(" ")[2])
    return found


def until(holds: Callable[[], bool], seconds: float) -> float:
    """Wait until something holds; returns how long that took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, "it never came to hold"
        time.sleep(0.05)
    return time.monotonic() - began


def opened(address: str, head: str, body: bytes = b"") -> socket.socket:
    where = urlsplit(address)
    connection = socket.create_connection((where.hostname, where.port), timeout=20)
    connection.sendall(head.format(host=where.netloc).encode() + body)
    return connection


def posted(path: str, kind: str, length: int, *more: str) -> str:
    lines = (f"POST {path} HTTP/1.1", "Host: {host}", f"Content-Type: {kind}", f"Content-Length: {length}", *more)
    return "\r\n".join(lines) + "\r\n\r\n"


def searches(photos: Path, count: int) -> bytes:
    picture = base64.b64encode((photos / "red/0.jpg").read_bytes()).decode()
    query = {
        "collection": "photos",
        "queries": [{"image": {"data": picture}}],
        "plan": {"descriptors": [{"name": "gap"}]},
    }
    return json.dumps({"requests": [query] * count}).encode()


def test_the_work_of_a_caller_who_left_stops(busy: Any, caller: httpx.Client, photos: Path) -> None:
    def waiting() -> float:
        return counted(caller, "pixkin_calls_waiting")

    began = time.monotonic()
    caller.post("/v1/search/batch", content=searches(photos, 40), headers={"content-type": "application/json"})
    each = (time.monotonic() - began) / 40
    count = min(800, round(15 / each))  # a quarter of a minute of work
    body = searches(photos, count)
    with opened(busy.page, posted("/v1/search/batch", "application/json", len(body)), body):
        until(lambda: waiting() == 1, 10)
        time.sleep(0.3)
        assert waiting() == 1
    stopped = until(lambda: waiting() == 0, 5)
    assert stopped < max(1.0, 20 * each)
    until(lambda: counted(caller, "pixkin_calls_total", method="Search.SearchBatch", code="CANCELLED") == 1, 5)


def test_the_stream_of_a_caller_who_left_stops(busy: Any, caller: httpx.Client, photos: Path) -> None:
    def encoded() -> float:
        return counted(caller, "pixkin_stage_seconds_count", stage="encode")

    picture = base64.b64encode((photos / "red/0.jpg").read_bytes()).decode()
    body = (json.dumps({"extractor": "efficientnet-lite0", "image": picture}) + "\n").encode() * 600
    before = encoded()
    with opened(busy.page, posted("/v1/embed/stream", "application/x-ndjson", len(body))) as connection:
        connection.settimeout(0.05)
        with contextlib.suppress(TimeoutError):
            connection.sendall(body)
        until(lambda: encoded() > before + 3, 20)
    until(lambda: counted(caller, "pixkin_calls_total", method="Embedding.EmbedStream", code="CANCELLED") == 1, 5)
    after = encoded()
    time.sleep(0.5)
    assert encoded() == after < before + 500


def test_a_body_that_dribbles_ends_with_its_deadline(busy: Any, caller: httpx.Client) -> None:
    with opened(busy.page, posted("/v1/search", "application/json", 1000, "X-Request-Timeout: 1")) as connection:
        answer, sent = b"", 0
        connection.settimeout(0.1)
        while b"DEADLINE" not in answer and sent < 500:  # half of what was announced: the body never comes to its end
            connection.sendall(b" ")
            sent += 1
            with contextlib.suppress(TimeoutError):
                answer += connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 504")
    assert caller.get("/healthz").status_code == 200


def dribbled(connections: list[socket.socket]) -> list[socket.socket]:
    """Send one more letter of a head, and return those who still take it."""
    taking = []
    for connection in connections:
        try:
            connection.sendall(b"G")
            taking.append(connection)
        except OSError:
            connection.close()
    return taking


def test_a_head_that_dribbles_is_cut_off_while_others_are_answered(busy: Any, caller: httpx.Client) -> None:
    where = urlsplit(busy.page)
    began = time.monotonic()
    slow = [socket.create_connection((where.hostname, where.port)) for _ in range(50)]
    silent = socket.create_connection((where.hostname, where.port))
    kept = httpx.Client(base_url=busy.page, trust_env=False)
    assert kept.get("/healthz").status_code == 200
    try:
        assert caller.get("/healthz").status_code == 200  # and all of them still wait
        assert len(dribbled(slow)) == 50
        while slow and time.monotonic() - began < HEADER_SECONDS + 50:
            slow = dribbled(slow)
            assert caller.get("/healthz").status_code == 200
            time.sleep(0.25)
        assert not slow
        silent.settimeout(50)
        assert silent.recv(1) == b""
    finally:
        for connection in (*slow, silent):
            connection.close()
        kept.close()


def test_a_caller_who_reads_nothing_holds_up_nobody(busy: Any, caller: httpx.Client) -> None:
    head = "GET /v1/openapi.json HTTP/1.1\r\nHost: {host}\r\n\r\n" * 200
    connections = [opened(busy.page, head) for _ in range(10)]
    assert caller.get("/healthz").status_code == 200  # while none of theirs was taken
    for connection in connections:
        connection.close()


def test_there_are_only_so_many_connections_and_then_there_are_again(busy: Any) -> None:
    where = urlsplit(busy.page)
    with contextlib.ExitStack() as held:
        many = [
            held.enter_context(socket.create_connection((where.hostname, where.port)))
            for _ in range(MAX_CONNECTIONS + 20)
        ]
        many[-1].settimeout(5)
        answer = b"".join(iter(lambda: many[-1].recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 429")
        assert b'"reason":"OVERLOADED"' in answer
    until(lambda: _answers(busy.page), 5)


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/healthz", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def test_more_calls_than_a_server_takes_are_refused_with_429(busy: Any) -> None:
    picture = BytesIO()
    Image.fromarray(np.full((3000, 3000, 3), 120, np.uint8)).save(picture, "JPEG", quality=30)
    request = {"extractor": "hsv-histogram", "image": base64.b64encode(picture.getvalue()).decode()}
    body = json.dumps(request).encode()
    head = posted("/v1/embed", "application/json", len(body), "Connection: close")
    statuses = []
    for connection in [opened(busy.page, head, body) for _ in range(MAX_WAITING + 30)]:
        with connection:
            connection.settimeout(120)
            statuses.append(b"".join(iter(lambda each=connection: each.recv(65536), b"")).split()[1])
    assert set(statuses) == {b"200", b"429"}
    assert statuses.count(b"200") >= MAX_WAITING
    assert _answers(busy.page)
