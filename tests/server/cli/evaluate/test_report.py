"""What --report writes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.server.cli.evaluate.samples import assert_refused, import_line, paint

Cli = Callable[..., Any]
Where = tuple[object, ...]
FILES = {"evaluation.json", "report.md", "report.html", "run.txt", "qrels.txt"}
KEYS = (
    "protocol", "collection", "plan", "queries", "headline", "map", "interval", "measures", "per_query", "by_measure",
    "classification", "ties", "notes", "timings_ms", "provenance",
)  # fmt: skip


@pytest.fixture
def colours(pixkin: Cli, made: str, where: Where, tmp_path: Path) -> str:
    """Three pictures of each of two colours."""
    for at in range(3):
        for colour in ("red", "blue"):
            paint(tmp_path / "items" / colour / f"{at}.png", *[colour] * 4, *["green"] * at)
    assert pixkin("index", "add", made, tmp_path / "items", "--labels-from-folders", *where).status == 0
    return made


def test_all_files_are_there_and_say_the_same_as_json(pixkin: Cli, colours: str, where: Where, tmp_path: Path) -> None:
    report = tmp_path / "deep" / "report"
    printed = pixkin("evaluate", "labels", colours, "--report", report, "--json", *where).json
    assert {path.name for path in report.iterdir()} == FILES
    kept = json.loads((report / "evaluation.json").read_text())
    assert tuple(kept) == tuple(printed) == KEYS
    assert {**kept, "provenance": None} == {**printed, "provenance": None}
    assert kept["map"] == 1.0
    for name in ("report.md", "report.html"):
        text = (report / name).read_text()
        assert colours in text
        assert "1.0000" in text
    page = (report / "report.html").read_text()
    assert page.count("data:image/jpeg;base64") >= 6
    assert len((report / "run.txt").read_text().splitlines()) == 6 * 5
    assert len((report / "qrels.txt").read_text().splitlines()) == 6 * 2


def test_the_provenance_is_what_a_repetition_needs_and_no_secret(
    pixkin: Cli, colours: str, where: Where, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PIXKIN_TIMEOUT", "PIXKIN_OPENSEARCH_PASSWORD", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "71717")
    pixkin("evaluate", "labels", colours, "--report", tmp_path / "report", *where)
    kept = json.loads((tmp_path / "report" / "evaluation.json").read_text())["provenance"]
    described = pixkin("index", "describe", colours, "--json", *where).json
    assert kept["command"] == [
        "pixkin",
        "evaluate",
        "labels",
        colours,
        "--report",
        str(tmp_path / "report"),
        *map(str, where),
    ]
    assert {"python", "pixkin", "numpy", "numba"} <= kept["versions"].keys()
    assert list(kept["extractors"]) == ["hsv-histogram.histogram"]
    assert len(kept["extractors"]["hsv-histogram.histogram"]) == 64
    assert (kept["items"], kept["generation"]) == (6, described["generation"])
    assert kept["machine"]["platform"]
    assert kept["time"].endswith("+00:00")
    for file in FILES:
        assert "71717" not in (tmp_path / "report" / file).read_text()


def test_every_query_is_on_the_page_with_its_box(pixkin: Cli, colours: str, where: Where, tmp_path: Path) -> None:
    lists = {"query": "oxc1_one 8 4 24 20", "good": "red/0\nred/1", "ok": "", "junk": "blue/2"}
    paint(tmp_path / "items" / "one.png", "red", "blue")
    pixkin("index", "add", colours, tmp_path / "items", *where)
    (tmp_path / "gt").mkdir()
    for part, text in lists.items():
        (tmp_path / "gt" / f"one_{part}.txt").write_text(text)
    truth = ("--ground-truth", tmp_path / "gt")
    assert pixkin("evaluate", "oxford", colours, *truth, "--report", tmp_path / "report", *where).status == 0
    page = (tmp_path / "report" / "report.html").read_text()
    assert "one" in page
    assert "junk" in page
    assert (tmp_path / "report" / "qrels.txt").read_text() == (
        "one 0 blue/2.png -1\none 0 red/0.png 1\none 0 red/1.png 1\n"
    )


def test_imported_vectors_have_a_report_without_pictures(pixkin: Cli, name: str, where: Where, tmp_path: Path) -> None:
    line = import_line(pixkin, name, {"a0": 0, "a1": 1, "b2": 2, "b5": 5}, tmp_path, where)
    assert pixkin("evaluate", "labels", line, "--report", tmp_path / "report", *where).status == 0
    assert {path.name for path in (tmp_path / "report").iterdir()} == FILES


@pytest.mark.parametrize("more", [(), ("--grid",)], ids=["single", "grid"])
def test_without_matplotlib_the_extra_is_named_before_anything_is_searched(
    pixkin: Cli, colours: str, where: Where, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: Where
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    ran = pixkin("evaluate", "labels", colours, *more, "--report", tmp_path / "report", *where)
    assert_refused(ran, "pip install 'pixkin[eval]'")
    assert not (tmp_path / "report").exists()
    assert pixkin("evaluate", "labels", colours, *more, *where).status == 0


def test_a_place_that_cannot_be_written_is_one_line(pixkin: Cli, colours: str, where: Where, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for more in ((), ("--grid",)):
        ran = pixkin("evaluate", "labels", colours, *more, "--report", tmp_path / "file" / "report", *where)
        assert_refused(ran, "[INVALID_ARGUMENT]")
