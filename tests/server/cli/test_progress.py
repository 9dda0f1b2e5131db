from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pixkin_server.cli.output import Progress

Cli = Callable[..., Any]


def test_progress_has_rate_and_time_left_on_a_terminal_and_results_stay_on_stdout(
    name: str, pixkin: Cli, folder: Path, workplace: Any
) -> None:
    pixkin("index", "create", name, "--extractor", "hsv-histogram", *workplace.on_store)
    command = [sys.executable, "-m", "pixkin_server", "index", "add", name, folder, *workplace.on_store]
    ours, theirs = pty.openpty()
    try:
        ran = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=theirs, check=True)
        os.close(theirs)
        shown = os.read(ours, 65536).decode()
    finally:
        os.close(ours)
    assert ran.stdout == b"4 added\n"
    assert "\rpictures █" in shown
    assert "4/4" in shown
    assert "/s  in " in shown
    assert shown.endswith("\r\n")


def test_progress_is_silent_where_stderr_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("pictures", 2) as bar:
        bar(1)
        bar(1)
    assert capsys.readouterr().err == ""


def test_progress_counts_what_is_done_and_left(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Progress("pictures", 4) as bar:
        bar._began -= 10
        bar(0)
        bar(1)
        bar._shown -= 10
        bar(1)
        bar._shown -= 10
        bar(2)
    lines = capsys.readouterr().err.replace("\x1b[K", "").split("\r")
    assert [line.split("  ")[1:] for line in lines[1:]] == [
        ["0.1/s", "30 s left"], ["0.2/s", "10 s left"], ["0.4/s", "in 10.0 s\n"],
    ]  # fmt: skip
    assert "2/4" in lines[2]
