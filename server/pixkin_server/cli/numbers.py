"""The numbers that options take. Each is finite and has bounds, so that no clock, buffer or message overflows."""

from __future__ import annotations

import sys
from typing import Any

import click

from pixkin_server.timeouts import MAX_SECONDS

LARGEST = 2**31 - 1


class Number(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic in newer versions of click alone
    """A whole number (kind int) or any (float) from `low` to `high`; NaN lies between no bounds."""

    def __init__(self, kind: type[int | float], low: float, high: float) -> None:
        self.name = "integer" if kind is int else "float"
        self.low, self.high = low, high
        self._kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read a number; fails for what is none, or lies beyond the bounds."""
        try:
            number = self._kind(value)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not a valid {self.name}.", param, ctx)
        if not self.low <= number <= self.high:
            low, high = (f"{bound:,}" if self._kind is int else f"{bound:g}" for bound in (self.low, self.high))
            self.fail(f"{value} is not in the range from {low} to {high}.", param, ctx)
        return number


WHOLE = Number(int, -LARGEST, LARGEST)
REAL = Number(float, -sys.float_info.max, sys.float_info.max)
COUNT = Number(int, 1, LARGEST)
SECONDS = Number(float, 1e-9, MAX_SECONDS)
