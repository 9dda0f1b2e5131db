from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from pixkin_server.evaluation.report import Report
from pixkin_server.evaluation.report.markdown import report_markdown, to_markdown

CELLS = ("a|b", "two\nlines", "back\\slash", "\\|", "<script>", "![x](y)", "`code`", "*bold*", "", "AP_official", "é|é")


def cells(line: str) -> list[str]:
    """Read a line of a table as GitHub does: bars without a backslash part cells, and backslashes are dropped."""
    inner = re.findall(r"((?:\\.|[^|\\])*)\|", line)[1:]
    return [re.sub(r"\\(.)", r"\1", cell).strip() for cell in inner]


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_is_read_back_as_it_was_on_one_line(cell: str) -> None:
    table = to_markdown([{"name": cell, "value": "1"}], ("name", "value"))
    heading, rule, row = table.splitlines()
    assert cells(heading) == ["name", "value"]
    assert set(rule) == set("| -")
    assert cells(row) == [" ".join(cell.split()), "1"]


def test_nothing_in_a_cell_is_markup() -> None:
    table = to_markdown([{"name": "<img src=x> ![a](b) `c` *d*"}], ("name",))
    assert re.findall(r"(?<!\\)[<>\[\]`*]", table) == []


def test_a_cell_that_a_row_lacks_is_empty_and_columns_are_aligned() -> None:
    table = to_markdown([{"a": "1"}, {"b": "long value"}], ("a", "b"))
    assert table == "| a   | b          |\n| --- | ---------- |\n| 1   |            |\n|     | long value |\n"


def test_a_table_without_rows_has_its_headings() -> None:
    assert to_markdown([], ("measure",)) == "| measure |\n| ------- |\n"


def test_a_report_has_headline_interval_measures_and_details(
    make_report: Callable[..., Report], ids: list[str]
) -> None:
    report = make_report(ids, title="Two\n# lines", details={"command": "pixkin evaluate a | tee b"})
    text = report_markdown(report)
    assert text.startswith("# Two # lines\n")
    assert f"**mAP {report.evaluation.map:.4f}** (95 % interval 0.2500 to 0.7500, bootstrap over 12 queries)" in text
    read = [cells(line) for line in text.splitlines() if line.startswith("|")]
    assert {row[0]: row[1] for row in read if row[0] in report.evaluation.measures} == {
        name: f"{value:.4f}" for name, value in report.evaluation.measures.items()
    }
    assert ["command", "pixkin evaluate a | tee b"] in read
    assert "A query took 2.5 ms (median)" in text
