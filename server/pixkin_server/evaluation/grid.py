"""The grid: every descriptor with every measure that applies and every plan, one evaluation a cell, resumable."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pixkin_proto.descriptors import MEASURES, Descriptor
from pixkin_proto.errors import InvalidArgument, MeasureNotApplicable
from pixkin_proto.names import resolve_descriptor
from pixkin_proto.whole_file import write_whole
from pixkin_scoring.items import Collection
from pixkin_scoring.plan import DescriptorChoice, Plan, check_measure

from pixkin_server.api import Service
from pixkin_server.evaluation.outcome import read_evaluation
from pixkin_server.evaluation.task import Task

FLOAT_BYTES = 4


@dataclass(frozen=True)
class Cell:
    """One combination.

    variant: the plan's name, empty where there is only one · bytes: of the descriptor, a picture.
    """

    descriptor: str
    measure: str
    variant: str
    plan: Plan
    bytes: int


def cells(described: Collection, plans: Mapping[str, Plan], *, measures: Sequence[str]) -> list[Cell]:
    """Return all combinations for a collection.

    plans: by name; the descriptors that the first one names are those that are tried, all when it names none ·
    measures: those to try, all that apply when empty. A measure that was named and fits no descriptor raises
    MeasureNotApplicable.
    """
    known = {descriptor.name: descriptor for descriptor in described.descriptors}
    named = [choice.name for choice in next(iter(plans.values())).descriptors if choice.name]
    tried = [known[resolve_descriptor(name, list(known))] for name in named] or list(known.values())
    found = [
        Cell(descriptor.name, measure, variant, _planned(plan, descriptor, measure), FLOAT_BYTES * descriptor.dim)
        for descriptor in tried
        for measure in measures or MEASURES
        if _applies(measure, descriptor)
        for variant, plan in plans.items()
    ]
    for measure in measures:
        if all(cell.measure != measure for cell in found):
            check_measure(measure, tried[0])
    return found


def state(service: Service, task: Task, described: Collection) -> str:
    """Return a digest of all that the figures of a grid depend on besides its cells: data, ground truth, settings."""
    queries = task.truth.queries
    others = sorted({*task.settings.distractors, *(query.collection for query in queries if query.collection)})
    facts = [
        task.protocol.name,
        repr(task.settings),
        _written(described),
        [_written(service.describe(name)) for name in others],
        _digest(task.settings.ground_truth),
        [(query.name, query.item, query.picture, _facts(query.picture)) for query in queries],
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def key(cell: Cell, state: str) -> str:
    """Return a name for the file of a cell's figures; another plan or state has another one."""
    digest = hashlib.sha256(json.dumps([asdict(cell.plan), state], sort_keys=True).encode()).hexdigest()[:10]
    return "_".join(filter(None, (cell.descriptor, cell.measure, _plain(cell.variant), digest))) + ".json"


def kept(folder: Path | None, name: str) -> dict[str, Any] | None:
    """Return the figures of a cell from an earlier, interrupted run; None when there are none."""
    path = None if folder is None else folder / name
    if path is None or not path.is_file():
        return None
    try:
        found = read_evaluation(path)
    except InvalidArgument:  # the run was interrupted while it wrote
        return None
    return found if found.keys() >= {"headline", "map", "interval", "timings_ms"} else None


def keep(folder: Path | None, name: str, figures: Mapping[str, Any]) -> None:
    """Write the figures of a cell. Raises InvalidArgument where that cannot be done."""
    if folder is None:
        return
    content = json.dumps(figures, ensure_ascii=False, allow_nan=False).encode()
    write_whole(folder / name, content, otherwise="name another folder with --report")


def rows(results: Sequence[tuple[Cell, Mapping[str, Any]]]) -> Iterator[dict[str, str]]:
    """Yield the table's rows, the best first."""
    headline = results[0][1]["headline"] if results else ""
    for cell, found in sorted(results, key=lambda pair: -pair[1]["map"]):
        low, high = found["interval"]
        yield {
            "descriptor": cell.descriptor,
            "measure": cell.measure,
            "plan": cell.variant,
            f"m{headline}" if headline.startswith("AP") else headline: f"{found['map']:.4f}",
            "95 %": f"{low:.4f}–{high:.4f}",
            "p50 ms": f"{found['timings_ms']['p50']:.1f}",
            "p95 ms": f"{found['timings_ms']['p95']:.1f}",
            "bytes": f"{cell.bytes:,}",
        }


def _written(described: Collection) -> tuple[str, str, int]:
    return described.name, described.incarnation, described.generation


def _planned(plan: Plan, descriptor: Descriptor, measure: str) -> Plan:
    return replace(plan, descriptors=(DescriptorChoice(descriptor.name, measure),))


def _applies(measure: str, descriptor: Descriptor) -> bool:
    try:
        check_measure(measure, descriptor)
    except MeasureNotApplicable:
        return False
    return True


def _digest(ground_truth: Path | None) -> str:
    if ground_truth is None:
        return ""
    files = sorted(ground_truth.iterdir()) if ground_truth.is_dir() else [ground_truth]
    whole = hashlib.sha256()
    for file in files:
        whole.update(file.name.encode(errors="surrogateescape") + b"\0")
        whole.update(file.read_bytes() if file.is_file() else b"")
    return whole.hexdigest()


def _facts(picture: str) -> tuple[int, int] | None:
    path = Path(picture)
    if not picture or not path.is_file():
        return None
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _plain(text: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in text)
