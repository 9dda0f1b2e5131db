"""Query boxes of Oxford's ground truth, on painted pictures: the box of the query is red, the rest is blue."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.scoring.evaluation.protocols.samples import write_lists
from tests.server.cli.evaluate.samples import assert_refused, import_line, paint

Cli = Callable[..., Any]
Where = tuple[object, ...]
PAINTED = {
    "hall_1": ("red", "blue"), "hall_2": ("red",), "hall_3": ("red", "red", "green"), "hall_4": ("blue",),
    "hall_5": ("blue", "red"), "hall_6": ("grey",),
}  # fmt: skip
BOX = "0,0,32,32"


@pytest.fixture
def painted(tmp_path: Path) -> Path:
    """The pictures of one landmark and others."""
    for name, colours in PAINTED.items():
        paint(tmp_path / "pictures" / f"{name}.png", *colours)
    return tmp_path / "pictures"


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """Relevant are the query itself, 2 and 3; 5 is junk."""
    lists = {"query": ["oxc1_hall_1 0 0 32 32"], "good": ["hall_1", "hall_2"], "ok": ["hall_3"], "junk": ["hall_5"]}
    return write_lists(tmp_path / "gt_files", {f"hall_1_{part}": lines for part, lines in lists.items()})


@pytest.fixture
def oxford(pixkin: Cli, made: str, painted: Path, truth: Path, where: Where) -> Callable[..., Any]:
    """Index the pictures, and evaluate them with more options."""
    assert pixkin("index", "add", made, painted, *where).out == "6 added\n"
    return lambda *more: pixkin("evaluate", "oxford", made, "--ground-truth", truth, "--json", *more, *where)


def official(order: list[str]) -> float:
    """The official AP of one ranking, point by point."""
    ranking = [item for item in order if item != "hall_5.png"]
    area, recall, precision, found = 0.0, 0.0, 1.0, 0
    for rank, item in enumerate(ranking, 1):
        found += item in ("hall_1.png", "hall_2.png", "hall_3.png")
        area += (found / 3 - recall) * (precision + found / rank) / 2
        recall, precision = found / 3, found / rank
    return area


def test_the_box_is_cut_where_the_collection_has_an_extractor(
    pixkin: Cli, made: str, painted: Path, oxford: Callable[..., Any], where: Where
) -> None:
    figures = {area: oxford(*area).json["per_query"]["hall_1"] for area in ((), ("--area", "box"), ("--area", "whole"))}
    cut, whole = (
        [hit["id"] for hit in pixkin("search", made, *query, "--json", *where).json["hits"]]
        for query in ((painted / "hall_1.png", "--crop", BOX), ("id:hall_1.png", "--include-self"))
    )
    assert cut[0] == "hall_2.png"
    assert whole[0] == "hall_1.png"
    assert figures[()] == figures["--area", "box"] == pytest.approx(official(cut))
    assert figures["--area", "whole"] == pytest.approx(official(whole))
    assert official(cut) != pytest.approx(official(whole))


def test_a_picture_that_is_not_at_hand_is_found_in_a_folder_or_told(
    painted: Path, oxford: Callable[..., Any], tmp_path: Path
) -> None:
    before = oxford().json["per_query"]
    whole = oxford("--area", "whole").json["per_query"]
    elsewhere = painted.rename(tmp_path / "elsewhere")
    assert_refused(oxford(), "the picture of query hall_1 is not at hand; name its folder with --images")
    assert oxford("--images", elsewhere).json["per_query"] == before
    assert oxford("--area", "whole").json["per_query"] == whole
    (elsewhere / "hall_1.png").unlink()
    assert_refused(oxford("--images", elsewhere), "--area whole")


def test_a_picture_that_is_none_any_more_is_told(painted: Path, oxford: Callable[..., Any]) -> None:
    (painted / "hall_1.png").write_text("no picture")
    assert_refused(oxford(), "[INVALID_IMAGE]")


def test_imported_vectors_are_searched_whole_and_have_nothing_to_cut_a_box_for(
    pixkin: Cli, name: str, truth: Path, where: Where, tmp_path: Path
) -> None:
    values = {f"hall_{number}": float(number) for number in range(1, 7)}
    import_line(pixkin, name, values, tmp_path, where, labelled=False)
    evaluate = ("evaluate", "oxford", name, "--ground-truth", truth, "--json", *where)
    assert pixkin(*evaluate).json["per_query"] == {"hall_1": 1.0}
    assert_refused(pixkin(*evaluate, "--area", "box"), "hall_1")
