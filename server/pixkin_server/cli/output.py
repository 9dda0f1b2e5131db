"""What commands print: tables and JSON on stdout, progress on stderr when that is a terminal."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

import click


def print_json(value: Any) -> None:
    """Print one JSON object."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False))


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[int] = ()) -> None:
    """Print a table; columns numbered in `right` are aligned to the right."""
    lines = [list(headings), *(list(row) for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(headings))]
    for line in lines:
        cells = (c.rjust(w) if at in right else c.ljust(w) for at, (c, w) in enumerate(zip(line, widths, strict=True)))
        click.echo("  ".join(cells).rstrip())


def milliseconds(timings_ms: dict[str, float]) -> str:
    """Return stage timings as one line."""
    stages = " · ".join(f"{stage} {ms:.1f}" for stage, ms in timings_ms.items())
    return f"{stages} · total {sum(timings_ms.values()):.1f} ms"


class Progress:
    """Counts done work on stderr with rate and time left; silent when stderr is no terminal."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total = what, total
        self._done, self._began, self._shown = 0, time.monotonic(), 0.0
        self._visible = sys.stderr.isatty()

    def __call__(self, done: int) -> None:
        """Note that `done` more are done."""
        self._done += done
        now = time.monotonic()
        if self._visible and (now - self._shown > 0.2 or self._done >= self._total):
            self._shown = now
            rate = self._done / max(now - self._began, 1e-9)
            left = (self._total - self._done) / rate if rate else 0.0
            line = f"{self._what} {self._done:,}/{self._total:,}  {rate:,.1f}/s  {left:,.0f} s left"
            click.echo(f"\r{line:<70}", err=True, nl=False)

    def end(self) -> None:
        """Leave the line, and return nothing."""
        if self._visible and self._done:
            click.echo("", err=True)
