"""What a search returns."""

from __future__ import annotations

from dataclasses import dataclass

from pixkin_scoring.plan import Plan


@dataclass(frozen=True)
class Hit:
    """An item returned. rank counts from 1; value is the measure's own, score >= 0 and higher is better."""

    rank: int
    id: str
    score: float
    value: float
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class SearchResult:
    """Hits best first, the plan that ran, milliseconds by stage in their order, and skipped stages.

    partial: what did not answer, where the plan allowed that; empty otherwise.
    """

    hits: tuple[Hit, ...]
    plan: Plan
    timings_ms: dict[str, float]
    skipped: tuple[str, ...] = ()
    partial: str = ""
