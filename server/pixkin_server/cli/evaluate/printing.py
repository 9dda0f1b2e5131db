"""What `pixkin evaluate` prints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pixkin_server.cli.output import Progress, complain, print_json, print_table

if TYPE_CHECKING:
    from pixkin_scoring.evaluation.judgements import JudgedQuery

    from pixkin_server.evaluation.outcome import Comparison
    from pixkin_server.evaluation.task import Outcome


LEAST_P = 1.5e-4
"""Of 10,000 draws none was as extreme: p is not above 0.0001, and that is all that is known."""


def counted(queries: Iterable[JudgedQuery]) -> Iterator[JudgedQuery]:
    """Yield queries, and show on stderr how many are done."""
    waiting = list(queries)
    with Progress("queries", len(waiting)) as bar:
        for query in waiting:
            yield query
            bar(1)


def print_outcome(outcome: Outcome, protocol: str, collection: str, details: dict[str, Any], *, as_json: bool) -> None:
    """Print figures as a table or as JSON; what ran and what to know about it goes to stderr."""
    from pixkin_server.evaluation.outcome import to_json

    figures = to_json(
        outcome.evaluation, protocol=protocol, collection=collection, plan=outcome.plan, details=details
    )  # fmt: skip
    if as_json:
        print_json(figures)
        return
    print_table(
        ("measure", "value"), [(name, f"{value:.4f}") for name, value in figures["measures"].items()], right=(1,)
    )
    click.echo(f"{collection}{f' · {outcome.plan.summary}' if outcome.plan else ''}", err=True)
    low, high = figures["interval"]
    waited = outcome.evaluation.timings_ms
    took = f" · a query took {waited['p50']:.1f} ms (p50), {waited['p95']:.1f} ms (p95)" if outcome.plan else ""
    ties = f" · {figures['ties']:,} hits tie with the one before" if figures["ties"] else ""
    click.echo(f"{figures['queries']:,} queries · 95 % interval {low:.4f} to {high:.4f}{ties}{took}", err=True)
    for note in figures["notes"]:
        complain(note)


def print_comparison(first: Path, second: Path, by: str, *, as_json: bool) -> None:
    """Compare two files of figures and print what was found."""
    from dataclasses import asdict

    from pixkin_server.evaluation.outcome import compare

    found = compare(first, second, by=by)
    if as_json:
        print_json(asdict(found))
        return
    print_table((found.measure, "value"), _compared(first, second, found), right=(1,))


def _compared(first: Path, second: Path, found: Comparison) -> list[tuple[str, str]]:
    low, high = found.interval
    return [
        (str(first), f"{found.first:.4f}"),
        (str(second), f"{found.second:.4f}"),
        ("difference", f"{found.difference:+.4f}"),
        ("95 % interval of the difference", f"{low:+.4f} to {high:+.4f}"),
        ("p (paired randomisation)", f"{'≤ ' if found.p < LEAST_P else ''}{found.p:.4f}"),
        ("queries better, worse, equal", f"{found.better:,}, {found.worse:,}, {found.equal:,}"),
    ]
