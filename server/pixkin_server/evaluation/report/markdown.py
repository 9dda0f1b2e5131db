"""Figures as GitHub Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pixkin_server.evaluation.report import Report
from pixkin_server.evaluation.report.markup import visible
from pixkin_server.evaluation.report.summary import (
    MEASURE_COLUMNS,
    headline_name,
    interval_text,
    measure_rows,
    remarks,
)

_MARKS = re.compile(r"[\\`*\[\]<>&|~]")


def to_markdown(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> str:
    """Return a table with one line a row; a cell that a row lacks is empty."""
    lines = [[escaped(name) for name in columns]]
    lines += [[escaped(row.get(name, "")) for name in columns] for row in rows]
    widths = [max(3, *(len(line[at]) for line in lines)) for at in range(len(columns))]
    lines.insert(1, ["-" * width for width in widths])
    return "".join(f"| {' | '.join(map(str.ljust, line, widths))} |\n" for line in lines)


def report_markdown(report: Report) -> str:
    """Return a report without curves and pictures: headline, interval, measures, remarks and details."""
    evaluation = report.evaluation
    parts = [
        f"# {escaped(report.title)}\n",
        f"{' · '.join(map(escaped, (report.protocol, report.collection, report.compared)))}\n",
        f"**{escaped(headline_name(evaluation))} {evaluation.map:.4f}** ({interval_text(report)})\n",
        to_markdown(measure_rows(evaluation), MEASURE_COLUMNS),
        "".join(f"- {escaped(remark)}\n" for remark in remarks(evaluation)),
    ]
    if report.details:
        details = [{"detail": name, "value": value} for name, value in report.details.items()]
        parts.append(to_markdown(details, ("detail", "value")))
    return "\n".join(parts)


def escaped(text: str) -> str:
    """Return a text on one line in which nothing is markup; `_` stays, as inside words it is none."""
    return _MARKS.sub(r"\\\g<0>", visible(" ".join(text.split())))
