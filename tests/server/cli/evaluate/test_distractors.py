"""Another collection mixed into every ranking, counted by hand on a line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.server.cli.evaluate.samples import assert_refused, import_line

Cli = Callable[..., Any]
Where = tuple[object, ...]


@pytest.fixture
def line(pixkin: Cli, name: str, where: Where, tmp_path: Path) -> str:
    """Ids before and behind those of any distractor, which begin with the collection's name."""
    return import_line(pixkin, f"{name}-line", {"a0": 0, "z1": 1, "a2": 2, "z5": 5}, tmp_path, where)


@pytest.fixture
def far(pixkin: Cli, name: str, where: Where, tmp_path: Path) -> str:
    """Distractors, one of them with the id of an item."""
    return import_line(pixkin, f"{name}-far", {"a0": 4, "x": 3, "y": -1}, tmp_path, where, labelled=False)


def test_distractors_take_ranks_by_their_values_and_ties_go_by_id(
    pixkin: Cli, line: str, far: str, where: Where, tmp_path: Path
) -> None:
    alone, mixed = (
        pixkin("evaluate", "labels", line, "--json", "--report", tmp_path / f"report{len(more)}", *more, *where).json
        for more in ((), ("--distractors", far))
    )
    assert alone["per_query"] == {"a0": 1 / 2, "a2": 1 / 2, "z1": 1 / 3, "z5": 1 / 2}
    lines = (tmp_path / "report2" / "run.txt").read_text().splitlines()
    rankings: dict[str, list[str]] = {}
    for query, _, item, *_ in map(str.split, lines):
        rankings.setdefault(query, []).append(item.replace(far, "far"))
    assert rankings == {
        "a0": ["far/y", "z1", "a2", "far/x", "far/a0", "z5"],  # y and z1 tie at 1
        "a2": ["far/x", "z1", "a0", "far/a0", "far/y", "z5"],  # two each at 1, 2 and 3
        "z1": ["a0", "a2", "far/x", "far/y", "far/a0", "z5"],  # two each at 1 and 2
        "z5": ["far/a0", "far/x", "a2", "z1", "a0", "far/y"],
    }
    assert mixed["per_query"] == {"a0": 1 / 3, "a2": 1 / 3, "z1": 1 / 6, "z5": 1 / 4}
    assert mixed["ties"] == 1 + 3 + 2
    assert mixed["map"] < alone["map"]


def test_several_collections_are_mixed_in(pixkin: Cli, line: str, far: str, where: Where, tmp_path: Path) -> None:
    more = import_line(pixkin, f"{line}more", {"q": 0.5, "r": 1.5}, tmp_path, where, labelled=False)
    ran = pixkin("evaluate", "labels", line, "--distractors", far, "--distractors", more, "--json", *where)
    assert ran.json["per_query"] == {"a0": 1 / 5, "a2": 1 / 5, "z1": 1 / 8, "z5": 1 / 5}


def test_of_a_measure_that_rises_with_likeness_the_highest_values_come_first(
    pixkin: Cli, name: str, far: str, where: Where, tmp_path: Path
) -> None:
    import_line(pixkin, name, {"p1": 1, "p2": 2, "q1": -1, "q2": -2}, tmp_path, where)
    ran = pixkin("evaluate", "labels", name, "--distractors", far, "--measure", "cosine", "--json", *where)
    # Cosine knows two directions: a0 and x lie in that of p, y in that of q, and ties go by id.
    assert ran.json["per_query"] == {"p1": 1 / 3, "p2": 1 / 3, "q1": 1 / 2, "q2": 1 / 2}


def test_distractors_of_another_extractor_are_refused_by_name(
    pixkin: Cli, made: str, line: str, far: str, where: Where
) -> None:
    for collection in (made, "nowhere"):
        ran = pixkin("evaluate", "labels", line, "--distractors", far, "--distractors", collection, *where)
        said = f"{made} has no descriptor at"
        assert_refused(ran, said if collection == made else "[UNKNOWN_COLLECTION]")


@pytest.mark.parametrize("stage", ["--expand", "--rerank"])
def test_distractors_under_a_further_stage_are_refused(
    pixkin: Cli, line: str, far: str, where: Where, stage: str
) -> None:
    ran = pixkin("evaluate", "labels", line, "--distractors", far, stage, "average:n=1", *where)
    assert_refused(ran, "distractors are mixed into plain rankings")


def test_a_collection_is_no_distractor_of_itself_and_none_is_named_twice(pixkin: Cli, line: str, where: Where) -> None:
    for names in ((line,), ("others", "others")):
        flags = [word for name in names for word in ("--distractors", name)]
        ran = pixkin("evaluate", "labels", line, *flags, *where)
        assert_refused(ran, f"distractors are collections besides {line}, each named once")
