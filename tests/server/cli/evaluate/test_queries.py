"""Queries of their own: a folder, another collection, a part of this one, a list for trec."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.server.cli.evaluate.samples import assert_refused, import_line, paint

Cli = Callable[..., Any]
Where = tuple[object, ...]


@pytest.fixture
def colours(pixkin: Cli, made: str, tmp_path: Path, where: Where) -> str:
    """Two red pictures and two blue ones, in folders of their class, and a grey one without."""
    for at in range(2):
        paint(tmp_path / "items" / "red" / f"{at}.png", *["red"] * 3, *["grey"] * at)
        paint(tmp_path / "items" / "blue" / f"{at}.png", *["blue"] * 3, *["green"] * at)
    paint(tmp_path / "items" / "none.png", "grey")
    assert pixkin("index", "add", made, tmp_path / "items", "--labels-from-folders", *where).status == 0
    return made


def test_a_folder_of_pictures_has_the_classes_of_its_first_folders(
    pixkin: Cli, colours: str, where: Where, tmp_path: Path
) -> None:
    paint(tmp_path / "asked" / "red" / "a.png", "red")
    paint(tmp_path / "asked" / "blue" / "deep" / "b.png", "red", "red", "red", "blue")
    paint(tmp_path / "asked" / "green" / "c.png", "green")
    paint(tmp_path / "asked" / "d.png", "blue")
    evaluate = ("evaluate", "labels", colours, "--queries", tmp_path / "asked", *where)
    found = pixkin(*evaluate, "--json").json
    # The picture that was filed wrongly finds the red ones first.
    assert found["per_query"].keys() == {"red/a.png", "blue/deep/b.png"}
    assert found["per_query"]["red/a.png"] == 1.0
    assert found["per_query"]["blue/deep/b.png"] < 0.6
    assert found["classification"] == {"classes": ["blue", "red"], "confusion": [[0, 1], [0, 1]]}
    assert "2 queries were left out: no item shares a label" in pixkin(*evaluate).err


def test_items_of_another_collection_are_searched_with_by_their_vectors(
    pixkin: Cli, name: str, where: Where, tmp_path: Path
) -> None:
    import_line(pixkin, name, {"a0": 0, "a1": 1, "b2": 2, "b5": 5}, tmp_path, where)
    import_line(pixkin, f"{name}-asked", {"a0": 0.9, "b0": 1.4, "c0": 3}, tmp_path, where)
    found = pixkin("evaluate", "labels", name, "--queries", f"collection:{name}-asked", "--json", *where).json
    # From 0.9: a1, a0, b2, b5. From 1.4: a1, b2, a0, b5. The item with the query's id stays in the ranking.
    assert found["per_query"] == {"a0": 1.0, "b0": pytest.approx((1 / 2 + 2 / 4) / 2)}
    assert found["notes"] == ["1 query was left out: no item shares a label"]


def test_a_part_of_the_collection_is_asked_and_is_in_no_ranking(
    pixkin: Cli, name: str, where: Where, tmp_path: Path
) -> None:
    import_line(pixkin, name, {"a0": 0, "a1": 1, "a3": 3, "b2": 2, "b4": 4}, tmp_path, where)
    rows = [{"id": item, "attributes": {"split": "test"}} for item in ("a0", "b2")]
    (tmp_path / "split.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pixkin("index", "update", name, "--manifest", tmp_path / "split.jsonl", *where)
    evaluate = ("evaluate", "labels", name, "--queries", "split=test", *where)
    # From a0: a1, a3, b4. From b2: a1 and a3 tie, then b4.
    ran = pixkin(*evaluate, "--json", "--report", tmp_path / "report")
    assert ran.json["per_query"] == {"a0": 1.0, "b2": pytest.approx(1 / 3)}
    run = [line.split() for line in (tmp_path / "report" / "run.txt").read_text().splitlines()]
    assert {(query, item) for query, _, item, *_ in run} == {
        (query, item) for query in ("a0", "b2") for item in ("a1", "a3", "b4")
    }
    assert_refused(pixkin("evaluate", "labels", name, "--queries", "split=none", *where), "no item of")


def test_a_list_for_trec_has_items_and_pictures(pixkin: Cli, colours: str, where: Where, tmp_path: Path) -> None:
    paint(tmp_path / "asked" / "one picture.png", "blue")
    (tmp_path / "queries.txt").write_text("7 id:red/0.png\n8\tasked/one picture.png\n")
    (tmp_path / "qrels.txt").write_text("7 0 red/1.png 1\n7 0 none.png 2\n8 0 blue/0.png 1\n8 0 none.png 0\n")
    trec = ("evaluate", "trec", colours, "--ground-truth", tmp_path / "qrels.txt", *where)
    found = pixkin(*trec, "--queries", tmp_path / "queries.txt", "--json").json
    order = [hit["id"] for hit in pixkin("search", colours, "id:red/0.png", "--json", *where).json["hits"]]
    ranks = sorted(1 + order.index(item) for item in ("red/1.png", "none.png"))
    assert found["per_query"] == {"7": pytest.approx((1 / ranks[0] + 2 / ranks[1]) / 2), "8": 1.0}
    assert_refused(pixkin(*trec), "trec needs --queries FILE")


def test_a_list_that_names_what_is_not_there_is_refused(
    pixkin: Cli, colours: str, where: Where, tmp_path: Path
) -> None:
    (tmp_path / "qrels.txt").write_text("7 0 red/1.png 1\n")
    trec = ("evaluate", "trec", colours, "--ground-truth", tmp_path / "qrels.txt", *where)
    for query, said in (("id:nobody.png", "[UNKNOWN_ITEM]"), ("nowhere.png", "nowhere.png"), ("", "is not QID QUERY")):
        (tmp_path / "queries.txt").write_text(f"7 {query}\n")
        assert_refused(pixkin(*trec, "--queries", tmp_path / "queries.txt"), said)


def test_a_collection_of_another_extractor_is_refused_by_name(
    pixkin: Cli, colours: str, name: str, where: Where, tmp_path: Path
) -> None:
    lite = f"{name}-lite"
    assert pixkin("index", "create", lite, "--extractor", "efficientnet-lite0", *where).status == 0
    assert pixkin("index", "add", lite, tmp_path / "items", "--labels-from-folders", *where).status == 0
    ran = pixkin("evaluate", "labels", colours, "--queries", f"collection:{lite}", *where)
    assert_refused(ran, f"{lite} has no descriptor hsv-histogram.histogram")


def test_a_source_that_is_none_of_these_is_refused(pixkin: Cli, colours: str, where: Where, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    cases = (("nowhere", "no folder of pictures and no list"), ("collection:nobody", "[UNKNOWN_COLLECTION]"),
             (tmp_path / "empty", "has no pictures"), ("=", "[INVALID_FILTER]"))  # fmt: skip
    for source, said in cases:
        assert_refused(pixkin("evaluate", "labels", colours, "--queries", source, *where), said)


def test_a_query_whose_vector_is_zero_counts_nothing_and_is_noted(
    pixkin: Cli, name: str, where: Where, tmp_path: Path
) -> None:
    np.save(tmp_path / "v.npy", np.array([[1, 0], [1, 1], [0, 0]], np.float32))
    (tmp_path / "ids").write_text("a\nb\nblack\n")
    files = ("--vectors", tmp_path / "v.npy", "--ids", tmp_path / "ids")
    assert pixkin("index", "import", name, "--descriptor", "bins", *files, *where).status == 0
    (tmp_path / "l.jsonl").write_text("".join(f'{{"id": "{item}", "labels": ["x"]}}\n' for item in ("a", "b", "black")))
    assert pixkin("index", "update", name, "--manifest", tmp_path / "l.jsonl", *where).status == 0
    ran = pixkin("evaluate", "labels", name, "--measure", "chi2", "--json", *where)
    assert ran.json["per_query"] == {"a": 1.0, "b": 1.0, "black": 0.0}
    assert ran.json["notes"] == ["1 query counts 0: its vector is zero, which the measure cannot compare"]
