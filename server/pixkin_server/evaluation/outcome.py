"""What an evaluation is worth keeping for: its figures as JSON, with what is needed to repeat and to compare it."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from pixkin_proto.errors import InvalidArgument, listed
from pixkin_scoring.evaluation.evaluating import Evaluation, mean_name
from pixkin_scoring.evaluation.significance import bootstrap_interval, paired_randomisation
from pixkin_scoring.items import Collection
from pixkin_scoring.plan import Plan

PACKAGES = ("pixkin", "numpy", "numba", "onnxruntime", "onnxruntime-gpu")


@dataclass(frozen=True)
class Comparison:
    """Two evaluations of the same queries: means, their difference (second − first), its interval, p, and who won."""

    measure: str
    first: float
    second: float
    difference: float
    interval: tuple[float, float]
    p: float
    better: int
    worse: int
    equal: int


def provenance(described: Collection | None) -> dict[str, Any]:
    """Return what was running where: versions, extractors, command line, machine, time."""
    return {
        "versions": {"python": platform.python_version(), **_versions()},
        "extractors": {d.name: d.fingerprint for d in described.descriptors if d.fingerprint} if described else {},
        "items": described.items if described else None,
        "generation": described.generation if described else None,
        "command": ["pixkin", *sys.argv[1:]],
        "machine": {"platform": platform.platform(), "processor": platform.machine()},
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def to_json(
    found: Evaluation, *, protocol: str, collection: str, plan: Plan | None, details: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the object that `evaluate --json` prints."""
    names = list(found.per_query)
    return {
        "protocol": protocol,
        "collection": collection,
        "plan": None if plan is None else asdict(plan),
        "queries": len(names),
        "headline": found.headline,
        "map": found.map,
        "interval": list(bootstrap_interval(np.array(list(found.per_query.values())))),
        "measures": found.measures,
        "per_query": dict(found.per_query),
        "by_measure": {name: [by.get(query) for query in names] for name, by in found.scores.items()},
        "classification": _classification(found),
        "ties": found.ties,
        "notes": list(found.notes),
        "timings_ms": found.timings_ms,
        "provenance": dict(details),
    }


def compare(first: Path, second: Path, *, by: str = "") -> Comparison:
    """Compare two evaluations query by query, by their headline or another measure. Raises InvalidArgument."""
    by = by[1:] if by.startswith("mAP") else by
    files = {path: read_evaluation(path) for path in (first, second)}
    headlines = [found.get("headline") for found in files.values()]
    if not by and headlines[0] != headlines[-1]:
        raise InvalidArgument(
            f"{first} reports {headlines[0]} and {second} {headlines[-1]}; say with --by which measure to compare"
        )
    a, b = (_per_query(path, files[path], by) for path in (first, second))
    if set(a) != set(b):
        odd = sorted(set(a) ^ set(b))
        raise InvalidArgument(
            f"{first} and {second} are not of the same queries: {len(odd):,} are in one alone, such as {odd[0]!r}"
        )
    names = sorted(a)  # what is drawn must not depend on the order of a file
    x, y = (np.array([scores[name] for name in names]) for scores in (a, b))
    return Comparison(
        measure=mean_name(by or str(headlines[0])),
        first=float(x.mean()),
        second=float(y.mean()),
        difference=float((y - x).mean()),
        interval=bootstrap_interval(y - x),
        p=paired_randomisation(x, y),
        better=int(np.count_nonzero(y > x)),
        worse=int(np.count_nonzero(y < x)),
        equal=int(np.count_nonzero(y == x)),
    )


def read_evaluation(path: Path) -> dict[str, Any]:
    """Read what `evaluate --json` wrote. Raises InvalidArgument."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidArgument(f"{path} cannot be read as an evaluation: {error}") from error
    if not isinstance(found, dict) or not isinstance(found.get("per_query"), dict) or not found["per_query"]:
        raise InvalidArgument(f"{path} is no evaluation; write one with: pixkin evaluate … --json > FILE")
    return found


def _per_query(path: Path, found: Mapping[str, Any], by: str) -> dict[str, float]:
    if not by or by == found.get("headline"):
        return _numbers(path, found["per_query"])
    measures = found.get("by_measure")
    scores = measures.get(by) if isinstance(measures, dict) else None
    if not isinstance(scores, list) or len(scores) != len(found["per_query"]):
        known = listed(measures, most=20) if isinstance(measures, dict) else "none"
        raise InvalidArgument(f"{path} has no measure {by} of all queries; it has {known}")
    return _numbers(path, dict(zip(found["per_query"], scores, strict=True)))


def _numbers(path: Path, scores: Mapping[str, Any]) -> dict[str, float]:
    most = sys.float_info.max
    bad = [name for name, score in scores.items() if not (isinstance(score, int | float) and abs(score) <= most)]
    if bad:
        raise InvalidArgument(f"{path} has no number for query {bad[0]!r}; both files need the measure for all queries")
    return {name: float(score) for name, score in scores.items()}


def _classification(found: Evaluation) -> dict[str, Any] | None:
    if found.classification is None:
        return None
    return {"classes": list(found.classification.classes), "confusion": found.classification.confusion.tolist()}


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
