from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.server.cli.evaluate.samples import import_line

Cli = Callable[..., Any]
Where = tuple[object, ...]


@pytest.fixture
def line(pixkin: Cli, name: str, where: Where, tmp_path: Path) -> str:
    """Six items on a line: a at 0 and 1, b at 2 and 5, one without a label at 3, and a lonely c at 9."""
    return import_line(pixkin, name, {"a0": 0, "a1": 1, "b2": 2, "n3": 3, "b5": 5, "c9": 9}, tmp_path, where)


def test_the_figures_are_those_counted_by_hand(pixkin: Cli, line: str, where: Where) -> None:
    ran = pixkin("evaluate", "labels", line, "--json", *where)
    assert ran.status == 0
    found = ran.json
    # a0: a1 first. a1: a0 and b2 tie at 1, a0 first by id. b2: a1 and n3 tie, then a0, then b5. b5: n3, then b2.
    assert found["per_query"] == {"a0": 1.0, "a1": 1.0, "b2": 0.25, "b5": 0.5}
    assert (found["protocol"], found["headline"], found["queries"]) == ("labels", "AP", 4)
    assert found["map"] == found["measures"]["mAP"] == pytest.approx(2.75 / 4)
    assert found["measures"]["P@1"] == pytest.approx(0.5)
    assert found["measures"]["P@5"] == pytest.approx(0.2)
    assert found["by_measure"]["P@1"] == [1.0, 1.0, 0.0, 0.0]
    assert found["by_measure"]["AP"] == list(found["per_query"].values())
    assert found["ties"] == 2 + 1
    assert 0.25 <= found["interval"][0] < found["map"] < found["interval"][1] <= 1.0
    assert found["notes"] == ["2 queries were left out: no other item shares a label"]
    assert list(found["timings_ms"]) == ["p50", "p95"]


def test_the_nearest_neighbour_with_a_class_gives_the_class(pixkin: Cli, line: str, where: Where) -> None:
    found = pixkin("evaluate", "labels", line, "--json", *where).json
    # b2 has a1 before the item without a class, b5 has b2 behind it.
    assert found["classification"] == {"classes": ["a", "b", "c"], "confusion": [[2, 0, 0], [1, 1, 0], [0, 0, 0]]}
    assert found["measures"]["1-NN accuracy"] == 3 / 4
    assert found["measures"]["top-2 accuracy"] == 1
    assert found["measures"]["1-NN precision"] == pytest.approx((2 / 3 + 1) / 2)


def test_the_table_has_the_same_figures_and_says_what_ran_and_who_was_left_out(
    pixkin: Cli, line: str, where: Where
) -> None:
    ran = pixkin("evaluate", "labels", line, *where)
    assert [row.split() for row in ran.out.splitlines()[:2]] == [["measure", "value"], ["mAP", "0.6875"]]
    compared, figures, note = ran.err.splitlines()
    assert compared == f"{line} · at euclidean · exact:depth=100"
    assert figures.startswith("4 queries · 95 % interval 0.")
    assert " · 3 hits tie with the one before · a query took " in figures
    assert note == "pixkin: 2 queries were left out: no other item shares a label"


def test_a_filter_narrows_queries_and_documents(pixkin: Cli, line: str, where: Where) -> None:
    found = pixkin("evaluate", "labels", line, "--filter", "label=b", "--json", *where).json
    assert found["per_query"] == {"b2": 1.0, "b5": 1.0}


def test_a_stated_depth_ends_the_rankings_and_the_figures_say_so(pixkin: Cli, line: str, where: Where) -> None:
    found = pixkin("evaluate", "labels", line, "--candidates", "exact:depth=2", "--json", *where).json
    assert found["per_query"] == {"a0": 1.0, "a1": 1.0, "b2": 0.0, "b5": 0.5}
    assert "rankings end at rank 2; what comes later is lost" in found["notes"]


def test_other_measures_of_quality_are_added_by_name(pixkin: Cli, line: str, where: Where) -> None:
    more = ("--quality", "P@3", "--quality", "Success@2", "--quality", "P@3")
    found = pixkin("evaluate", "labels", line, *more, "--json", *where).json
    assert found["measures"]["P@3"] == pytest.approx((1 / 3 + 1 / 3 + 0 + 1 / 3) / 4)
    assert found["by_measure"]["Success@2"] == [1.0, 1.0, 0.0, 1.0]


def test_nothing_to_evaluate_and_unknown_protocols_are_one_line(
    pixkin: Cli, made: str, folder: Path, where: Where
) -> None:
    empty = pixkin("evaluate", "labels", made, *where)
    pixkin("index", "add", made, folder, *where)
    unlabelled = pixkin("evaluate", "labels", made, *where)
    for ran in (empty, unlabelled):
        assert ran.status == 1
        assert "no two items share a label" in ran.err
        assert ran.err.count("\n") == 1
    assert pixkin("evaluate", "nobody", made, *where).status == 2
    assert "[UNKNOWN_COLLECTION]" in pixkin("evaluate", "labels", "nowhere", *where).err


def test_store_and_server_have_the_same_figures_for_real_photos(
    pixkin: Cli, name: str, data: Path, workplace: Any, tmp_path: Path
) -> None:
    photos = sorted(path for path in (data / "corel1k").glob("*/*.jpg") if int(path.stem) % 100 < 8)
    rows = [
        {"path": str(path), "id": f"{path.parent.name}/{path.name}", "labels": [path.parent.name]} for path in photos
    ]
    (tmp_path / "some.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pixkin("index", "create", name, "--extractor", "hsv-histogram", *workplace.on_store)
    added = pixkin("index", "add", name, "--manifest", tmp_path / "some.jsonl", *workplace.on_store)
    assert added.out == f"{len(rows)} added\n"
    here, there = (
        pixkin("evaluate", "labels", name, "--measure", "intersection", "--json", *where).json
        for where in (workplace.on_store, workplace.on_server)
    )
    for part in ("measures", "per_query", "by_measure", "classification", "interval", "ties"):
        assert here[part] == there[part]
    assert here["map"] > 0.3
