"""What makes no sense is refused with a status, a reason and a sentence, and the server goes on."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import numpy as np
import pytest
from pixkin_proto.descriptors import Descriptor
from pixkin_server.api import NewItem
from pixkin_server.client import Client

pytestmark = pytest.mark.slow

Raw = Callable[..., bytes]
JSON = {"content-type": "application/json"}
LARGE = 20_000_000


def refused(answer: httpx.Response) -> tuple[int, str]:
    """The status and reason of a refusal, which is always JSON of the same shape."""
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    found = answer.json()
    assert set(found) == {"reason", "message", "data"}
    assert len(found["message"]) > 20
    return answer.status_code, found["reason"]


def form(*parts: str, end: str = "--X--\r\n") -> bytes:
    return "".join(f"--X\r\n{part}\r\n" for part in parts).encode() + end.encode()


REQUEST = 'Content-Disposition: form-data; name="request"\r\n\r\n{"collection":"photos"}'
IMAGE = 'Content-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\nnoise'
FORMS: dict[str, bytes] = {
    "cut off in a heading": b"--X\r\nContent-Dispo",
    "no boundary": b"nothing at all",
    "another boundary": b"--Y\r\n" + REQUEST.encode() + b"\r\n--Y--\r\n",
    "no name": form("Content-Disposition: form-data\r\n\r\nx"),
    "no heading": form("\r\nx"),
    "bad heading": form("Content Disposition form-data\r\n\r\nx"),
    "another part": form('Content-Disposition: form-data; name="other"\r\n\r\nx'),
    "a picture that is no file": form(REQUEST, 'Content-Disposition: form-data; name="image"\r\n\r\nnoise'),
    "two requests": form(REQUEST, REQUEST),
    "no JSON": form('Content-Disposition: form-data; name="request"\r\n\r\n{'),
    "a list": form('Content-Disposition: form-data; name="request"\r\n\r\n[]'),
    "a picture too many": form(REQUEST.replace("}", ',"queries":[{"id":"red/0.jpg"}]}'), IMAGE),
    "a picture too few": form(REQUEST.replace("}", ',"queries":[{"image":{}},{"image":{}}]}'), IMAGE),
    "201 pictures": form(REQUEST, *[IMAGE] * 201),
}


@pytest.mark.parametrize("body", FORMS.values(), ids=FORMS)
def test_a_broken_form_is_refused(web: httpx.Client, body: bytes) -> None:
    answer = web.post("/v1/search", content=body, headers={"content-type": "multipart/form-data; boundary=X"})
    assert refused(answer) == (400, "INVALID_ARGUMENT")


def test_a_form_that_names_no_boundary_is_refused(web: httpx.Client) -> None:
    answer = web.post("/v1/search", content=form(REQUEST), headers={"content-type": "multipart/form-data"})
    assert refused(answer) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "image/jpeg", "nonsense"])
@pytest.mark.parametrize(
    "path", ["/v1/search", "/v1/search/batch", "/v1/embed/stream", "/v1/collections/photos/verify"]
)
def test_another_content_type_is_refused_and_the_right_one_named(web: httpx.Client, path: str, kind: str) -> None:
    answer = web.post(path, content=b"{}", headers={"content-type": kind} if kind else {})
    assert refused(answer) == (415, "UNSUPPORTED_TYPE")
    assert "application/" in answer.json()["message"]


WRONG = {
    '{"folder":"photos"}': "folder",
    '{"collection":5}': "collection",
    '{"collection":"photos","queries":{}}': "queries",
    '{"collection":"photos","queries":[7]}': "queries",
    '{"collection":"photos","queries":[null]}': "queries",
    '{"collection":"photos","queries":[{"id":"a","image":{}}]}': "source",
    '{"collection":"photos","queries":[{"id":"a","weight":"heavy"}]}': "weight",
    '{"collection":"photos","queries":[{"id":"a","weight":NaN}]}': "weight",
    '{"collection":"photos","queries":[{"id":"a","weight":9007199254740993}]}': "at most 2**53",
    '{"collection":"photos","queries":[{"id":"a","weight":"9007199254740993"}]}': "at most 2**53",
    '{"collection":"photos","queries":[{"vector":{"vectors":[{"data":12}]}}]}': "data",
    '{"collection":"photos","plan":[1]}': "plan",
    '{"collection":"photos","plan":"exact"}': "plan",
    '{"collection":"photos","plan":{"rerank":"mmr"}}': "rerank",
    '{"collection":"photos","plan":{"descriptors":[{"title":"x"}]}}': "title",
    '{"collection":"photos","size":1.5}': "size",
    '{"collection":"photos","size":99999999999}': "size",
    '{"collection":"photos","offset":"first"}': "offset",
    '{"collection":"photos","explain":"yes"}': "explain",
    '{"collection":"\\ud800"}': "collection",
    '{"collection":"photos","queries":[{"image":{"data":"@@@"}}]}': 'data is base64, not "@@@"',
    '{"collection":"photos","queries":[{"image":{"data":"data:image/png;base64,iVBO"}}]}': "without the data: prefix",
    '{"collection":"photos","plan":{"descriptors":["gap"]}}': "plan.descriptors[0] is an object",
    '{"collection":"photos","size":"five"}': "size is a whole number",
}


@pytest.mark.parametrize("body", WRONG)
def test_json_of_the_wrong_shape_names_the_field(web: httpx.Client, body: str) -> None:
    answer = web.post("/v1/search", content=body, headers=JSON)
    assert refused(answer) == (400, "INVALID_ARGUMENT")
    assert WRONG[body] in answer.json()["message"]


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b"7", b"null", b'"text"', b"\xff\xfe", b"{}{}", b"[" * 100_000, b'{"a":' * 50_000, b"\x00", b"NaN"],
    ids=lambda body: repr(body[:12]),
)
def test_what_is_no_json_object_is_refused(web: httpx.Client, body: bytes) -> None:
    assert refused(web.post("/v1/search", content=body, headers=JSON)) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("count=3", "count"),
        ("size=3&size=4", "size"),
        ("size=many", "size"),
        ("size=99999999999", "size"),
        ("after=%ff", "query string"),
        ("size=0", "size"),
    ],
)
def test_a_bad_query_parameter_is_named(web: httpx.Client, query: str, name: str) -> None:
    answer = web.get(f"/v1/collections/photos/items?{query}")
    assert answer.status_code == 400
    assert name in answer.json()["message"]


def test_a_truth_value_is_true_or_false(web: httpx.Client) -> None:
    assert refused(web.get("/v1/collections/photos/items/a?vectors=perhaps")) == (400, "INVALID_ARGUMENT")
    assert refused(web.get("/v1/collections/photos/items/%ff")) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "soon", "", "1e9"])
def test_a_bad_timeout_is_refused(web: httpx.Client, seconds: str) -> None:
    answer = web.get("/v1/collections", headers={"x-request-timeout": seconds})
    assert refused(answer) == (400, "INVALID_ARGUMENT")


def test_a_deadline_that_passes_is_504(web: httpx.Client, photos: Path) -> None:
    request = {"collection": "photos", "queries": [{"id": "red/0.jpg"}], "plan": {"descriptors": [{"name": "gap"}]}}
    answer = web.post("/v1/search", json=request, headers={"x-request-timeout": "0.000001"})
    assert refused(answer) == (504, "DEADLINE")


def test_the_body_and_the_path_must_not_disagree(web: httpx.Client) -> None:
    assert refused(web.post("/v1/collections/photos/verify", json={"collection": "vectors"})) == (
        400,
        "INVALID_ARGUMENT",
    )
    assert web.post("/v1/collections/photos/verify", json={"collection": "photos"}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "reason"),
    [
        ("GET", "/v1/searches", "UNKNOWN_ROUTE"),
        ("GET", "/v1/search/", "UNKNOWN_ROUTE"),
        ("GET", "/v1//collections", "UNKNOWN_ROUTE"),
        ("GET", "/assets/nothing.js", "UNKNOWN_ROUTE"),
        ("GET", "/index.html", "UNKNOWN_ROUTE"),
        ("GET", "/v1/search", "WRONG_METHOD"),
        ("PUT", "/v1/collections", "WRONG_METHOD"),
        ("POST", "/healthz", "WRONG_METHOD"),
        ("PATCH", "/", "WRONG_METHOD"),
        ("OPTIONS", "/v1/search", "WRONG_METHOD"),
    ],
)
def test_unknown_paths_and_wrong_methods_have_the_same_shape(
    web: httpx.Client, method: str, path: str, reason: str
) -> None:
    answer = web.request(method, path)
    assert refused(answer) == (405 if reason == "WRONG_METHOD" else 404, reason)
    assert ("allow" in answer.headers) == (reason == "WRONG_METHOD")


@pytest.fixture(scope="module")
def closed(start: Callable[..., Any], store: Path, extractors: Path) -> Iterator[httpx.Client]:
    """A client of a server over the same store that nobody may change."""
    with start(store, extractors, writes=False) as server, httpx.Client(base_url=server.page, timeout=30) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/collections"),
        ("DELETE", "/v1/collections/photos"),
        ("POST", "/v1/collections/photos/items"),
        ("POST", "/v1/collections/photos/update"),
        ("POST", "/v1/collections/photos/remove"),
    ],
)
def test_nothing_is_changed_without_leave(closed: httpx.Client, client: Client, method: str, path: str) -> None:
    before = client.describe("photos").generation
    answer = closed.request(method, path, content=b"{}", headers=JSON)
    assert refused(answer) == (403, "WRITES_DISABLED")
    assert "--allow-writes" in answer.json()["message"]
    assert client.describe("photos").generation == before


def test_a_search_that_would_write_needs_leave_too(closed: httpx.Client) -> None:
    plan = {"descriptors": [{"name": "gap"}], "rerank": ["diffusion:graph=kept,stale=rebuild"]}
    request = {"collection": "photos", "queries": [{"id": "red/0.jpg"}], "plan": plan}
    assert refused(closed.post("/v1/search", json=request)) == (403, "WRITES_DISABLED")
    [outcome] = closed.post("/v1/search/batch", json={"requests": [request]}).json()["outcomes"]
    assert outcome["error"]["reason"] == "WRITES_DISABLED"


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=X"])
def test_a_body_that_is_too_large_is_refused_before_any_of_it_is_sent(raw: Raw, kind: str) -> None:
    head = f"POST /v1/search HTTP/1.1\r\nContent-Type: {kind}\r\nContent-Length: {LARGE}"
    answer = raw(head, seconds=5)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"reason":"TOO_LARGE"' in answer


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=X"])
def test_a_body_that_does_not_say_how_long_it_is_is_refused_when_it_is_too_large(
    web: httpx.Client, served: Any, kind: str
) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(LARGE // 100_000):
            yield b"x" * 100_000

    before = _resident(served.process.pid)
    answer = web.post("/v1/search", content=chunks(), headers={"content-type": kind})
    assert refused(answer) == (413, "TOO_LARGE")
    assert _resident(served.process.pid) - before < 60 * 2**20


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def test_a_line_of_a_stream_that_is_too_large_ends_it(web: httpx.Client) -> None:
    lines = {"content-type": "application/x-ndjson"}
    answer = web.post("/v1/embed/stream", content=iter([b"x" * 1_000_000] * 20), headers=lines)
    assert refused(answer) == (413, "TOO_LARGE")


def test_many_small_things_in_one_body_do_not_hold_up_others(web: httpx.Client, raw: Raw) -> None:
    body = b'{"requests":[' + b",".join([b"{}"] * 300_000) + b"]}"
    head = f"POST /v1/search/batch HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    answer = raw(f"{head}X-Request-Timeout: 1", body)
    assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 504", b"HTTP/1.1 400"))
    assert web.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "request_line",
    [
        b"nonsense",
        b"GET  /  HTTP/1.1",
        b"GET /\x00 HTTP/1.1",
        b"GET /\xff HTTP/1.1",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/1.1\r\nContent-Length: -1",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: nonsense",
        b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000,
        b"POST /v1/search HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nX: y",
    ],
    ids=lambda line: repr(line[:30]),
)
def test_what_is_no_http_is_refused_in_the_same_shape(web: httpx.Client, raw: Raw, request_line: bytes) -> None:
    head, _, body = raw(request_line, b"zz\r\n").partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.1 400", b"HTTP/1.1 501"))
    assert b"nosniff" in head
    assert json.loads(body)["reason"] == "INVALID_ARGUMENT"
    assert web.get("/healthz").status_code == 200


def test_a_body_that_breaks_off_costs_nothing(web: httpx.Client, served: Any) -> None:
    where = urlsplit(served.page)
    for _ in range(20):
        with socket.create_connection((where.hostname, where.port)) as connection:
            connection.sendall(
                f"POST /v1/search HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Type: application/json\r\n"
                'Content-Length: 1000\r\n\r\n{"collection":'.encode()
            )
    assert web.get("/healthz").status_code == 200
    assert served.alive


SCRIPTS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "'-alert(1)-'",
    "javascript:alert(1)",
    "</title><script>alert(1)</script>",
    "{{7*7}}",
    "${7*7}",
    "<!--#exec cmd='id'-->",
    "<iframe src=//evil.example>",
    "\u2028alert(1)\u2029",
    "<a href='javascript:alert(1)'>",
    "&lt;script&gt;",
    "<style>*{background:url(//evil.example)}</style>",
    "a\u202egpj.exe",
    '<math><mi xlink:href="data:x,<script>alert(1)</script>">',
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "]]><script>alert(1)</script>",
    "\\u003cscript\\u003e",
    "<body onpageshow=alert(1)>",
]


@pytest.fixture(scope="module")
def scripted(served: Any) -> Iterator[str]:
    """A collection whose ids, labels and attributes are scripts."""
    with Client(served.address) as client:
        client.create("scripted", descriptors=[Descriptor("plain", 2)])
        items = [
            NewItem(text, vectors={"plain": np.ones(2, np.float32)}, labels=frozenset([text]), attributes={"k": text})
            for text in SCRIPTS
        ]
        assert {result.state for result in client.add("scripted", items)} == {"added"}
        yield "scripted"
        client.drop("scripted")


@pytest.mark.parametrize("text", SCRIPTS)
def test_names_and_labels_come_back_as_the_text_that_they_are(web: httpx.Client, scripted: str, text: str) -> None:
    item = web.get(f"/v1/collections/{scripted}/items/{quote(text, safe='')}")
    found = web.post(
        "/v1/search",
        json={"collection": scripted, "queries": [{"id": text}], "plan": {"include_self": True}, "size": 30},
    )
    unknown = web.get(f"/v1/collections/{quote(text, safe='')}")
    for answer in (item, found, unknown):
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert item.json()["id"] == text
    assert item.json()["labels"] == [text]
    assert item.json()["attributes"] == {"k": {"text": text}}
    assert text in found.json()["ids"]
    assert unknown.status_code in {400, 404}


@pytest.mark.parametrize("packing", ["gzip", "br", "deflate", "gzip, identity"])
def test_a_packed_body_is_refused_and_told_why(web: httpx.Client, packing: str) -> None:
    for path, kind in (("/v1/search", JSON), ("/v1/embed/stream", {"content-type": "application/x-ndjson"})):
        answer = web.post(path, content=gzip.compress(b"{}"), headers={**kind, "content-encoding": packing})
        assert refused(answer) == (415, "UNSUPPORTED_TYPE")
        assert packing.partition(",")[0] in answer.json()["message"]


def test_a_body_that_says_it_is_not_packed_is_taken(web: httpx.Client) -> None:
    request = {"collection": "photos", "files": []}
    path = "/v1/collections/photos/missing"
    assert web.post(path, json=request, headers={"content-encoding": "identity"}).status_code == 200


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://localhost/v1/collections", 200),
        ("HTTP://127.0.0.1:1/v1/collections/photos/items?size=1", 200),
        ("http://localhost", 200),
        ("http://localhost?x=1", 200),
        ("http://evil.example/v1/collections", 403),
        ("http://localhost@evil.example/v1/collections", 403),
        ("http:///v1/collections", 403),
        ("http://[::1/v1/collections", 400),
        ("ftp://localhost/v1/collections", 404),
    ],
)
def test_a_target_with_a_host_is_the_path_behind_it_and_the_host_counts(raw: Raw, target: str, status: int) -> None:
    assert raw(f"GET {target} HTTP/1.1").startswith(b"HTTP/1.1 %d " % status)
