"""A grid that was interrupted goes on where it stopped, and what has changed is computed anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.server.cli.evaluate.samples import import_line

Cli = Callable[..., Any]
Where = tuple[object, ...]


def cells(report: Path) -> dict[str, int]:
    """The kept combinations, and when each was written."""
    return {path.name: path.stat().st_mtime_ns for path in (report / "cells").iterdir()}


def test_a_second_call_searches_nothing_and_a_lost_or_broken_cell_alone_is_computed_anew(
    pixkin: Cli, line: str, where: Where, tmp_path: Path
) -> None:
    report = tmp_path / "report"
    grid = ("evaluate", "labels", line, "--grid", "--report", report, "--json", *where)
    first = pixkin(*grid).json
    written = cells(report)
    assert len(written) == len(first) >= 3
    assert pixkin(*grid).json == first  # with the times of the first call
    assert cells(report) == written
    lost, broken, *others = sorted(written)
    (report / "cells" / lost).unlink()
    (report / "cells" / broken).write_text((report / "cells" / broken).read_text()[:200])
    again = pixkin(*grid).json
    assert [cell["per_query"] for cell in again] == [cell["per_query"] for cell in first]
    now = cells(report)
    assert {file for file in now if now[file] != written[file]} == {lost, broken}
    assert {file: now[file] for file in others} == {file: written[file] for file in others}
    assert json.loads((report / "cells" / broken).read_text())["headline"] == "AP"


def test_a_changed_collection_or_setting_is_computed_anew(pixkin: Cli, line: str, where: Where, tmp_path: Path) -> None:
    report = tmp_path / "report"
    grid = ("evaluate", "labels", line, "--grid", "--measures", "euclidean", "--report", report, "--json", *where)
    before = pixkin(*grid).json[0]
    import_line(pixkin, line, {"a2.5": 2.5}, tmp_path, where)
    after = pixkin(*grid).json[0]
    assert (before["queries"], after["queries"]) == (4, 5)
    assert len(cells(report)) == 2
    more = pixkin(*grid, "--quality", "P@3").json[0]
    assert "P@3" in more["measures"]
    assert len(cells(report)) == 3


def test_a_changed_ground_truth_is_computed_anew(pixkin: Cli, line: str, where: Where, tmp_path: Path) -> None:
    (tmp_path / "queries").write_text("1 id:a1\n")
    report, qrels = tmp_path / "report", tmp_path / "qrels"
    grid = ("evaluate", "trec", line, "--grid", "--measures", "euclidean", "--report", report, "--json")
    files = ("--queries", tmp_path / "queries", "--ground-truth", qrels)
    found = []
    for judged in ("1 0 b2 1\n", "1 0 a3 1\n"):
        qrels.write_text(judged)
        found.append(pixkin(*grid, *files, *where).json[0]["map"])
    (tmp_path / "queries").write_text("1 id:b-1\n")
    found.append(pixkin(*grid, *files, *where).json[0]["map"])
    # From 1: 2, then 3 and -1 at the same distance. From -1: 1, 2, 3.
    assert found == [1, 1 / 2, 1 / 3]
    assert len(cells(report)) == 3


@pytest.mark.parametrize("option", ["--distractors", "--queries"])
def test_another_collection_that_changed_is_computed_anew(
    pixkin: Cli, line: str, where: Where, tmp_path: Path, option: str
) -> None:
    other = import_line(pixkin, f"{line}-other", {"a9": 9, "b1": 0.9}, tmp_path, where)
    named = other if option == "--distractors" else f"collection:{other}"
    grid = ("evaluate", "labels", line, "--grid", "--measures", "euclidean", option, named, "--json")
    found = []
    for value in (0.9, 2.9):
        import_line(pixkin, other, {"a9": 9, "b1": value}, tmp_path, where)
        found.append(pixkin(*grid, "--report", tmp_path / "report", *where).json[0]["per_query"])
    assert found[0] != found[1]
    assert found[1] == pixkin(*grid, *where).json[0]["per_query"]


def test_a_collection_that_was_dropped_and_made_again_is_computed_anew(
    pixkin: Cli, line: str, where: Where, tmp_path: Path
) -> None:
    grid = ("evaluate", "labels", line, "--grid", "--measures", "euclidean", "--json", *where)
    before = pixkin(*grid, "--report", tmp_path / "report").json[0]["per_query"]
    pixkin("index", "drop", line, "--yes", *where)
    import_line(pixkin, line, {"a1": 1, "a3": 2, "b-1": -1, "b2": 3}, tmp_path, where)
    after = pixkin(*grid, "--report", tmp_path / "report").json[0]["per_query"]
    assert after == pixkin(*grid).json[0]["per_query"] != before
