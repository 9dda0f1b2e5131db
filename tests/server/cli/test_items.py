from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]
Where = tuple[object, ...]
Ids = Callable[[str], dict[str, Any]]


@pytest.fixture
def filled(pixkin: Cli, made: str, folder: Path, where: Where) -> str:
    """A collection of four pictures with the labels of their folders."""
    assert pixkin("index", "add", made, folder, "--labels-from-folders", *where).status == 0
    return made


def test_labels_and_attributes_are_changed_and_what_stays_is_counted(
    pixkin: Cli, filled: str, where: Where, ids: Ids
) -> None:
    change = ("red/a.jpg", "top.png", "--label", "x", "--attribute", "year=1999", "--attribute", "note=007 a")
    assert pixkin("index", "update", filled, *change, *where).out == "2 updated, 0 unchanged\n"
    assert pixkin("index", "update", filled, *change, *where).out == "0 updated, 2 unchanged\n"
    assert ids(filled)["top.png"]["labels"] == ["x"]
    assert ids(filled)["top.png"]["attributes"] == {"year": 1999.0, "note": "007 a"}
    assert pixkin("index", "update", filled, "top.png", "--no-labels", *where).status == 0
    assert ids(filled)["top.png"]["labels"] == []
    assert ids(filled)["top.png"]["attributes"] == {"year": 1999.0, "note": "007 a"}


def test_codes_that_look_like_numbers_keep_every_digit(
    pixkin: Cli, filled: str, where: Where, ids: Ids, tmp_path: Path
) -> None:
    codes = {"serial": "9007199254740993", "zip": "01234", "hash": "12e34"}
    given = [part for key, value in codes.items() for part in ("--attribute", f"{key}={value}")]
    assert pixkin("index", "update", filled, "red/a.jpg", *given, *where).status == 0
    (tmp_path / "list.csv").write_text(f"id,{','.join(codes)}\ntop.png,{','.join(codes.values())}\n")
    assert pixkin("index", "update", filled, "--manifest", tmp_path / "list.csv", *where).status == 0
    assert ids(filled)["red/a.jpg"]["attributes"] == ids(filled)["top.png"]["attributes"] == codes
    assert pixkin("index", "list", filled, "--filter", "serial=9007199254740992", *where).out == ""


def test_a_manifest_without_paths_changes_items(
    pixkin: Cli, filled: str, where: Where, ids: Ids, tmp_path: Path
) -> None:
    (tmp_path / "list.csv").write_text("id,labels\nred/a.jpg,p;q\nnobody,p\n")
    ran = pixkin("index", "update", filled, "--manifest", tmp_path / "list.csv", *where)
    assert ran.status == 3
    assert ran.out == "1 updated, 0 unchanged\n"
    assert "nobody" in ran.err
    assert "[UNKNOWN_ITEM]" in ran.err
    assert ids(filled)["red/a.jpg"]["labels"] == ["p", "q"]
    (tmp_path / "list.jsonl").write_text('{"id": "red/a.jpg", "attributes": {"n": 2}}\n')
    assert pixkin("index", "update", filled, "--manifest", tmp_path / "list.jsonl", *where).status == 0
    assert ids(filled)["red/a.jpg"]["labels"] == ["p", "q"]
    assert ids(filled)["red/a.jpg"]["attributes"] == {"n": 2.0}


@pytest.mark.parametrize(
    "arguments",
    [(), ("top.png",), ("--label", "x"), ("top.png", "--label", "x", "--no-labels"), ("top.png", "--attribute", "x")],
)
def test_an_update_that_says_nothing_is_refused(pixkin: Cli, filled: str, arguments: Where, where: Where) -> None:
    ran = pixkin("index", "update", filled, *arguments, *where)
    assert ran.status == 2
    assert ran.err.count("\n") == 1


def test_removed_items_are_gone_and_unknown_ones_are_named(pixkin: Cli, filled: str, where: Where, ids: Ids) -> None:
    assert pixkin("index", "remove", filled, "top.png", "top.png", *where).out == "1 removed\n"
    ran = pixkin("index", "remove", filled, "top.png", "red/a.jpg", *where)
    assert (ran.status, ran.out) == (3, "1 removed\n")
    assert ran.err == f"pixkin: {filled} has no item top.png\n"
    assert sorted(ids(filled)) == ["blue/a.jpg", "red/b.jpg"]


def test_items_are_listed_by_id_with_their_labels(pixkin: Cli, filled: str, where: Where) -> None:
    assert pixkin("index", "list", filled, *where).out == (
        "blue/a.jpg\tblue\nred/a.jpg\tred\nred/b.jpg\tred\ntop.png\n"
    )
    assert pixkin("index", "list", filled, "--size", "2", *where).out == "blue/a.jpg\tblue\nred/a.jpg\tred\n"
    assert pixkin("index", "list", filled, "--filter", "label=blue", *where).out == "blue/a.jpg\tblue\n"


def test_more_than_a_page_of_items_is_listed_once(pixkin: Cli, name: str, where: Where, tmp_path: Path) -> None:
    import numpy as np

    np.save(tmp_path / "v.npy", np.ones((2300, 1), np.float32))
    (tmp_path / "v.txt").write_text("\n".join(f"{number:04}" for number in range(2300)))
    files = ("--vectors", tmp_path / "v.npy", "--ids", tmp_path / "v.txt")
    pixkin("index", "import", name, "--descriptor", "v", *files, *where)
    lines = pixkin("index", "list", name, *where).out.splitlines()
    assert lines == [f"{number:04}" for number in range(2300)]
    assert len(pixkin("index", "list", name, "--size", "1500", *where).out.splitlines()) == 1500


def test_collections_are_listed_with_their_descriptors(pixkin: Cli, filled: str, where: Where) -> None:
    lines = pixkin("index", "list", *where).out.splitlines()
    assert lines[0].split() == ["collection", "items", "descriptors"]
    assert [filled, "4", "hsv-histogram.histogram"] in [line.split() for line in lines]
    found = {each["name"]: each for each in pixkin("index", "list", "--json", *where).json}
    assert found[filled]["items"] == 4
    assert pixkin("index", "list", "--size", "3", *where).status == 2
