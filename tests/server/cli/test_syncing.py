"""What `index add` and `sync` leave as it was, and how they say so."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]
Where = tuple[object, ...]
Draw = Callable[[Path, int], Path]
Ids = Callable[[str], dict[str, Any]]


@pytest.fixture
def synced(pixkin: Cli, made: str, folder: Path, where: Where, draw: Draw) -> str:
    """A collection of 4 pictures and 12 below `disk`."""
    for number in range(12):
        draw(folder / f"disk/{number:02}.png", 100 + number)
    assert pixkin("index", "sync", made, folder, *where).out == "16 added\n"
    return made


def in_terminal(answer: str, *arguments: object) -> tuple[int, str]:
    """Run a command in a terminal, where `answer` is typed once it asks."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "pixkin_server", *map(str, arguments)]
    process = subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, start_new_session=True)
    os.close(follower)
    said, end = "", time.monotonic() + 60
    while time.monotonic() < end:
        ready, _, _ = select.select([leader], [], [], 1)
        try:
            more = os.read(leader, 4096).decode() if ready else ""
        except OSError:  # the other side was closed
            break
        said += more
        if "[y/N]" in more:
            os.write(leader, answer.encode())
    os.close(leader)
    return process.wait(60), said


def test_items_of_a_drive_that_is_not_mounted_stay_and_the_exit_status_says_so(
    pixkin: Cli, synced: str, folder: Path, where: Where, ids: Ids
) -> None:
    away = (folder / "disk").rename(folder.with_name("away"))
    (folder / "disk").mkdir()
    ran = pixkin("index", "sync", synced, folder, *where)
    assert (ran.status, ran.out) == (3, "0 added, 4 unchanged\n")
    assert ran.err == (
        "pixkin: disk has no picture left and 12 items below it: perhaps a drive is not mounted\n"
        "pixkin: 12 items stayed; --remove-missing removes them\n"
    )
    assert len(ids(synced)) == 16
    (folder / "disk").rmdir()
    away.rename(folder / "disk")
    assert pixkin("index", "sync", synced, folder, *where).out == "0 added, 16 unchanged\n"


def test_many_missing_pictures_are_removed_once_it_is_said(
    pixkin: Cli, synced: str, folder: Path, where: Where, ids: Ids, draw: Draw
) -> None:
    shutil.rmtree(folder / "disk")
    draw(folder / "new.png", 99)
    ran = pixkin("index", "sync", synced, folder, "--json", *where)
    assert ran.status == 3
    assert {key for key, value in ran.json.items() if value} == {"added", "unchanged"}
    assert "12 of 16 files are not there, the first is disk/00.png" in ran.err
    ran = pixkin("index", "sync", synced, folder, "--remove-missing", *where)
    assert (ran.status, ran.out, ran.err) == (0, "0 added, 5 unchanged, 12 removed\n", "")
    assert len(ids(synced)) == 5


@pytest.mark.parametrize(("answer", "left", "status"), [("y\n", 4, 0), ("n\n", 16, 3), ("\n", 16, 3), ("\4", 16, 130)])
def test_somebody_at_a_terminal_is_asked(
    pixkin: Cli, name: str, folder: Path, workplace: Any, draw: Draw, answer: str, left: int, status: int
) -> None:
    where = workplace.on_store
    pixkin("index", "create", name, "--extractor", "hsv-histogram", *where)
    for number in range(12):
        draw(folder / f"disk/{number:02}.png", 100 + number)
    pixkin("index", "sync", name, folder, *where)
    shutil.rmtree(folder / "disk")
    ended, said = in_terminal(answer, "index", "sync", name, folder, *where)
    assert f"Remove 12 items from {name}? [y/N]" in said
    assert ended == status
    assert pixkin("index", "describe", name, "--json", *where).json["items"] == left


def test_what_is_passed_over_is_said_in_one_line_and_is_no_failure(
    pixkin: Cli, made: str, folder: Path, where: Where, draw: Draw
) -> None:
    for other in ("a.HEIC", "b.nef", "c.CR2", "d.mov", "._e.jpg"):
        (folder / other).touch()
    draw(folder / ".thumbnails/f.png", 40)
    said = "pixkin: passed over: 1 HEIC, 2 RAW, 1 video, 1 hidden file, 1 trash or cache folder (see docs/formats.md)\n"
    for command in ("add", "sync"):
        ran = pixkin("index", command, made, folder, *where)
        assert (ran.status, ran.err) == (0, said)
    ran = pixkin("index", "add", made, folder, "--hidden", "--exclude", "*.mov", "--exclude", "red", *where)
    assert (ran.status, ran.out) == (0, "1 added, 2 unchanged\n")
    assert ran.err == "pixkin: passed over: 1 HEIC, 2 RAW, 1 hidden file, 2 excluded (see docs/formats.md)\n"


def test_a_folder_that_cannot_be_read_is_named_and_the_others_are_in(
    pixkin: Cli, made: str, folder: Path, where: Where, monkeypatch: pytest.MonkeyPatch, ids: Ids
) -> None:
    def scandir(path: str) -> object:
        if str(path).endswith("red"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    pixkin("index", "add", made, folder, "--exclude", "top.png", *where)
    real = os.scandir
    monkeypatch.setattr(os, "scandir", scandir)  # permissions do not bind the superuser, as whom tests may run
    for command, out in (("add", "1 added, 1 unchanged, 1 refused\n"), ("sync", "0 added, 2 unchanged, 1 refused\n")):
        ran = pixkin("index", command, made, folder, *where)
        assert (ran.status, ran.out) == (3, out)
        assert ran.err.startswith(f"pixkin: red: the folder {folder}/red cannot be read: Permission denied")
    assert len(ids(made)) == 4


def test_a_name_that_is_not_utf8_is_to_be_changed_and_no_manifest_is_named(
    pixkin: Cli, made: str, folder: Path, where: Where, draw: Draw
) -> None:
    draw(Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.jpg")), 91)
    ran = pixkin("index", "add", made, folder, *where)
    assert (ran.status, ran.out) == (3, "4 added, 1 refused\n")
    assert "is not valid UTF-8; rename the file or folder [INVALID_ID]" in ran.err
    assert "manifest" not in ran.err
