from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from pixkin_server.cli.opensearch import Download
from pixkin_server.opensearch_node.ports import HOST, free_port

Cli = Callable[..., Any]
Running = tuple[subprocess.Popen[str], Path, str]
Run = Callable[[], AbstractContextManager[Running]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the command in a process of its own, with its temporary folders and what it says below tmp_path."""

    @contextmanager
    def running() -> Iterator[Running]:
        said = tmp_path / "said"
        command = [sys.executable, "-m", "pixkin_server", "opensearch", "run", "--port", "0", "--heap", "512m"]
        with said.open("w", encoding="utf-8") as stderr:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=stderr, text=True, env={**os.environ, "TMPDIR": str(tmp_path)}
            )
        with process:
            assert process.stdout
            url = process.stdout.readline().strip()
            try:
                assert answers(url), said.read_text(encoding="utf-8")
                yield process, said, url
            finally:
                process.terminate()

    return running


def answers(url: str) -> bool:
    """Whether an OpenSearch answers there."""
    connection = HTTPConnection(url.removeprefix("http://"), timeout=10)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def children(process: subprocess.Popen[str]) -> list[int]:
    """Return the processes that a process has started."""
    text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii")
    return [int(pid) for pid in text.split()]


def is_silent_soon(url: str) -> bool:
    """Whether nothing answers there any more, or before long."""
    until = time.monotonic() + 30
    while answers(url) and time.monotonic() < until:
        time.sleep(0.1)
    return not answers(url)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_the_node_and_leaves_nothing(number: signal.Signals, run: Run, tmp_path: Path) -> None:
    with run() as (process, said, url):
        assert list(tmp_path.glob("pixkin-opensearch-*"))
        process.send_signal(number)
        assert process.wait(60) == 0
    assert not answers(url)
    assert not list(tmp_path.glob("pixkin-opensearch-*"))
    text = said.read_text(encoding="utf-8")
    assert "not for production: no security" in text
    assert "a temporary folder, removed at the end; keep them with --data DIR" in text
    assert f"pixkin demo --store {url}" in text


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_the_node_does_not_outlive_a_killed_pixkin(run: Run) -> None:
    with run() as (process, _, url):
        process.kill()
        assert process.wait(60) == -signal.SIGKILL
        assert is_silent_soon(url)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_node_that_dies_is_one_line_with_the_reason(run: Run) -> None:
    with run() as (process, said, _):
        os.kill(children(process)[0], signal.SIGKILL)
        assert process.wait(60) == 1
    last = said.read_text(encoding="utf-8").splitlines()[-1]
    assert last.startswith("pixkin: OpenSearch 3.8.0 died while it ran (killed by SIGKILL): ")
    assert last.endswith("[STORE_UNAVAILABLE]")


def test_knn_is_refused_for_a_version_that_lacks_it(pixkin: Cli) -> None:
    ran = pixkin("opensearch", "run", "--knn", "--version", "3.8.0")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == (
        "pixkin: the k-NN plugin of OpenSearch 3.8.0 is in no Maven repository; choose one of 2.19.1 "
        "[INVALID_ARGUMENT]\n"
    )


def test_a_port_in_use_is_one_line(pixkin: Cli) -> None:
    port = free_port()
    with socket.create_server((HOST, port)):
        ran = pixkin("opensearch", "run", "--port", port)
    assert ran.status == 1
    assert f"port {port} of 127.0.0.1 cannot be had (Address already in use)" in ran.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("option", "value", "allowed"), [("--port", 9500, "9299"), ("--heap", "2gigs", "512m"), ("--heap", "0g", "512m")]
)
def test_what_no_node_can_have_is_refused_before_anything_starts(
    pixkin: Cli, option: str, value: object, allowed: str
) -> None:
    ran = pixkin("opensearch", "run", option, value)
    assert (ran.status, ran.out) == (2, "")
    assert allowed in ran.err
    assert "starting" not in ran.err


def test_the_handlers_of_signals_are_as_before_once_the_command_is_over(pixkin: Cli) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGHUP)
    with socket.create_server((HOST, port := free_port())):
        assert pixkin("opensearch", "run", "--port", port).status == 1
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGHUP)) == before


def test_a_download_is_announced_and_summed_up_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with Download("3.8.0") as progress:
        for _ in range(100):
            progress(0, 10_000)
        progress(1, 0)
    assert re.fullmatch(r"pixkin: downloading .*\npixkin: 1 files, 1\.0 MB in \d+ s\n", capsys.readouterr().err)


def test_a_download_counts_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr("pixkin_server.cli.opensearch.REFRESH_SECONDS", 0)
    with Download("3.8.0") as progress:
        progress(1, 0)
        progress(0, 2_000_000)
    said = capsys.readouterr().err
    assert "\r1 files, 0.0 MB" in said
    assert "\r1 files, 2.0 MB" in said
    assert said.endswith("\n")


def test_nothing_is_said_of_a_download_that_is_not_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with Download("3.8.0"):
        pass
    assert capsys.readouterr().err == ""
