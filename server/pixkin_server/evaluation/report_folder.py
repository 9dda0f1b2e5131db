"""What --report writes: figures, pages, and the rankings and judgements as TREC files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pixkin_embedding.images import decode, thumbnail
from pixkin_embedding.limits import FOLDER_LIMITS
from pixkin_proto.errors import InvalidArgument, PixkinError, UnknownItem
from pixkin_proto.whole_file import FOLDER_MODE, write_whole
from pixkin_scoring.evaluation.evaluating import Ranking
from pixkin_scoring.evaluation.judgements import JudgedQuery
from pixkin_scoring.evaluation.runs import RunWriter, write_qrels

from pixkin_server.api import Service
from pixkin_server.evaluation.examples import Examples
from pixkin_server.evaluation.outcome import to_json
from pixkin_server.evaluation.report import Picture, Report
from pixkin_server.evaluation.report.markdown import report_markdown, to_markdown
from pixkin_server.evaluation.report.page import write_page
from pixkin_server.evaluation.report.plots import require_matplotlib
from pixkin_server.evaluation.task import Outcome, Task
from pixkin_server.files import read_picture

RUN_DEPTH = 1000
"""Hits of a query in the run file, as is usual at TREC: 10,000 rankings of 50,000 would be 25 GB."""


MOST_JUDGEMENTS = 5_000_000
"""Beyond, no qrels file is written: classes of 5,000 items and 10,000 queries would make 50 million lines."""


class ReportFolder:
    """A folder that takes rankings while an evaluation runs, and everything else when it is done."""

    def __init__(self, folder: Path, task: Task) -> None:
        require_matplotlib()  # before hours of searching and not behind them
        self._folder, self._task = folder, task
        made(folder)
        self._run = RunWriter(folder / "run.txt")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._run.__exit__(kind, error, traceback)

    def ranking(self, query: JudgedQuery, ranking: Ranking) -> None:
        """Write one query's first hits to the run file."""
        kept = (item for item in ranking.ids if item not in query.removed)
        self._run.write(query.name, islice(kept, RUN_DEPTH))

    def write(self, service: Service, outcome: Outcome, details: Mapping[str, Any]) -> None:
        """Write evaluation.json, report.md, report.html and qrels files."""
        task = self._task
        figures = to_json(
            outcome.evaluation, protocol=task.protocol.name, collection=task.collection, plan=outcome.plan,
            details=details,
        )  # fmt: skip
        report = _report(service, task, outcome, figures)
        _write(self._folder / "evaluation.json", json.dumps(figures, ensure_ascii=False, indent=1, allow_nan=False))
        _write(self._folder / "report.md", report_markdown(report))
        write_page(self._folder / "report.html", report)
        if _judgements(task) <= MOST_JUDGEMENTS:
            write_qrels(self._folder / "qrels.txt", task.truth)


def write_grid(folder: Path, rows: Sequence[Mapping[str, str]], results: Sequence[Mapping[str, Any]]) -> None:
    """Write the table of a grid as grid.md and all figures as grid.json."""
    made(folder)
    _write(folder / "grid.md", to_markdown(rows, list(rows[0])))
    _write(folder / "grid.json", json.dumps(list(results), ensure_ascii=False, indent=1, allow_nan=False))


def made(folder: Path) -> None:
    """Make a folder, for its owner alone. Raises InvalidArgument where that cannot be done."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(FOLDER_MODE, exist_ok=True)
    except OSError as error:
        raise InvalidArgument(f"{folder} cannot be made: {error.strerror}") from error


def _write(path: Path, text: str) -> None:
    write_whole(path, text.encode("utf-8", "backslashreplace"), otherwise="name another folder")


def _report(service: Service, task: Task, outcome: Outcome, figures: Mapping[str, Any]) -> Report:
    plan = outcome.plan
    pictures = _Pictures(service, task)
    low, high = figures["interval"]
    return Report(
        title=f"{task.collection} by {task.protocol.name}",
        collection=task.collection,
        protocol=task.protocol.name,
        compared=plan.summary if plan else "a run file",
        evaluation=outcome.evaluation,
        interval=(low, high),
        details=_flat(figures["provenance"]),
        picture=pictures.hit,
        query_picture=pictures.query,
        query_box={query.name: query.box for query in task.truth.queries if query.box},
    )


def _judgements(task: Task) -> int:
    return sum(len(judgement.relevant) for query in task.truth.queries for judgement in query.judgements.values())


class _Pictures:
    """Thumbnails of hits and queries."""

    def __init__(self, service: Service, task: Task) -> None:
        self._service, self._task = service, task
        self._examples = Examples(service, task.collection, images=task.settings.images)
        self._queries = {query.name: query for query in task.truth.queries}

    def hit(self, item: str) -> Picture | None:
        for collection, name in ((self._task.collection, item), *self._distractor(item)):
            try:
                found = self._service.get(collection, name, thumbnail=True)
            except UnknownItem:
                continue
            return Picture(found.thumbnail, found.width, found.height) if found.thumbnail else None
        return None

    def query(self, name: str) -> Picture | None:
        judged = self._queries[name]
        if judged.item:
            found = self._service.get(judged.collection or self._task.collection, judged.item, thumbnail=True)
            return Picture(found.thumbnail, found.width, found.height) if found.thumbnail else None
        try:
            file = self._examples.file(judged)
            pixels = None if file is None else decode(read_picture(file, FOLDER_LIMITS), FOLDER_LIMITS)
        except PixkinError:
            return None
        return None if pixels is None else Picture(thumbnail(pixels), pixels.shape[1], pixels.shape[0])

    def _distractor(self, item: str) -> list[tuple[str, str]]:
        collection, slash, name = item.partition("/")
        return [(collection, name)] if slash and collection in self._task.settings.distractors else []


def _flat(details: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in details.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name} ")
        elif value is not None:
            found[f"{prefix}{name}"] = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return found
