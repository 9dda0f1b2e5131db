"""`pixkin evaluate`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from pixkin_server.cli import options as shared
from pixkin_server.cli.output import Progress, print_json, print_table
from pixkin_server.cli.search import compared

if TYPE_CHECKING:
    from pixkin_scoring.evaluation.labels import Evaluation
    from pixkin_scoring.plan import Plan
    from pixkin_scoring.results import SearchResult

    from pixkin_server.api import Service

PAGE = 10_000


@click.command()
@click.argument("protocol", type=click.Choice(["labels"]))
@click.argument("collection")
@shared.ranking_options
@shared.connection
@shared.as_json
def evaluate(protocol: str, collection: str, as_json: bool, **options: Any) -> None:
    """Measure the rankings of COLLECTION by PROTOCOL.

    labels: every item that shares a label with another one is a query against all others, over the full ranking. With
    --filter only the items that fit it are queries and documents.
    """
    del protocol
    plan = shared.plan_from_options(options)
    with shared.connected(options) as service:
        found, ran = _labels(service, collection, plan)
    if as_json:
        print_json(_to_json(found, collection, ran))
        return
    print_table(("measure", "value"), [(name, f"{value:.4f}") for name, value in found.measures.items()], right=(1,))
    click.echo(f"{collection} · {compared(ran)}", err=True)
    click.echo(
        f"{len(found.per_query):,} queries, {found.left_out:,} items without a partner · "
        f"a query took {found.timings_ms['p50']:.1f} ms (p50), {found.timings_ms['p95']:.1f} ms (p95)",
        err=True,
    )


def _labels(service: Service, collection: str, plan: Plan) -> tuple[Evaluation, Plan]:
    from pixkin_scoring.evaluation.labels import evaluate_labels

    from pixkin_server.api import Query

    labels = dict(_all_labels(service, collection, plan.filter))
    everything = replace(plan, size=max(len(labels), 1), offset=0)
    ran = everything

    def search(item: str) -> tuple[SearchResult, float]:
        nonlocal ran
        began = time.perf_counter()
        result = service.search(collection, [Query(id=item)], everything)
        ran = result.plan
        return result, (time.perf_counter() - began) * 1000

    def counted(queries: Iterable[str]) -> Iterator[str]:
        waiting = list(queries)
        with Progress("queries", len(waiting)) as bar:
            for query in waiting:
                yield query
                bar(1)

    return evaluate_labels(labels, search, progress=counted), ran


def _all_labels(service: Service, collection: str, conditions: Sequence[str]) -> Iterator[tuple[str, frozenset[str]]]:
    after = ""
    while page := service.list_items(collection, conditions, size=PAGE, after=after):
        yield from ((item.id, item.labels) for item in page)
        after = page[-1].id


def _to_json(found: Evaluation, collection: str, plan: Plan) -> dict[str, Any]:
    return {
        "protocol": found.protocol,
        "collection": collection,
        "plan": asdict(plan),
        "queries": len(found.per_query),
        "map": found.map,
        "measures": dict(found.measures),
        "per_query": dict(found.per_query),
        "timings_ms": dict(found.timings_ms),
    }
