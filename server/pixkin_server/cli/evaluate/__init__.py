"""`pixkin evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from pixkin_scoring.evaluation.protocols import PROTOCOLS

from pixkin_server.cli import options as shared
from pixkin_server.cli.evaluate.grid import run_grid
from pixkin_server.cli.evaluate.options import GRID_OPTIONS, TRUTH_OPTIONS, WORK_OPTIONS
from pixkin_server.cli.evaluate.printing import counted, print_comparison, print_outcome
from pixkin_server.cli.output import Progress, complain

if TYPE_CHECKING:
    from pixkin_scoring.plan import Plan

    from pixkin_server.api import Service
    from pixkin_server.evaluation.task import Outcome, Settings, Task


@click.command()
@click.argument("protocol", type=click.Choice(list(PROTOCOLS)), required=False)
@click.argument("collection", required=False, default="")
@shared.all_of(TRUTH_OPTIONS)
@shared.all_of(WORK_OPTIONS)
@shared.all_of(GRID_OPTIONS)
@shared.ranking_options
@shared.connection
@shared.as_json
def evaluate(
    protocol: str | None,
    collection: str,
    compare: tuple[Path, Path] | None,
    by: str,
    run: Path | None,
    grid: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Measure the rankings of COLLECTION by PROTOCOL.

    labels: every item that shares a label with another one is a query against all others, over the full ranking. With
    --filter only the items that fit it are queries and documents. oxford, revisited, cifar, mirflickr, ukbench,
    holidays and trec are the standard protocols; docs/evaluation.md says what each expects and reports.
    """
    if compare:
        print_comparison(*compare, by, as_json=as_json)
        return
    if protocol is None or not (collection or run):
        raise click.UsageError("name a protocol and a collection")
    settings = _settings(options)
    work = {name: options.pop(name) for name in ("report", "measures", "plans", "folder", "encoded_by")}
    if run:
        if grid or any(work.values()):
            raise click.UsageError("--run rates a file and searches nothing; leave out --report, --grid and --from")
        if settings.queries or settings.images or settings.distractors:
            raise click.UsageError("--run has rankings already; leave out --queries, --images and --distractors")
        _rate(protocol, run, settings, as_json=as_json)
        return
    _check(work, grid=grid)
    plan = shared.plan_from_options(options)
    if grid and any(choice.measure for choice in plan.descriptors):
        raise click.UsageError("a --grid tries the --measures that are named, or all; leave out --measure")
    with shared.connected(options) as service:
        from pixkin_server.evaluation.task import read_task

        if work["folder"]:
            _index(service, collection, work["folder"], work["encoded_by"])
        task = read_task(service, protocol, collection, plan.filter, settings)
        if grid:
            best = run_grid(service, task, plan, work, as_json=as_json)
            if work["report"]:
                _reported(service, task, best.plan, work["report"] / "best")
        else:
            _search(service, task, plan, work["report"], as_json=as_json)


def _settings(options: dict[str, Any]) -> Settings:
    from dataclasses import fields

    from pixkin_server.evaluation.task import Settings

    return Settings(**{field.name: options.pop(field.name) for field in fields(Settings)})


def _check(work: dict[str, Any], *, grid: bool) -> None:
    if not grid and (work["measures"] or work["plans"]):
        raise click.UsageError("--measures and --plan belong to a --grid; a single evaluation has --measure")
    if work["encoded_by"] and not work["folder"]:
        raise click.UsageError("--extractor goes with --from FOLDER; a collection has its extractors already")


def _rate(protocol: str, run: Path, settings: Settings, *, as_json: bool) -> None:
    from pixkin_server.evaluation.outcome import provenance
    from pixkin_server.evaluation.task import rate_run

    outcome = rate_run(protocol, run, settings)
    print_outcome(outcome, protocol, str(run), provenance(None), as_json=as_json)


def _search(service: Service, task: Task, plan: Plan, report: Path | None, *, as_json: bool) -> None:
    from pixkin_server.evaluation.outcome import provenance
    from pixkin_server.evaluation.task import search_task

    outcome = _reported(service, task, plan, report) if report else search_task(service, task, plan, progress=counted)
    details = provenance(service.describe(task.collection))
    print_outcome(outcome, task.protocol.name, task.collection, details, as_json=as_json)


def _reported(service: Service, task: Task, plan: Plan, report: Path) -> Outcome:
    from pixkin_server.evaluation.outcome import provenance
    from pixkin_server.evaluation.report_folder import ReportFolder
    from pixkin_server.evaluation.task import search_task

    with ReportFolder(report, task) as folder:
        outcome = search_task(service, task, plan, progress=counted, watch=folder.ranking)
        folder.write(service, outcome, provenance(service.describe(task.collection)))
    return outcome


def _index(service: Service, collection: str, folder: Path, extractors: Sequence[str]) -> None:
    from pixkin_proto.errors import InvalidArgument, UnknownCollection
    from pixkin_scoring.evaluation.protocols.notes import quantity

    from pixkin_server.api import ExtractorChoice
    from pixkin_server.folders import Report, add_pictures, walk

    try:
        described = service.describe(collection)
    except UnknownCollection:
        if not extractors:
            raise click.UsageError(f"{collection} is new; name the --extractor that encodes its pictures") from None
        described = service.create(collection, [ExtractorChoice(name) for name in extractors])
    made_by = {descriptor.extractor for descriptor in described.descriptors if descriptor.fingerprint}
    if extractors and made_by != set(extractors):
        raise InvalidArgument(
            f"{collection} was made with {', '.join(sorted(made_by)) or 'imported vectors'}, not with "
            f"{', '.join(extractors)}; name another collection"
        )
    found = walk(folder, labels_from_folders=True, tell=complain)
    report = Report()
    with Progress("pictures", len(found)) as bar:
        add_pictures(service, collection, found, report, root=str(folder.resolve()), progress=bar)
    for refused in report.refused[:1]:
        count = quantity(len(report.refused), "picture was", "pictures were")
        complain(f"{count} refused, the first is {refused.id}: {refused.error}")
