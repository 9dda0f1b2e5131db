"""Conditions on labels and attributes: the grammar `key=value` and `key=LOW..HIGH`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from pixkin_proto.errors import InvalidFilter

from pixkin_scoring.items import LARGEST_WHOLE

LABEL = "label"
KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
WHOLE = r"-?(?:0|[1-9][0-9]*)"
WHOLE_NUMBER = re.compile(WHOLE)
DECIMAL = re.compile(rf"{WHOLE}(\.[0-9]+)?")
SCIENTIFIC = re.compile(rf"{WHOLE}(\.[0-9]+[eE][-+]?|[eE][-+])[0-9]+")
"""As programs write them. 007 and 12e34 are neither: such codes would lose their digits as numbers."""
MAX_CONDITIONS = 10_000
MAX_KEYS = 100  # each is one more level of the store's query, and SQLite allows 1000
Range = tuple[float, float]
"""Lowest and highest number, both included; infinite where open."""


@dataclass(frozen=True)
class Condition:
    """One key and its alternatives: texts to equal or ranges to lie in, one of which must hold.

    The key `label` tests the labels. A text that is a number (see `number`) also equals an attribute of that value.
    """

    key: str
    texts: tuple[str, ...] = ()
    ranges: tuple[Range, ...] = ()

    @property
    def numbers(self) -> tuple[Range, ...]:
        """All ranges of numbers that satisfy the condition, the single numbers among the texts included."""
        singles = (number(text) for text in self.texts)
        return self.ranges + tuple((n, n) for n in singles if n is not None)


Filter = tuple[Condition, ...]
"""Conditions that must all hold."""


def check_key(key: str) -> str:
    """Return the name of an attribute; raise InvalidFilter when it breaks the rule."""
    if not KEY.fullmatch(key):
        raise InvalidFilter(f"{key!r} is no attribute name; use 1 to 64 of A-Z, a-z, 0-9, _, . and -")
    return key


def parse_filter(conditions: Iterable[str]) -> Filter:
    """Read conditions; those with the same key are alternatives. Raises InvalidFilter."""
    found: dict[str, tuple[list[str], list[Range]]] = {}
    for count, text in enumerate(conditions, 1):
        key, equals, value = text.partition("=")
        if not equals:
            raise InvalidFilter(f"{text!r} is no condition; write key=value, label=value or key=LOW..HIGH")
        texts, ranges = found.setdefault(check_key(key), ([], []))
        span = None if key == LABEL else _range(value)
        if span is None:
            texts.append(value)
        else:
            ranges.append(span)
        if count > MAX_CONDITIONS or len(found) > MAX_KEYS:
            raise InvalidFilter(f"a filter has at most {MAX_CONDITIONS:,} conditions on {MAX_KEYS} keys; use fewer")
    return tuple(Condition(key, tuple(texts), tuple(ranges)) for key, (texts, ranges) in found.items())


def number(text: str) -> float | None:
    """Return the number that a text is, or None for one that would not stay what it is as a number.

    None: other words, codes such as 007 or 12e34, whole numbers beyond 2**53, and what is not finite.
    """
    if SCIENTIFIC.fullmatch(text) or (DECIMAL.fullmatch(text) and abs(Decimal(text)) <= LARGEST_WHOLE):
        return _finite(text)
    return None


def _range(text: str) -> Range | None:
    low, dots, high = text.partition("..")
    ends = (-math.inf if not low else _finite(low), math.inf if not high else _finite(high))
    if not dots or (not low and not high) or ends[0] is None or ends[1] is None:
        return None
    for written, end in zip((low, high), ends, strict=True):
        if WHOLE_NUMBER.fullmatch(written) and int(written) != end:
            raise InvalidFilter(f"{written} in the range {text} is beyond 2**53; attributes hold such numbers as text")
    if ends[0] > ends[1]:
        raise InvalidFilter(f"the range {text} is empty; write LOW..HIGH")
    return ends[0], ends[1]


def _finite(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
