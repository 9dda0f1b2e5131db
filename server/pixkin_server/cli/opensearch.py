"""`pixkin opensearch`: a real OpenSearch for trying and testing."""

from __future__ import annotations

import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

import click

from pixkin_server.cli.groups import Group
from pixkin_server.cli.output import complain
from pixkin_server.opensearch_node.ports import HIGHEST
from pixkin_server.opensearch_node.versions import DEFAULT, VERSIONS, choose_version

REFRESH_SECONDS = 0.2
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _heap(_context: click.Context, _option: click.Parameter, size: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]*[mMgG]", size):
        raise click.BadParameter(f"{size!r} is no size of a heap; write for instance 512m or 4g")
    return size


@click.group(cls=Group)
def opensearch() -> None:
    """Run an OpenSearch for trying and testing."""


@opensearch.command()
@click.option(
    "--version", "number", type=click.Choice(list(VERSIONS)),
    help=f"Which OpenSearch.  [default: {DEFAULT}, or with --knn the newest that has it]",
)  # fmt: skip
@click.option("--knn", is_flag=True, help="With the k-NN plugin, for approximate search.")
@click.option(
    "--port", type=click.IntRange(0, HIGHEST), default=9200, show_default=True, metavar="P",
    help=f"Where to listen on 127.0.0.1: at most {HIGHEST}; 0 for any free port.",
)  # fmt: skip
@click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Keep data and log there.  [default: a temporary folder that is removed at the end]",
)  # fmt: skip
@click.option(
    "--heap", default="1g", show_default=True, metavar="SIZE", callback=_heap,
    help="The size of its Java heap: 512m, 4g.",
)  # fmt: skip
def run(number: str | None, knn: bool, port: int, data: Path | None, heap: str) -> None:
    """Run an OpenSearch on this machine until SIGTERM or Ctrl-C, without Docker.

    For trying and testing only: it has no security and no bootstrap checks, and listens on 127.0.0.1 alone. Needs the
    extra `opensearch-local`. The first run of a version downloads about 80 MB from Maven Central into the caches of
    jgo (~/.m2, ~/.cache/jgo).
    """
    from pixkin_server.opensearch_node.node import start_node

    version = choose_version(number, knn=knn).number
    complain("for trying and testing, not for production: no security, no bootstrap checks, loopback only")
    where = f"data in {data}" if data else "data in a temporary folder, removed at the end; keep them with --data DIR"
    complain(f"starting OpenSearch {version}{' with k-NN' if knn else ''} ({where})")
    with _ended_by_signals():
        with Download(version) as progress:
            node = start_node(version, knn=knn, port=port, data=data, heap=heap, progress=progress)
        with node:
            click.echo(node.url)
            complain(f"ready; in another terminal: pixkin demo --store {node.url} (Ctrl-C stops OpenSearch)")
            node.wait()


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let each of SIGNALS end the block in order, with the exit status 0; a second one does not disturb that.

    A SIGHUP that is ignored, as under nohup, stays ignored.
    """

    def end(*_: object) -> NoReturn:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        sys.exit(0)

    ignored = {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else set()
    before = {number: signal.signal(number, end) for number in SIGNALS if number not in ignored}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Download:
    """Shows on stderr what has come; on a terminal it counts. How much is to come is only known at the end."""

    def __init__(self, version: str) -> None:
        self._what = f"OpenSearch {version}"
        self._files = self._bytes = 0
        self._began = self._latest = self._shown = 0.0

    def __call__(self, files: int, size: int) -> None:
        """Note that so many files, or bytes of one, have come."""
        if not self._began:
            self._began = time.monotonic()
            complain(f"downloading {self._what}, once")
        self._files, self._bytes, self._latest = self._files + files, self._bytes + size, time.monotonic()
        if sys.stderr.isatty() and self._latest - self._shown > REFRESH_SECONDS:
            self._shown = self._latest
            click.echo(f"\r{self}\x1b[K", err=True, nl=False)

    def __str__(self) -> str:
        return f"{self._files} files, {self._bytes / 1e6:.1f} MB in {self._latest - self._began:.0f} s"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._began:
            click.echo(("\r" if self._shown else "") + f"pixkin: {self}" + ("\x1b[K" if self._shown else ""), err=True)
