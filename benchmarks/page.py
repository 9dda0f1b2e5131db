"""From a picture's drop on the page to its hits on the screen, in a real Chromium over Corel-1k, and the page's weight.

A drop is measured by the page itself: from the event until the thumbnails in view are decoded and a frame was drawn.
Every drop is another picture. The stages are what the reply of the same search says.
"""

from __future__ import annotations

import base64
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import report
from playwright.sync_api import Page, sync_playwright
from servers import index_corel, serving

DROPS = 101
WARM_UP = 5
SHOWN_MS = 150.0
WEIGHT_KB = 150.0
NAMES = ("chromium", "chromium-browser", "google-chrome")
PACKAGES = ("playwright", "starlette", "uvicorn", "onnxruntime")
DROP = """async (data) => {
  const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
  const carried = new DataTransfer();
  carried.items.add(new File([bytes], "photo.jpg", { type: "image/jpeg" }));
  performance.clearMeasures();
  document.body.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: carried }));
  while (!performance.getEntriesByType("measure").length) await new Promise((go) => setTimeout(go, 10));
  const stages = parseFloat(document.querySelector(".timings .number").textContent);
  return [performance.getEntriesByType("measure")[0].duration, stages];
}"""


def measure() -> list[report.Row]:
    """Return a row for each figure."""
    weight = sum(len(file.read_bytes()) for file in files("pixkin_server").joinpath("web").iterdir()) / 1000
    rows = [report.at_most("the page's own files, kB", weight, WEIGHT_KB)]
    corel, chromium = (
        report.corel(),
        os.environ.get("PIXKIN_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), ""),
    )
    if corel is None or not chromium:
        return [*rows, {"figure": "from drop to pictures", "value": "no data or no Chromium", "limit": "", "ok": False}]
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        index_corel(home, corel)
        photos = [path.read_bytes() for path in sorted(corel.rglob("*.jpg"))]
        with serving(home, "corel") as served, opened(chromium, served.page) as page:
            return [*rows, *_rows(page, photos[:: len(photos) // (DROPS + WARM_UP)])]


def _rows(page: Page, photos: list[bytes]) -> list[report.Row]:
    found = []
    for photo in photos[: DROPS + WARM_UP]:
        found.append(page.evaluate(DROP, base64.b64encode(photo).decode()))
        page.wait_for_timeout(100)
    shown, stages = zip(*found[WARM_UP:], strict=True)
    return [
        report.at_most("from drop to pictures, Corel-1k, p50 ms", float(median(shown)), SHOWN_MS),
        {"figure": "the same, p95 ms", "value": quantiles(shown, n=20)[-1], "limit": "", "ok": True},
        {"figure": "of that the stages of the search, p50 ms", "value": float(median(stages)), "limit": "", "ok": True},
    ]


@contextmanager
def opened(chromium: str, address: str) -> Iterator[Any]:
    """Open the page in a window of 1280 by 900."""
    flags = ["--disable-gpu", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(address)
        page.wait_for_selector(".card")
        yield page
        browser.close()


if __name__ == "__main__":
    report.main(measure, PACKAGES, __doc__)
