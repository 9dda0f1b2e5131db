"""A person at a real Chromium before the page of a real server. What a browser complains about fails the test."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from pixkin_proto.descriptors import Descriptor
from pixkin_server.api import ExtractorChoice, NewItem
from pixkin_server.engine import Engine
from pixkin_server.folders import Report, add_pictures, walk

playwright_api = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install --group test")
Browser, ConsoleMessage, Page, sync_playwright = (
    playwright_api.Browser,
    playwright_api.ConsoleMessage,
    playwright_api.Page,
    playwright_api.sync_playwright,
)

NAMES = ("chromium", "chromium-browser", "google-chrome")
STRANGE = (
    "<img src=x onerror=alert(1)>.jpg",
    '"><script>alert(1)</script>.jpg',
    "' onmouseover='alert(1).jpg",
    "javascript:alert(1).jpg",
    "a b#c?d=e&f%2F..%2e.jpg",
    "../../etc/passwd.jpg",
    "\u202egpj.exe",
    "{{7*7}}${7*7}.jpg",
)
"""Ids, and labels, that a careless page would run, or lose on the way."""

RECORD = """
window.asked = [];
const ask = window.fetch;
window.fetch = (path, options = {}) => {
  if (path === "/v1/search") {
    const { body } = options;
    window.asked.push(body instanceof FormData ? body.get("request") : body);
  }
  return ask(path, options);
};
"""
DROP = """([files, selector]) => {
  const carried = new DataTransfer();
  for (const [data, name, type] of files) {
    carried.items.add(new File([Uint8Array.from(atob(data), (one) => one.charCodeAt(0))], name, { type }));
  }
  const told = { bubbles: true, cancelable: true, dataTransfer: carried };
  const send = (kind, at) => at.dispatchEvent(new DragEvent(kind, told));
  send("dragenter", document.body);
  const target = document.querySelector(selector) ?? document.body;
  send("dragover", target);
  send("drop", target);
}"""
PASTE = """([data, name, type]) => {
  const carried = new DataTransfer();
  if (data) carried.items.add(new File([Uint8Array.from(atob(data), (one) => one.charCodeAt(0))], name, { type }));
  else carried.setData("text/plain", name);
  document.body.dispatchEvent(new ClipboardEvent("paste", { bubbles: true, cancelable: true, clipboardData: carried }));
}"""


@dataclass
class Visitor:
    """A person before the page: what they do, and what they see. `refused` are statuses that the test provokes."""

    page: Any
    address: str
    refused: set[int] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)

    def visit(self, path: str = "/") -> None:
        """Open the page and wait until it knows the server."""
        self.page.goto(self.address + path)
        self.page.wait_for_selector("#main[data-ready]", timeout=20_000)
        self.page.wait_for_selector("#results :is(.card, .empty, .trouble)", timeout=30_000)

    @contextmanager
    def searching(self) -> Iterator[None]:
        """Wait for the search that the block begins, and for its hits to be shown.

        What was searched for before is shown without asking again: then there is nothing to wait for.
        """
        with self.page.expect_response(lambda reply: reply.url.endswith("/v1/search"), timeout=15_000):
            yield
        self.settle()

    def settle(self) -> None:
        """Wait until what was asked is shown."""
        self.page.wait_for_function(
            """() => document.getElementById("results").getAttribute("aria-busy") === "false"
                     && document.querySelector("#results :is(.rank, .trouble, .empty)")""",
            timeout=30_000,
        )

    def drop(self, *pictures: bytes, name: str = "dropped.jpg", kind: str = "image/jpeg", at: str = "body") -> None:
        """Drop pictures on the page."""
        files = [[base64.b64encode(picture).decode(), name, kind] for picture in pictures]
        self.page.evaluate(DROP, [files, at])

    def paste(self, picture: bytes | None, name: str = "image.png", kind: str = "image/png") -> None:
        """Paste a picture, or a text."""
        self.page.evaluate(PASTE, [base64.b64encode(picture).decode() if picture else "", name, kind])

    def hits(self, column: int = 0) -> list[str]:
        """Return the ids of the shown hits, best first."""
        return (
            self.page.locator(".column")
            .nth(column)
            .locator(".card:has(.rank)")
            .evaluate_all("cards => cards.map(card => card.dataset.id)")
        )

    @property
    def asked(self) -> list[dict[str, Any]]:
        """The search requests since the page was loaded."""
        return [json.loads(text) for text in self.page.evaluate("window.asked")]

    @property
    def plan(self) -> str:
        """The line that says what ran."""
        return str(self.page.locator(".plan").first.text_content())

    def complain(self, message: ConsoleMessage) -> None:
        """Note what the browser says of the page, but for the refusals that the test provokes."""
        provoked = any(f"status of {status}" in message.text for status in self.refused)
        if message.type in {"error", "warning"} and not provoked:
            self.complaints.append(f"{message.type}: {message.text} {message.location.get('url', '')}")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The Chromium that is installed; a missing one is a failure in CI and a skip elsewhere."""
    named = os.environ.get("PIXKIN_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None or shutil.which(found) is None:
        reason = f"no Chromium: install it (apt install chromium) or name it with PIXKIN_CHROMIUM, not {named!r}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A Chromium for the tests of a file; each has a context of its own.

    Not for longer: while it is open an event loop runs in this thread, and tests of other folders start their own.
    """
    flags = ["--disable-gpu", "--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield started
        started.close()


@pytest.fixture(scope="session")
def page_store(tmp_path_factory: pytest.TempPathFactory, extractors: Path, photos: Path) -> Path:
    """A store with several collections.

    `photos` (24, both extractors), `strange` (ids and labels), `signed` (vectors), `remote` (from URLs), and `empty`.
    """
    path = tmp_path_factory.mktemp("page") / "store"
    both = [ExtractorChoice("efficientnet-lite0"), ExtractorChoice("hsv-histogram")]
    with Engine(str(path), extractors=extractors) as engine:
        engine.create("photos", both)
        report = Report()
        add_pictures(engine, "photos", walk(photos, labels_from_folders=True), report, root=str(photos))
        assert report.added == 24
        engine.create("strange", [ExtractorChoice("hsv-histogram")])
        pictures = sorted(photos.glob("*/*.jpg"))
        items = (
            NewItem(name, image=picture.read_bytes(), labels=(name,), source=name)
            for name, picture in zip(STRANGE, pictures, strict=False)
        )
        assert {result.state for result in engine.add("strange", items)} == {"added"}
        engine.create("signed", descriptors=[Descriptor("plain", 8)])
        rows = np.random.default_rng(1).normal(size=(5, 8)).astype(np.float32)
        vectors = (NewItem(f"v{number}", vectors={"plain": row}) for number, row in enumerate(rows))
        assert {result.state for result in engine.add("signed", vectors)} == {"added"}
        engine.create("empty", [ExtractorChoice("hsv-histogram")])
        engine.create("remote", [ExtractorChoice("hsv-histogram")])
        here = pictures[0].read_bytes()
        remote = [
            NewItem("a", image=here, source="https://example.org/a.jpg"),
            NewItem("b", image=here, source="javascript:b"),
        ]
        assert {result.state for result in engine.add("remote", remote)} == {"added"}
    return path


@pytest.fixture(scope="session")
def address(page_store: Path, extractors: Path, photos: Path, start: Callable[..., Any]) -> Iterator[str]:
    """The address of a server over that store which gives original files too."""
    with start(page_store, extractors, "--originals", str(photos)) as server:
        yield server.page
        assert not [line for line in server.log if "internal error" in line]


@pytest.fixture
def visitors(browser: Browser) -> Iterator[Callable[..., Visitor]]:
    """People by what their browser is like; in the end none may have met an error or another origin."""
    with_context = []

    def visitor(address: str, **browser_settings: Any) -> Visitor:
        context = browser.new_context(**browser_settings)
        context.add_init_script(RECORD)
        context.set_default_timeout(15_000)
        found = Visitor(context.new_page(), address)
        with_context.append((context, found))
        found.page.on("console", found.complain)
        found.page.on("pageerror", lambda error: found.complaints.append(f"exception: {error}"))
        found.page.on("dialog", lambda dialog: (found.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        context.on("request", lambda request: _check_origin(request.url, found))
        return found

    yield visitor
    for context, found in with_context:
        context.close()
        assert found.complaints == []


@pytest.fixture
def visitor(visitors: Callable[..., Visitor], address: str) -> Visitor:
    """A person with a usual browser window."""
    return visitors(address, viewport={"width": 1280, "height": 900})


@pytest.fixture(scope="session")
def picture(photos: Path) -> Callable[[str], bytes]:
    """Returns the bytes of a photo of the collection by its id."""
    return lambda name: (photos / name).read_bytes()


@pytest.fixture(scope="session")
def quarters() -> Callable[..., bytes]:
    """Makes a JPEG whose upright quarters are red, green, blue and yellow, stored in one of EXIF's 8 orientations."""
    stored = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    colours: Sequence[tuple[int, int, int]] = ((200, 30, 30), (30, 180, 40), (30, 40, 200), (220, 210, 30))

    def make(orientation: int = 1, width: int = 640, height: int = 400) -> bytes:
        upright = Image.new("RGB", (width, height))
        for at, colour in enumerate(colours):
            left, top = width // 2 * (at % 2), height // 2 * (at // 2)
            upright.paste(colour, (left, top, left + width // 2, top + height // 2))
        image = upright if stored[orientation] is None else upright.transpose(stored[orientation])
        exif = Image.Exif()
        exif[0x0112] = orientation
        data = BytesIO()
        image.save(data, "JPEG", quality=95, exif=exif)
        return data.getvalue()

    return make


def _check_origin(url: str, visitor: Visitor) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"blob", "data"} and f"{parts.scheme}://{parts.netloc}" != visitor.address:
        visitor.complaints.append(f"another origin: {url}")
