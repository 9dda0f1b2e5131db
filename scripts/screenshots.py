"""Make the pictures of the page for the documentation: a real server and a real Chromium over photographs of the demo.

Usage: python scripts/screenshots.py FOLDER
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from pixkin_export.exporting import export_model
from pixkin_server.api import ExtractorChoice
from pixkin_server.demo.pictures import make_pictures
from pixkin_server.engine import Engine
from pixkin_server.folders import Report, add_pictures, walk
from playwright.sync_api import Browser, Page, sync_playwright

EXTRACTORS = ("efficientnet-lite0", "hsv-histogram")
NAMES = ("chromium", "chromium-browser", "google-chrome")
COLOURS = "descriptor=hsv-histogram.histogram"
WINDOW = (1200, 750)
PHONE = (390, 750)
QUALITY = 78


@dataclass(frozen=True)
class Shot:
    """One picture. path: the address · act: selectors that are clicked, in their order · drop: a query picture."""

    path: str
    act: tuple[str, ...] = ()
    drop: str = ""
    box: bool = False
    dark: bool = False
    window: tuple[int, int] = WINDOW


SHOTS = {
    "start": Shot("/"),
    "results": Shot("/", drop="coffee"),
    "crop": Shot("/", drop="china", box=True, dark=True),
    "settings": Shot(
        "/?q=id:rocket/03.jpg&descriptor=efficientnet-lite0.gap&descriptor=hsv-histogram.histogram:weight=0.2",
        act=("#settings > summary",),
    ),
    "why": Shot(f"/?q=id:flower/02.jpg&{COLOURS}", act=(".card:nth-child(6) .look",)),
    "compare": Shot("/?q=id:astronaut/04.jpg&size=12&precision=1&with=descriptor%3Dhsv-histogram.histogram", dark=True),
    "refused": Shot("/?q=id:coffee/04.jpg&rerank=k-reciprocal:top=5"),
    "phone": Shot("/?q=id:chelsea/01.jpg", window=PHONE),
}


def main() -> None:
    """Write every picture as FOLDER/NAME.jpg."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    chromium = os.environ.get("PIXKIN_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if chromium is None:
        sys.exit("no Chromium; install it (apt install chromium) or name it with PIXKIN_CHROMIUM")
    flags = ["--disable-gpu", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        pictures, queries = make_pictures(Path(scratch) / "demo")
        make_collection(Path(scratch), pictures)
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        with serving(Path(scratch), pictures) as address:
            for name, shot in SHOTS.items():
                file = next((path for path in queries if path.stem == shot.drop), None)
                (folder / f"{name}.jpg").write_bytes(taken(browser, address, shot, file))
        browser.close()


def make_collection(home: Path, pictures: Path) -> None:
    """Make the collection `photos` of a folder, with its labels."""
    for name in EXTRACTORS:
        export_model(name, directory=home / "extractors")
    with Engine(str(home / "store"), extractors=home / "extractors") as engine:
        engine.create("photos", [ExtractorChoice(name) for name in EXTRACTORS])
        add_pictures(engine, "photos", walk(pictures, labels_from_folders=True), Report(), root=str(pictures))


@contextmanager
def serving(home: Path, pictures: Path) -> Iterator[str]:
    """Start a server; yields the address of its page, without a slash at the end."""
    command = [sys.executable, "-m", "pixkin_server", "serve", "--store", str(home / "store")]
    command += ["--drain", "0", "--originals", str(pictures)]
    command += ["--extractors", str(home / "extractors"), "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            said = ""
            while "pixkin: serving" not in said:
                said += (process.stderr.readline() if process.stderr else "") or sys.exit(f"no server: {said}")
            yield re.findall(r"page on (\S+?)/?\n", said)[0]
        finally:
            process.terminate()
            process.communicate()


def taken(browser: Browser, address: str, shot: Shot, picture: Path | None) -> bytes:
    """Return a picture of the page as JPEG."""
    width, height = shot.window
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if shot.dark else "light"
    )
    page = context.new_page()
    page.goto(address + shot.path)
    page.wait_for_selector("#results :is(.card, .trouble)")
    if picture:
        page.locator('input[type="file"]').first.set_input_files(picture)
        page.wait_for_selector(".rank")
    if shot.box:
        draw_box(page)
    for selector in shot.act:
        page.click(selector)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(500)
    image = Image.open(BytesIO(page.screenshot())).convert("RGB")
    context.close()
    data = BytesIO()
    image.save(data, "JPEG", quality=QUALITY, optimize=True, subsampling=0)
    return data.getvalue()


def draw_box(page: Page) -> None:
    """Draw a crop box over the middle of the query picture."""
    page.wait_for_selector(".crop")
    at: Any = page.locator(".crop").bounding_box()
    page.mouse.move(at["x"] + 0.3 * at["width"], at["y"] + 0.2 * at["height"])
    page.mouse.down()
    page.mouse.move(at["x"] + 0.75 * at["width"], at["y"] + 0.8 * at["height"], steps=5)
    page.mouse.up()


if __name__ == "__main__":
    main()
