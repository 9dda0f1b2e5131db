"""Sentences about what a protocol left out."""

from __future__ import annotations


def quantity(count: int, one: str, many: str) -> str:
    """Return a count with its noun."""
    return f"{count:,} {one if count == 1 else many}"


def note_on_queries(count: int, reason: str) -> tuple[str, ...]:
    """Return the note that so many queries were left out, none for none."""
    return (f"{quantity(count, 'query was', 'queries were')} left out: {reason}",) if count else ()
