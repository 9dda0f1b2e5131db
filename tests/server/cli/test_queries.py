"""Pictures that come through a pipe are queries as files are."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory, workplace: Any) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a line of bash in which SEARCH is a search of one hit; the rest of the line names its query."""

    def run(line: str, name: str, **environment: str) -> subprocess.CompletedProcess[str]:
        where = " ".join(map(str, workplace.on_store))
        script = f'SEARCH() {{ "{sys.executable}" -m pixkin_server search {name} --size 1 {where} "$@"; }}\n{line}'
        return subprocess.run(
            ["/bin/bash", "-c", script],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={**os.environ, **environment},
        )

    return run


@pytest.fixture
def filled(pixkin: Cli, name: str, folder: Path, workplace: Any) -> str:
    """A collection of the folder's pictures."""
    pixkin("index", "create", name, "--extractor", "hsv-histogram", *workplace.on_store)
    assert pixkin("index", "add", name, folder, *workplace.on_store).out == "4 added\n"
    return name


@pytest.mark.parametrize(
    "line",
    [
        'cat "$PICTURE" | SEARCH -',
        'SEARCH - < "$PICTURE"',
        'cat "$PICTURE" | SEARCH /dev/stdin',
        'cat "$PICTURE" | SEARCH /dev/stdin@2',
        'SEARCH <(cat "$PICTURE")',
        'mkfifo "$PIPE"; (timeout 30 sh -c \'cat "$PICTURE" > "$PIPE"\' &); SEARCH "$PIPE"',
    ],
)
def test_a_picture_may_come_through_a_pipe(
    search: Callable[..., Any], filled: str, folder: Path, tmp_path: Path, line: str
) -> None:
    ran = search(line, filled, PICTURE=str(folder / "red/b.jpg"), PIPE=str(tmp_path / "pipe"))
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[1].split()[1] == "red/b.jpg"


@pytest.mark.parametrize(
    ("line", "status", "says"),
    [
        ("SEARCH - </dev/null", 1, "the picture has no bytes"),
        ("SEARCH - <&-", 1, "standard input is closed"),
        ("SEARCH - - </dev/null", 2, "which can be read once"),
        ("SEARCH /dev/zero", 1, "the limit is 67,108,864"),
        ("SEARCH /tmp", 1, "is a folder"),
        ("SEARCH nowhere.jpg", 1, "there is no picture nowhere.jpg"),
        ("echo 'a text' | SEARCH -", 1, "the file is a text"),
    ],
)
def test_what_is_no_picture_is_refused_in_one_line(
    search: Callable[..., Any], filled: str, line: str, status: int, says: str
) -> None:
    ran = search(line, filled)
    assert (ran.returncode, ran.stderr.count("\n")) == (status, 1), ran.stderr
    assert says in ran.stderr
