"""Whom the server answers: callers of its own name and origin, and nobody that another page sends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pixkin_server.http.guard import HEADERS

pytestmark = pytest.mark.slow

OURS = "https://app.example"


@pytest.fixture(scope="module")
def opened(start: Callable[..., Any], extractors: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server with a further name, and with an origin that may call."""
    flags = ("--http-host", "pixkin.example", "--cors-origin", OURS)
    with start(tmp_path_factory.mktemp("guarded") / "store", extractors, *flags) as server:
        yield server


@pytest.fixture
def caller(opened: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=opened.page, trust_env=False) as client:
        yield client


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "localhost.evil.example", "127.0.0.2",
             "[::2]",
             "", "pixkin.example.evil.example", "127.0.0.1@evil.example", "a, 127.0.0.1"],
)  # fmt: skip
def test_a_host_that_is_not_ours_is_refused(caller: httpx.Client, host: str) -> None:
    answer = caller.get("/v1/collections", headers={"host": host.format(port=caller.base_url.port)})
    assert answer.status_code == 403
    assert answer.json()["reason"] == "FOREIGN_HOST"


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1:{port}", "[::1]:{port}", "pixkin.example", "Pixkin.Example:443"]
)
def test_loopback_and_names_that_were_given_are_ours(caller: httpx.Client, host: str) -> None:
    answer = caller.get("/v1/collections", headers={"host": host.format(port=caller.base_url.port)})
    assert answer.status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "", "http://127.0.0.1:1", "http://localhost", "file://", OURS + ".evil"]
)
def test_a_page_of_another_origin_is_refused(caller: httpx.Client, origin: str, method: str) -> None:
    answer = caller.request(method, "/v1/collections", headers={"origin": origin})
    assert answer.status_code == 403
    assert answer.json()["reason"] == "FOREIGN_ORIGIN"
    assert "access-control-allow-origin" not in answer.headers


def test_a_server_on_all_addresses_answers_for_the_one_that_was_called(
    start: Callable[..., Any], extractors: Path, tmp_path: Path
) -> None:
    with start(tmp_path / "store", extractors, "--http", "0.0.0.0:0") as served:
        assert served.page.startswith("http://127.0.0.1:")
        there = served.page.replace("127.0.0.1", "127.0.0.2")
        assert httpx.get(f"{there}/v1/collections", trust_env=False).status_code == 200
        other = {"host": "127.0.0.3"}
        assert httpx.get(f"{there}/v1/collections", headers=other, trust_env=False).status_code == 403


def test_our_own_page_may_call(caller: httpx.Client) -> None:
    own = str(caller.base_url).rstrip("/")
    headers = {"origin": own, "sec-fetch-site": "same-origin"}
    answer = caller.post("/v1/search", json={"collection": "x"}, headers=headers)
    assert answer.json()["reason"] == "UNKNOWN_COLLECTION"


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_another_site_embeds_or_sends_without_an_origin_is_refused(caller: httpx.Client, site: str) -> None:
    for method, mode in (("GET", "no-cors"), ("POST", "navigate"), ("DELETE", "cors")):
        answer = caller.request(method, "/v1/collections", headers={"sec-fetch-site": site, "sec-fetch-mode": mode})
        assert answer.json()["reason"] == "FOREIGN_ORIGIN"
    visit = caller.get("/", headers={"sec-fetch-site": site, "sec-fetch-mode": "navigate"})
    assert visit.status_code == 200


def test_an_origin_that_was_named_may_call_and_read(caller: httpx.Client) -> None:
    asked = {"origin": OURS, "access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    preflight = caller.options("/v1/search", headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == OURS
    assert "POST" in preflight.headers["access-control-allow-methods"]
    answer = caller.post(
        "/v1/search", json={"collection": "x"}, headers={"origin": OURS, "sec-fetch-site": "cross-site"}
    )
    assert answer.json()["reason"] == "UNKNOWN_COLLECTION"
    assert answer.headers["access-control-allow-origin"] == OURS
    assert answer.headers["vary"] == "Origin"


def test_nobody_may_call_from_elsewhere_unless_somebody_said_so(web: httpx.Client) -> None:
    asked = {"origin": OURS, "access-control-request-method": "POST"}
    assert web.options("/v1/search", headers=asked).status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("HEAD", "/", 200),
        ("GET", "/healthz", 200),
        ("GET", "/metrics", 200),
        ("GET", "/v1/collections", 200),
        ("GET", "/v1/collections/photos/items/red%2F0.jpg/thumbnail", 200),
        ("GET", "/v1/collections/nowhere", 404),
        ("GET", "/nowhere", 404),
        ("POST", "/", 405),
        ("POST", "/v1/search", 415),
    ],
)
def test_every_reply_says_what_a_browser_may_do_with_it(web: httpx.Client, method: str, path: str, status: int) -> None:
    answer = web.request(method, path)
    assert answer.status_code == status
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert "access-control-allow-origin" not in answer.headers
    assert "server" not in answer.headers
