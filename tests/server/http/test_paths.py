"""No path ever comes from a request: 200 ways to ask for a file outside, and none gives a byte of it."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import numpy as np
import pytest
from PIL import Image
from pixkin_embedding.images import thumbnail
from pixkin_proto.descriptors import Descriptor
from pixkin_scoring.items import Item
from pixkin_server.api import ExtractorChoice
from pixkin_server.engine import Engine
from pixkin_server.folders import Report, add_pictures, walk

pytestmark = pytest.mark.slow

SECRET = b"SECRET-OF-THE-HOUSE"
SEPARATORS = ("/", "%2f", "%2F", "%252f", "\\", "%5c", "%c0%af", "%e2%88%95", "/./", "//")
UPS = ("..", "%2e%2e", ".%2e", "%252e%252e", "..%00", "....", "..;", "%c0%ae%c0%ae", "..%09", "%u002e%u002e")
TARGETS = ("etc/passwd", "outside.jpg", "outside.txt")
WHOLE = (
    "/etc/passwd", "%2fetc%2fpasswd", "file:///etc/passwd", "file:%2f%2f%2fetc%2fpasswd", "/proc/self/environ",
    "%2fproc%2fself%2fenviron", "C:%5cWindows%5cwin.ini", "~/.ssh/id_rsa", "%7e%2f.bashrc", "red%2f0.jpg%00.png",
    "red%2f0.jpg%2f..%2f..%2foutside.txt", "red/0.jpg/../../outside.txt", ".", "..", "%2e", "%00", "%0a",
    "%0d%0aX:%20y",
    "http:%2f%2f127.0.0.1%2f", "%ff", "%", "%zz", "*", "?", "#", "red%2f..%2fred%2f..%2f..%2foutside.jpg", "%20", "|id",
)  # fmt: skip


def strings() -> list[str]:
    """200 of them, the same each time."""
    climbing = [
        separator.join([up] * depth + [target.replace("/", separator)])
        for separator, up, depth, target in itertools.product(SEPARATORS, UPS, (1, 3, 8), TARGETS)
    ]
    step = len(climbing) // (200 - len(WHOLE))
    return [*WHOLE, *climbing[::step]][:200]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Path:
    """A folder with a picture, links that lead out of it, and a secret beside it."""
    place = tmp_path_factory.mktemp("house")
    folder = place / "indexed"
    folder.mkdir()
    (folder / "red").mkdir()
    (folder / "red/0.jpg").write_bytes((photos / "red/0.jpg").read_bytes())
    (place / "outside.txt").write_bytes(SECRET)
    (place / "outside.jpg").write_bytes((photos / "blue/0.jpg").read_bytes() + SECRET)
    (folder / "link.jpg").symlink_to(place / "outside.jpg")
    (folder / "inner.jpg").symlink_to(folder / "red/0.jpg")
    (folder / "up").symlink_to(place)
    (folder / "circle.jpg").symlink_to(folder / "circle.jpg")
    (folder / "words.jpg").write_bytes(SECRET)
    (folder / "pipe.jpg").touch()
    return folder


@pytest.fixture(scope="module")
def showing(
    start: Callable[..., Any], extractors: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """A server that shows originals, over a collection whose items name all kinds of files."""
    place = tmp_path_factory.mktemp("showing") / "store"
    shown = {
        "link.jpg": pictures / "link.jpg",
        "inner.jpg": pictures / "inner.jpg",
        "up/outside.jpg": pictures / "up/outside.jpg",
        "circle.jpg": pictures / "circle.jpg",
        "words.jpg": pictures / "words.jpg",
        "folder.jpg": pictures / "red",
        "gone.jpg": pictures / "gone.jpg",
        "beside": pictures.parent / "outside.jpg",
        "dots": pictures / "../outside.jpg",
        "pipe.jpg": pictures / "pipe.jpg",
        "nul": "\0",
        "url": "https://example.org/a.jpg",
        "relative": "red/0.jpg",
    }
    with Engine(str(place), extractors=extractors) as engine:
        engine.create("photos", [ExtractorChoice("hsv-histogram")])
        walked = [each for each in walk(pictures) if each.id == "red/0.jpg"]
        add_pictures(engine, "photos", walked, Report(), root=str(pictures))
        engine.create("odd", descriptors=[Descriptor("plain", 2)])
        vectors = {"plain": np.ones(2, np.float32)}
        jpeg = thumbnail(np.full((40, 60, 3), 200, np.uint8))
        items = [Item(name, vectors, source=str(path), root=str(pictures)) for name, path in shown.items()]
        items += [
            Item("whole disk", vectors, source=str(pictures.parent / "outside.jpg"), root="/"),
            Item("no root", vectors, source=str(pictures / "red/0.jpg")),
            Item("tail", vectors, thumbnail=jpeg + b"<script>alert(1)</script>"),
            Item("no jpeg", vectors, thumbnail=b"<svg onload=alert(1)>"),
        ]
        found = list(engine.store.add("odd", items, deadline=1e12))
        assert {result.state for result in found} == {"added"}, found
    (pictures / "pipe.jpg").unlink()
    os.mkfifo(pictures / "pipe.jpg")
    with start(place, extractors, "--originals", str(pictures)) as server:
        yield server
        assert server.alive
        assert not [line for line in server.log if "internal error" in line]


def ask(address: str, target: str) -> bytes:
    """Send a request line as it is and return the whole reply."""
    where = urlsplit(address)
    with socket.create_connection((where.hostname, where.port), timeout=10) as connection:
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: {where.netloc}\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_there_are_two_hundred_different_strings() -> None:
    assert len(set(strings())) == 200


@pytest.mark.parametrize(
    "pattern",
    [
        "/v1/collections/photos/items/{}",
        "/v1/collections/photos/items/{}?vectors=true&thumbnail=true",
        "/v1/collections/photos/items/{}/thumbnail",
        "/v1/collections/photos/items/{}/original",
        "/v1/collections/{}/items",
        "/v1/collections/{}",
        "/assets/{}",
        "/{}",
    ],
)
def test_no_way_of_writing_a_path_leads_outside(showing: Any, pattern: str) -> None:
    for text in strings():
        answer = ask(showing.page, pattern.format(text))
        head, _, body = answer.partition(b"\r\n\r\n")
        assert SECRET not in answer, text
        assert b"root:" not in body, text
        assert b"PATH=" not in body, text
        status = int(head.split()[1])
        if status not in {400, 403, 404, 405}:
            ours = (b"<!doctype html", b'{"collections"', b'{"items"', b'{"name":"photos"', b'{"id":"red/0.jpg"')
            assert status == 200, (text, head)
            assert body.lower().startswith(ours), (text, body[:80])


def original(web: httpx.Client, collection: str, item: str) -> httpx.Response:
    return web.get(f"/v1/collections/{collection}/items/{quote(item, safe='')}/original")


@pytest.fixture
def viewer(showing: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=showing.page, trust_env=False) as client:
        yield client


def test_an_original_is_the_file_that_was_indexed(viewer: httpx.Client, pictures: Path) -> None:
    answer = original(viewer, "photos", "red/0.jpg")
    assert answer.content == (pictures / "red/0.jpg").read_bytes()
    assert answer.headers["content-type"] == "image/jpeg"
    again = viewer.get(answer.url, headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    for item in ("inner.jpg", "no root"):  # what an item says of its folder plays no part
        assert original(viewer, "odd", item).content == answer.content


@pytest.mark.parametrize(
    "item",
    [
        "link.jpg",
        "up/outside.jpg",
        "circle.jpg",
        "words.jpg",
        "folder.jpg",
        "gone.jpg",
        "beside",
        "dots",
        "pipe.jpg",
        "nul",
        "url",
        "relative",
        "whole disk",
    ],
)
def test_a_file_that_leads_outside_or_is_no_picture_is_not_shown(viewer: httpx.Client, item: str) -> None:
    answer = original(viewer, "odd", item)
    assert (answer.status_code, answer.json()["reason"]) == (404, "NO_PICTURE")
    assert SECRET not in answer.content


def test_originals_are_shown_only_where_somebody_said_so(web: httpx.Client) -> None:
    answer = original(web, "photos", "red/0.jpg")
    assert (answer.status_code, answer.json()["reason"]) == (403, "ORIGINALS_DISABLED")
    assert web.get("/v1/settings").json()["originals"] is False


def test_a_thumbnail_is_written_anew_whatever_the_store_holds(viewer: httpx.Client) -> None:
    found = viewer.get("/v1/collections/odd/items/tail/thumbnail")
    assert found.status_code == 200
    assert found.headers["content-type"] == "image/jpeg"
    assert found.content.startswith(b"\xff\xd8\xff")
    assert b"script" not in found.content
    refused = viewer.get("/v1/collections/odd/items/no%20jpeg/thumbnail")
    assert (refused.status_code, refused.json()["reason"]) == (404, "NO_PICTURE")
    assert b"svg" not in refused.content


def test_a_thumbnail_is_kept_by_its_tag(web: httpx.Client, photos: Path) -> None:
    path = "/v1/collections/photos/items/red%2F0.jpg/thumbnail"
    first = web.get(path)
    assert first.headers["cache-control"].startswith("private, max-age=")
    picture = Image.open(photos / "red/0.jpg")
    assert np.abs(np.asarray(_opened(first.content)).mean((0, 1)) - np.asarray(picture).mean((0, 1))).max() < 4
    assert max(_opened(first.content).size) <= 192
    tag = first.headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = web.get(path, headers={"if-none-match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert web.get(path, headers={"if-none-match": '"other"'}).content == first.content
    assert web.head(path).headers["content-length"] == str(len(first.content))
    assert web.get("/v1/collections/photos/items/red%2F1.jpg/thumbnail").headers["etag"] != tag


def test_an_item_without_a_thumbnail_says_so(web: httpx.Client) -> None:
    answer = web.get("/v1/collections/vectors/items/v00/thumbnail")
    assert (answer.status_code, answer.json()["reason"]) == (404, "NO_PICTURE")
    assert web.get("/v1/collections/vectors/items/none/thumbnail").json()["reason"] == "UNKNOWN_ITEM"


def _opened(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data))
