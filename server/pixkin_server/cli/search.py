"""`pixkin search`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from pixkin_server.cli import options as shared
from pixkin_server.cli.output import complain, milliseconds, print_json, print_table
from pixkin_server.cli.queries import parse_queries

if TYPE_CHECKING:
    from pixkin_scoring.explaining import Explanation
    from pixkin_scoring.results import SearchResult

MOST_SHOWN = 4


@click.command()
@click.argument("collection")
@click.argument("queries", nargs=-1, required=True, metavar="QUERY...")
@click.option("--crop", metavar="x,y,w,h", help="Part of the query pictures to use, in pixels of the upright picture.")
@shared.search_options
@shared.connection
@shared.as_json
def search(collection: str, queries: tuple[str, ...], crop: str | None, as_json: bool, **options: Any) -> None:
    """Find the items of COLLECTION that look like QUERY.

    QUERY is the path of a picture, - for one on standard input, or id:ID, each with an optional @WEIGHT; several are
    averaged by weight, and a weight below 0 moves away from an example. An id that ends in @NUMBER itself is written
    with @1 behind it.
    """
    plan = shared.plan_from_options(options)
    asked = parse_queries(queries, crop)
    with shared.connected(options) as service:
        result = service.search(collection, asked, plan)
    if as_json:
        print_json(result_to_json(collection, result))
        complain_of_missing(result)
    else:
        print_result(result)


def print_result(result: SearchResult, *, all_to_stdout: bool = False) -> None:
    """Print the hits as a table, and on stderr what ran and how long it took."""
    rows = [
        (str(hit.rank), hit.id, f"{hit.score:.4f}", f"{hit.value:.4f}", ", ".join(hit.labels)) for hit in result.hits
    ]
    if rows:
        print_table(("rank", "id", "score", "value", "labels"), rows, right=(0, 2, 3))
        print_explanations(result)
    else:
        click.echo("no hits", err=not all_to_stdout)
    skipped = f" · skipped: {', '.join(result.skipped)}" if result.skipped else ""
    click.echo(f"{result.plan.summary}{skipped}", err=not all_to_stdout)
    click.echo(milliseconds(result.timings_ms), err=not all_to_stdout)
    complain_of_missing(result)


def print_explanations(result: SearchResult) -> None:
    """Print a line for each hit, descriptor and part: what contributes most, as shares of all that contributes."""
    lines = [
        (str(hit.rank), hit.id, explanation.descriptor, what, shares)
        for hit, explanations in zip(result.hits, result.explanations, strict=False)
        for explanation in explanations
        for what, shares in (("bins", _bins(explanation)), ("regions", _regions(explanation)))
        if shares
    ]
    if lines:
        click.echo("")
        print_table(("rank", "id", "descriptor", "", "what the value comes from"), lines, right=(0,))


def _bins(explanation: Explanation) -> str:
    named = [(each.name or f"bin {each.bin}", each.contribution) for each in explanation.bins]
    return _shares(named[:MOST_SHOWN], explanation.sum)


def _regions(explanation: Explanation) -> str:
    return _shares([(each.name, each.contribution) for each in explanation.regions], explanation.sum)


def _shares(named: Sequence[tuple[str, float]], total: float) -> str:
    return " · ".join(f"{name} {contribution / total:.0%}" for name, contribution in named) if total else ""


def complain_of_missing(result: SearchResult) -> None:
    """Say on stderr when a part of the collection did not answer."""
    if result.partial:
        complain(f"these hits are not of the whole collection: {result.partial}")


def result_to_json(collection: str, result: SearchResult) -> dict[str, Any]:
    """Return the object that `search --json` prints; `skipped`, `partial`, `explanations` only where there are some."""
    from dataclasses import asdict

    return {
        "collection": collection,
        "plan": asdict(result.plan),
        "hits": [
            {"rank": hit.rank, "id": hit.id, "score": hit.score, "value": hit.value, "labels": list(hit.labels)}
            for hit in result.hits
        ],
        **({"explanations": [list(map(asdict, each)) for each in result.explanations]} if result.explanations else {}),
        "timings_ms": result.timings_ms,
        **({"skipped": list(result.skipped)} if result.skipped else {}),
        **({"partial": result.partial} if result.partial else {}),
    }
