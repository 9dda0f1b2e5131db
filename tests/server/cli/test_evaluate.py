from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Cli = Callable[..., Any]
Where = tuple[object, ...]


@pytest.fixture
def line(pixkin: Cli, name: str, where: Where, tmp_path: Path) -> str:
    """Six items on a line: a at 0 and 1, b at 2 and 5, one without a label at 3, and a lonely c at 9."""
    values = {"a0": 0, "a1": 1, "b2": 2, "n3": 3, "b5": 5, "c9": 9}
    np.save(tmp_path / "v.npy", np.array([[value] for value in values.values()], np.float32))
    (tmp_path / "v.txt").write_text("\n".join(values))
    labels = "".join(f'{{"id": "{item}", "labels": ["{item[0]}"]}}\n' for item in values if item[0] != "n")
    (tmp_path / "l.jsonl").write_text(labels)
    files = ("--vectors", tmp_path / "v.npy", "--ids", tmp_path / "v.txt", "--measure", "euclidean")
    assert pixkin("index", "import", name, "--descriptor", "at", *files, *where).status == 0
    assert pixkin("index", "update", name, "--manifest", tmp_path / "l.jsonl", *where).status == 0
    return name


def test_the_figures_are_those_counted_by_hand(pixkin: Cli, line: str, where: Where) -> None:
    ran = pixkin("evaluate", "labels", line, "--json", *where)
    assert ran.status == 0
    found = ran.json
    assert list(found) == ["protocol", "collection", "plan", "queries", "map", "measures", "per_query", "timings_ms"]
    # a0: a1 first. a1: a0 and b2 tie at 1, a0 first by id. b2: a1 and n3 tie, then a0, then b5. b5: n3, then b2.
    assert found["per_query"] == {"a0": 1.0, "a1": 1.0, "b2": 0.25, "b5": 0.5}
    assert found["protocol"] == "labels"
    assert found["queries"] == 4
    assert found["map"] == found["measures"]["mAP"] == pytest.approx(2.75 / 4)
    assert found["measures"]["P@1"] == pytest.approx(0.5)
    assert found["measures"]["P@5"] == pytest.approx(0.2)
    assert list(found["timings_ms"]) == ["p50", "p95"]


def test_the_table_has_the_same_figures_and_says_who_was_left_out(pixkin: Cli, line: str, where: Where) -> None:
    ran = pixkin("evaluate", "labels", line, *where)
    assert ran.out.splitlines()[:2] == ["measure   value", "mAP      0.6875"]
    assert "euclidean" in ran.err.splitlines()[0]
    assert ran.err.splitlines()[1].startswith("4 queries, 2 items without a partner")


def test_a_filter_narrows_queries_and_documents(pixkin: Cli, line: str, where: Where) -> None:
    found = pixkin("evaluate", "labels", line, "--filter", "label=b", "--json", *where).json
    assert found["per_query"] == {"b2": 1.0, "b5": 1.0}


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
    assert pixkin("evaluate", "oxford", made, *where).status == 2


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
    assert here["measures"] == there["measures"]
    assert here["per_query"] == there["per_query"]
    assert here["map"] > 0.3
