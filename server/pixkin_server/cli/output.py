"""What commands print: tables and JSON on stdout, complaints and progress on stderr."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import click

T = TypeVar("T")
BAR = 24
REFRESH_SECONDS = 0.2


def print_json(value: Any, *, indent: int | None = 2) -> None:
    """Print one JSON value; without indent on one line."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False))


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[int] = ()) -> None:
    """Print a table; columns numbered in `right` are aligned to the right."""
    lines = [list(headings), *([one_line(cell) for cell in row] for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(headings))]
    for line in lines:
        cells = (c.rjust(w) if at in right else c.ljust(w) for at, (c, w) in enumerate(zip(line, widths, strict=True)))
        click.echo("  ".join(cells).rstrip())


def complain(text: str) -> None:
    """Print one line on stderr, whatever a name in it contains. A stderr that takes nothing changes no exit status."""
    with contextlib.suppress(OSError):
        click.echo(f"pixkin: {one_line(text)}", err=True)


def one_line(text: str) -> str:
    """Return a text with every character that would break a line, or is none, written as its escape."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def milliseconds(timings_ms: Mapping[str, float]) -> str:
    """Return stage timings as one line."""
    stages = " · ".join(f"{stage} {ms:.1f}" for stage, ms in timings_ms.items())
    return f"{stages} · total {sum(timings_ms.values()):.1f} ms"


class Progress:
    """Counts done work on stderr, with a bar, the rate and the time left; silent when stderr is no terminal."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total = what, total
        self._done, self._began, self._shown = 0, time.monotonic(), 0.0
        self._visible = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._shown:
            click.echo("", err=True)

    def __call__(self, done: int) -> None:
        """Note that `done` more are done."""
        self._done += done
        now = time.monotonic()
        if self._visible and done and (now - self._shown > REFRESH_SECONDS or self._done >= self._total):
            self._shown = now
            click.echo(f"\r{self._line(now - self._began)}\x1b[K", err=True, nl=False)

    def over(self, blocks: Iterable[T], *, size: Callable[[T], int]) -> Iterator[T]:
        """Yield blocks, and note the size of each when the next one is asked for."""
        for block in blocks:
            yield block
            self(size(block))

    def _line(self, seconds: float) -> str:
        rate = self._done / max(seconds, 1e-9)
        filled = BAR * self._done // max(self._total, 1)
        bar = "█" * filled + "░" * (BAR - filled)
        last = (
            f"{(self._total - self._done) / rate:,.0f} s left" if self._done < self._total else f"in {seconds:,.1f} s"
        )
        return f"{self._what} {bar} {self._done:,}/{self._total:,}  {rate:,.1f}/s  {last}"
