"""How benchmarks say what they measured: a table for people, JSON for programs."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

Row = Mapping[str, str | int | float | bool]


def table(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """Return rows as an aligned table; numbers have two decimals and stand to the right."""
    cells = [list(columns), *([_cell(row.get(column, "")) for column in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = [any(isinstance(row.get(column), int | float) for row in rows) for column in columns]
    lines = (
        "  ".join(f"{c:>{w}}" if r else f"{c:<{w}}" for c, w, r in zip(line, widths, right, strict=True))
        for line in cells
    )
    return "\n".join(line.rstrip() for line in lines)


def circumstances(packages: Iterable[str]) -> dict[str, str | int]:
    """Return what the figures depend on: versions, processor, cores that this process may use."""
    return {
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
    }


def _processor() -> str:
    """Return the processor's name where the system has a list of them, else what platform knows."""
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text().splitlines() if listed.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def write(path: Path | None, figures: Mapping[str, object]) -> None:
    """Write figures as JSON when a path is given."""
    if path:
        path.write_text(json.dumps(figures, indent=2) + "\n")


def _cell(value: str | float) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def at_most(figure: str, value: float, limit: float) -> Row:
    """Return a row for a figure that should not be above its limit."""
    return {"figure": figure, "value": value, "limit": f"<= {limit:g}", "ok": value <= limit}


def at_least(figure: str, value: float, limit: float) -> Row:
    """Return a row for a figure that should not be below its limit."""
    return {"figure": figure, "value": value, "limit": f">= {limit:g}", "ok": value >= limit}


def corel() -> Path | None:
    """Return the folder of Corel-1k below PIXKIN_TEST_DATA (default ../shared/data), None when it is not there."""
    data = os.environ.get("PIXKIN_TEST_DATA", Path(__file__).parents[2] / "shared" / "data")
    folder = Path(data) / "corel1k"
    return folder if folder.is_dir() else None


def main(measure: Callable[[], Iterable[Row]], packages: Iterable[str], description: str | None) -> None:
    """Measure, print the table of figures, and write them as JSON when --json names a file.

    Figures also go to stderr as they come: some take minutes.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    path = parser.parse_args().json
    rows = []
    for row in measure():
        print(*map(_cell, row.values()), file=sys.stderr, flush=True)
        rows.append(row)
    print(table(rows, ["figure", "value", "limit", "ok"]))
    write(path, {"circumstances": circumstances(packages), "rows": rows})
