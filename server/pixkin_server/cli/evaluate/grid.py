"""`pixkin evaluate --grid`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pixkin_server.cli import options as shared
from pixkin_server.cli.output import Progress, print_json, print_table

if TYPE_CHECKING:
    from pixkin_scoring.items import Collection
    from pixkin_scoring.plan import Plan

    from pixkin_server.api import Service
    from pixkin_server.evaluation.examples import Examples
    from pixkin_server.evaluation.grid import Cell
    from pixkin_server.evaluation.task import Task


def run_grid(service: Service, task: Task, plan: Plan, work: dict[str, Any], *, as_json: bool) -> Cell:
    """Evaluate every combination, keep each in the report's folder, print the table, and return the best."""
    from pixkin_server.evaluation import grid
    from pixkin_server.evaluation.examples import Examples
    from pixkin_server.evaluation.report.plots import require_matplotlib
    from pixkin_server.evaluation.report_folder import write_grid

    if work["report"]:
        require_matplotlib()  # the best combination's page is drawn behind hours of searching
    described = service.describe(task.collection)
    measures = [name.strip() for name in work["measures"].split(",") if name.strip()]
    wanted = grid.cells(described, _plans(plan, work["plans"]), measures=measures)
    examples = Examples(service, task.collection, images=task.settings.images, keep=True)
    report: Path | None = work["report"]
    folder = report / "cells" if report else None
    state = grid.state(service, task, described)
    results = []
    with Progress("searches", len(wanted) * len(task.truth.queries)) as bar:
        for cell in wanted:
            name = grid.key(cell, state)
            figures = grid.kept(folder, name)
            if figures is None:
                figures = _figures(service, task, cell.plan, described, examples, bar)
                grid.keep(folder, name, figures)
            else:
                bar(len(task.truth.queries))
            results.append((cell, figures))
    rows = list(grid.rows(results))
    if report:
        write_grid(report, rows, [figures for _, figures in results])
    if as_json:
        print_json([figures for _, figures in results])
    else:
        _print(rows)
    best: Cell = max(results, key=lambda result: result[1]["map"])[0]
    return best


def _figures(
    service: Service, task: Task, plan: Plan, described: Collection, examples: Examples, bar: Progress
) -> dict[str, Any]:
    from pixkin_server.evaluation.outcome import provenance, to_json
    from pixkin_server.evaluation.task import search_task

    outcome = search_task(service, task, plan, examples=examples, watch=lambda _query, _ranking: bar(1))
    return to_json(
        outcome.evaluation,
        protocol=task.protocol.name,
        collection=task.collection,
        plan=outcome.plan,
        details=provenance(described),
    )


def _print(rows: list[dict[str, str]]) -> None:
    shown = [name for name in rows[0] if any(row[name] for row in rows)]
    numbers = range(shown.index("95 %") - 1, len(shown))
    print_table(shown, [[row[name] for name in shown] for row in rows], right=tuple(numbers))


def _plans(plan: Plan, texts: Sequence[str]) -> dict[str, Plan]:
    if not texts:
        return {"": plan}
    found: dict[str, Plan] = {}
    for text in texts:
        name, equals, flags = text.partition("=")
        if not (name and equals) or name in found:
            raise click.BadParameter(f"{text!r} is not NAME=OPTIONS with a name of its own", param_hint="--plan")
        found[name] = _plan(plan, text, flags)
    return found


def _plan(plan: Plan, text: str, flags: str) -> Plan:
    """Read one plan; which descriptors are tried and which items fit is the same for all of them."""
    from dataclasses import replace

    try:
        options = _plan_options.main(shlex.split(flags), standalone_mode=False)
    except (click.UsageError, ValueError) as error:
        raise click.BadParameter(f"{text!r}: {error}", param_hint="--plan") from error
    variant = shared.plan_from_options(options)
    if variant.descriptors or variant.filter:
        raise click.BadParameter(
            f"{text!r}: descriptors, measures and filters are those of the grid; write them beside --plan",
            param_hint="--plan",
        )
    return replace(variant, descriptors=plan.descriptors, filter=plan.filter)


@click.command("--plan", add_help_option=False)
@shared.ranking_options
def _plan_options(**options: Any) -> dict[str, Any]:
    return options
