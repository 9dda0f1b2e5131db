"""What pixkin and the libraries below it must not do on their own: call somebody, or leave something in the home."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

STRACE = shutil.which("strace")


@dataclass(frozen=True)
class Watched:
    """A home of its own, a proxy that everything meant for the web reaches, and the calls that the kernel was given."""

    home: Path
    proxied: list[bytes]
    calls: Path
    proxy: str

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """Start a command in an environment that holds nothing else: some libraries keep quiet where CI is set."""
        # -D: the process that is started is pixkin itself, which a signal is meant for
        watching = [STRACE, "-D", "-f", "-qq", "-e", "trace=connect,sendto", "-o", str(self.calls)] if STRACE else []
        command = [*watching, sys.executable, "-m", "pixkin_server", *(str(argument) for argument in arguments)]
        proxies = dict.fromkeys(("https_proxy", "HTTPS_PROXY", "ALL_PROXY"), self.proxy)
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), "no_grpc_proxy": "127.0.0.1", **proxies}
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)

    def run(self, *arguments: object) -> None:
        """Run a command to its end."""
        with self.start(*arguments) as process:
            _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said

    @property
    def outside(self) -> list[str]:
        """What went to another host, or asked for the address of one."""
        calls = self.calls.read_text().splitlines() if self.calls.exists() else []
        asked = [call for call in calls if "htons(53)" in call or ("AF_INET" in call and "127.0.0.1" not in call)]
        return [*asked, *map(repr, self.proxied)]

    @property
    def left(self) -> list[Path]:
        """The files that are in the home now."""
        return [path for path in self.home.rglob("*") if path.is_file()]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    proxied: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(5)
                    proxied.append(connection.recv(200))

        threading.Thread(target=answer, daemon=True).start()
        (tmp_path / "home").mkdir()
        proxy = f"http://127.0.0.1:{server.getsockname()[1]}"
        yield Watched(tmp_path / "home", proxied, tmp_path / "calls", proxy)
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def copied_store(store: Path, tmp_path: Path) -> Path:
    return shutil.copytree(store, tmp_path / "store")


@pytest.mark.parametrize(
    "command",
    [
        "search photos {photos}/red/0.jpg --descriptor gap --store {store}",
        "index add photos {photos}/red --prefix again --store {store}",
        "inspect hsv-histogram --check",
    ],
)
def test_a_command_calls_nobody_and_leaves_nothing_in_the_home(
    watched: Watched, command: str, copied_store: Path, photos: Path, extractors: Path
) -> None:
    watched.run(*command.format(photos=photos, store=copied_store).split(), "--extractors", extractors)
    assert watched.left == []
    assert watched.outside == []


def test_an_export_calls_nobody_and_leaves_nothing_in_the_home(watched: Watched, tmp_path: Path) -> None:
    watched.run("export-model", "hsv-histogram", "--extractors", tmp_path / "made")
    assert watched.left == []
    assert watched.outside == []


@pytest.mark.slow
def test_a_server_calls_nobody_for_as_long_as_it_serves(watched: Watched, copied_store: Path, extractors: Path) -> None:
    flags = ["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--store", copied_store, "--extractors", extractors]
    with watched.start("serve", "--drain", "0", *flags) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("pixkin: serving"):
                break
        time.sleep(12)  # ONNX Runtime sends its first events some 6 seconds after a model was loaded
        process.terminate()
        process.communicate(timeout=60)
    assert watched.left == []
    assert watched.outside == []
