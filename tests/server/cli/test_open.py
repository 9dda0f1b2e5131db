"""`pixkin open` in a process of its own: the page answers, what is in can be searched, and it ends cleanly."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Cli = Callable[..., Any]


@dataclass
class Opened:
    """A running `pixkin open`: where its page is, and the file with what it says."""

    process: subprocess.Popen[str]
    said: Path
    url: str = ""

    def wait_for(self, pattern: str, *, seconds: float = 60) -> str:
        """Return the first match in what it has said."""
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.said.read_text())):
            assert self.process.poll() is None, self.said.read_text()
            assert time.monotonic() < end, self.said.read_text()
            time.sleep(0.05)
        return found[0]

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Return the reply to a GET, or to a POST of JSON."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})  # noqa: S310  # the same
        with urllib.request.urlopen(request, timeout=20) as reply:  # noqa: S310  # our own server
            return json.load(reply)


Open = Callable[..., AbstractContextManager[Opened]]


@pytest.fixture
def opened(tmp_path: Path, extractors: Path) -> Open:
    """Run `pixkin open` for the length of a block, and end it as Ctrl-C does."""

    @contextmanager
    def running(folder: Path, *flags: str, cwd: Path = tmp_path, **environment: str) -> Iterator[Opened]:
        said = tmp_path / "said"
        command = [sys.executable, "-m", "pixkin_server", "open", str(folder), "--port", "0"]
        command += [] if "XDG_DATA_HOME" in environment else ["--store", str(tmp_path / "store")]
        command += ["--extractors", str(extractors), "--device", "cpu", *flags]
        hidden = {"BROWSER": "", "DISPLAY": "", "WAYLAND_DISPLAY": ""}
        with said.open("w") as stderr:
            variables = {**os.environ, **hidden, **environment}
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stderr=stderr, text=True, env=variables, cwd=cwd
            )  # fmt: skip
        running = Opened(process, said)
        try:
            running.url = running.wait_for(r"http://127\.0\.0\.1:\d+")
            yield running
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0, said.read_text()

    return running


def test_a_folder_is_indexed_searched_and_shown(opened: Open, photos: Path) -> None:
    with opened(photos) as running:
        running.wait_for("indexed: 24 added")
        [collection] = running.ask("/v1/collections")["collections"]
        assert collection["name"] == re.sub(r"[^a-z0-9_-]+", "-", photos.name.lower())
        assert [each["name"] for each in collection["descriptors"]] == [
            "efficientnet-lite0.gap",
            "hsv-histogram.histogram",
        ]
        query = {"collection": collection["name"], "queries": [{"id": "red/0.jpg"}],
                 "plan": {"descriptors": [{"name": "histogram"}]}, "size": 3}  # fmt: skip
        reply = running.ask("/v1/search", query)
        assert {label for each in reply["labels"] for label in each["labels"]} == {"red"}
        original = f"/v1/collections/{collection['name']}/items/{urllib.parse.quote('red/0.jpg', safe='')}/original"
        with urllib.request.urlopen(running.url + original, timeout=20) as found:  # noqa: S310  # our own server
            assert found.read() == (photos / "red/0.jpg").read_bytes()


def test_the_second_time_only_what_changed_is_encoded(opened: Open, photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "my Pictures!"
    shutil.copytree(photos / "red", folder)
    with opened(folder) as running:
        running.wait_for("indexed: 4 added")
        assert running.ask("/v1/collections")["collections"][0]["name"] == "my-pictures"
    (folder / "0.jpg").unlink()
    shutil.copy(photos / "blue/1.jpg", folder / "blue.jpg")
    with opened(folder) as running:
        running.wait_for("indexed: 1 added, 1 removed, 3 unchanged")
        assert len(running.ask("/v1/collections")["collections"]) == 1


def test_what_is_in_can_be_searched_while_the_rest_is_indexed(opened: Open, tmp_path: Path) -> None:
    draw = np.random.default_rng(4)
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(400):
        Image.fromarray(draw.integers(0, 256, (240, 320, 3)).astype(np.uint8)).save(folder / f"{number:03}.jpg")
    with opened(folder) as running:
        query = {"collection": "many", "queries": [{"id": "000.jpg"}], "plan": {"descriptors": [{"name": "gap"}]}}
        items, end = 0, time.monotonic() + 60
        while not 10 < items < 400:
            assert time.monotonic() < end
            items = int(running.ask("/v1/collections/many")["items"])
        assert len(running.ask("/v1/search", query)["ids"]) == 10
        assert "indexed:" not in running.said.read_text()
    kept = items
    with opened(folder) as running:
        said = running.wait_for(r"indexed: .*")
        assert int(re.findall(r"(\d+) unchanged", said)[0]) >= kept


def test_the_browser_is_shown_the_page_of_the_collection(opened: Open, photos: Path, tmp_path: Path) -> None:
    shown, browser = tmp_path / "shown", tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {shown}\n')
    browser.chmod(0o755)
    with opened(photos / "red", BROWSER=f"{browser} %s") as running:
        end = time.monotonic() + 30
        while not shown.exists() or not shown.read_text():
            assert time.monotonic() < end
            time.sleep(0.05)
        assert shown.read_text().strip() == f"{running.url}/?collection=red"
    shown.unlink()
    with opened(photos / "red", "--no-browser", BROWSER=f"{browser} %s") as running:
        running.wait_for("indexed:")
    assert not shown.exists()


def test_folders_of_one_name_have_collections_of_their_own(opened: Open, photos: Path, tmp_path: Path) -> None:
    for parent in ("a", "b"):
        shutil.copytree(photos / "grey", tmp_path / parent / "holiday")
        with opened(tmp_path / parent / "holiday") as running:
            running.wait_for("indexed: 4 added")
            names = [each["name"] for each in running.ask("/v1/collections")["collections"]]
    assert names == ["holiday", "holiday-2"]


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("nowhere",), 2, "does not exist"),
        ((".",), 1, "has no pictures"),
        (("red", "--extractor", "nothing"), 1, "nothing"),
        (("red", "--collection", "No Name"), 1, "INVALID_NAME"),
        (("red", "--port", "70000"), 2, "port"),
    ],
)
def test_what_cannot_be_opened_is_one_line(
    pixkin: Cli, tmp_path: Path, photos: Path, extractors: Path, arguments: tuple[str, ...], status: int, says: str
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    places = {"red": photos / "red", ".": empty, "nowhere": tmp_path / "nowhere"}
    folder, *flags = arguments
    ran = pixkin("open", places[folder], "--store", tmp_path / "store", "--extractors", extractors, *flags)
    assert ran.status == status
    assert ran.err.count("\n") == 1
    assert says in ran.err


def test_a_collection_of_another_folder_is_left_alone(
    pixkin: Cli, tmp_path: Path, photos: Path, extractors: Path
) -> None:
    where = ("--store", tmp_path / "store", "--extractors", extractors)
    pixkin("index", "create", "mine", "--extractor", "hsv-histogram", *where)
    pixkin("index", "add", "mine", photos / "red", *where)
    ran = pixkin("open", photos / "blue", "--collection", "mine", *where)
    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert "--collection NAME" in ran.err
    ran = pixkin("open", photos / "red", "--collection", "mine", "--extractor", "efficientnet-lite0", *where)
    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert "with hsv-histogram" in ran.err


COLOURS = ("--extractor", "hsv-histogram")


@pytest.fixture
def where(tmp_path: Path, extractors: Path) -> tuple[object, ...]:
    """The options that name the store of `opened`."""
    return ("--store", tmp_path / "store", "--extractors", extractors)


@pytest.fixture
def pictures(photos: Path, tmp_path: Path) -> Path:
    """A folder of 24 pictures, which a test may change."""
    return Path(shutil.copytree(photos, tmp_path / "album"))


def labels(pixkin: Cli, collection: str, where: tuple[object, ...]) -> dict[str, list[str]]:
    lines = pixkin("index", "list", collection, "--json", *where).out.splitlines()
    return {item["id"]: item["labels"] for item in map(json.loads, lines)}


def test_a_collection_that_was_made_by_hand_is_left_alone(
    pixkin: Cli, opened: Open, pictures: Path, where: tuple[object, ...]
) -> None:
    for name in ("album", "hand"):  # one of them has the very name that open would take
        pixkin("index", "create", name, *COLOURS, *where)
        assert pixkin("index", "add", name, pictures, *where).status == 0
        pixkin("index", "update", name, "red/0.jpg", "--label", "favourite", *where)
    shutil.rmtree(pictures / "blue")
    with opened(pictures, *COLOURS) as running:
        running.wait_for("indexed: 20 added")
        assert "collection album-2 in" in running.said.read_text()
        assert "collection album has pictures of" in running.said.read_text()
    for name in ("album", "hand"):
        found = labels(pixkin, name, where)
        assert (len(found), found["red/0.jpg"]) == (24, ["favourite"])
    with opened(pictures, *COLOURS) as running:
        running.wait_for("indexed: 20 unchanged")


def test_an_empty_collection_and_a_copy_of_its_own_are_left_alone_too(
    pixkin: Cli, opened: Open, pictures: Path, where: tuple[object, ...]
) -> None:
    pixkin("index", "create", "album", *COLOURS, *where)
    with opened(pictures, *COLOURS) as running:
        running.wait_for("indexed: 24 added")
    assert pixkin("index", "copy", "album-2", "--to", where[1], "--as", "a-copy", *where[:2]).status == 0
    (pictures / "red/0.jpg").unlink()
    with opened(pictures, *COLOURS) as running:
        running.wait_for("indexed: 1 removed, 23 unchanged")
    sizes = {name: len(labels(pixkin, name, where)) for name in ("album", "album-2", "a-copy")}
    assert sizes == {"album": 0, "album-2": 23, "a-copy": 24}


def test_labels_given_by_hand_stay_and_new_pictures_get_those_of_their_folder(
    pixkin: Cli, opened: Open, pictures: Path, where: tuple[object, ...]
) -> None:
    with opened(pictures, *COLOURS) as running:
        running.wait_for("indexed: 24 added")
    pixkin("index", "update", "album", "red/0.jpg", "--label", "favourite", *where)
    pixkin("index", "update", "album", "red/1.jpg", "--no-labels", *where)
    pixkin("index", "update", "album", "red/2.jpg", "--label", "red", "--label", "best", *where)
    pixkin("index", "update", "album", "red/3.jpg", "--label", "worst", *where)
    shutil.copy(pictures / "blue/0.jpg", pictures / "red/0.jpg")  # other pixels
    (pictures / "red/2.jpg").rename(pictures / "green/moved.jpg")
    (pictures / "red/3.jpg").rename(pictures / "green/moved-too.jpg")
    (pictures / "red/new.jpg").write_bytes((pictures / "red/1.jpg").read_bytes() + b"new")
    with opened(pictures, *COLOURS) as running:
        running.wait_for("indexed: 1 added, 1 replaced, 2 moved, 23 unchanged")
    found = labels(pixkin, "album", where)
    assert {item: found[item] for item in ("red/0.jpg", "red/1.jpg", "red/new.jpg")} == {
        "red/0.jpg": ["favourite"], "red/1.jpg": [], "red/new.jpg": ["red"],
    }  # fmt: skip
    assert found["green/moved.jpg"] == ["best", "green"]  # the label of the folder that it was in went with it
    assert found["green/moved-too.jpg"] == ["worst"]


def test_items_of_missing_pictures_stay_until_it_is_said(
    pixkin: Cli, opened: Open, pictures: Path, where: tuple[object, ...]
) -> None:
    with opened(pictures, *COLOURS) as running:
        running.wait_for("indexed: 24 added")
    for colour in ("red", "green", "blue"):
        shutil.rmtree(pictures / colour)
    (pictures / "grey/0.jpg").rename(pictures / "kept.jpg")
    shutil.rmtree(pictures / "grey")
    (pictures / "grey").mkdir()
    (pictures / "x.HEIC").touch()
    with opened(pictures, *COLOURS) as running:
        running.wait_for("indexed: 1 moved, 9 unchanged")
        running.wait_for("15 items stayed; --remove-missing removes them\npixkin: passed over: 1 HEIC")
    with opened(pictures, *COLOURS, "--remove-missing") as running:
        running.wait_for("indexed: 15 removed, 9 unchanged")


def test_the_store_is_the_users_own_and_nothing_is_written_into_the_folder(
    opened: Open, pictures: Path, tmp_path: Path
) -> None:
    before = sorted(pictures.rglob("*"))
    home = str(tmp_path / "data")
    with opened(Path(), *COLOURS, cwd=pictures, XDG_DATA_HOME=home) as running:
        running.wait_for("indexed: 24 added")
        assert f"24 pictures of {pictures}, collection album in {home}/pixkin/store: http" in running.said.read_text()
    with opened(pictures, *COLOURS, cwd=tmp_path, XDG_DATA_HOME=home) as running:
        running.wait_for("indexed: 24 unchanged")
    assert sorted(pictures.rglob("*")) == before


def test_a_collection_of_the_same_folder_is_opened_by_its_name(
    pixkin: Cli, opened: Open, pictures: Path, where: tuple[object, ...]
) -> None:
    pixkin("index", "create", "hand", *COLOURS, *where)
    pixkin("index", "add", "hand", pictures, *where)
    pixkin("index", "update", "hand", "red/0.jpg", "--label", "favourite", *where)
    with opened(pictures, "--collection", "hand") as running:
        running.wait_for("indexed: 24 unchanged")
    found = labels(pixkin, "hand", where)
    assert (found["red/0.jpg"], found["red/1.jpg"]) == (["favourite"], [])


def test_what_is_hidden_or_excluded_is_not_opened(opened: Open, pictures: Path) -> None:
    shutil.copytree(pictures / "red", pictures / ".thumbnails")
    with opened(pictures, *COLOURS, "--exclude", "blue", "--exclude", "grey") as running:
        running.wait_for("indexed: 16 added")
        running.wait_for("passed over: 1 trash or cache folder, 2 excluded")
    with opened(pictures, *COLOURS, "--hidden") as running:
        running.wait_for("indexed: 12 added, 16 unchanged")
