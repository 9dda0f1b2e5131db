"""`pixkin index copy`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]
Where = tuple[object, ...]


@pytest.fixture
def source(pixkin: Cli, name: str, folder: Path, workplace: Any) -> str:
    """A collection of four pictures in a directory."""
    assert pixkin("index", "create", name, "--extractor", "hsv-histogram", *workplace.on_store).status == 0
    assert pixkin("index", "add", name, folder, "--labels-from-folders", *workplace.on_store).status == 0
    return name


def test_a_copy_is_searched_without_encoding_anything_again(
    pixkin: Cli, source: str, folder: Path, workplace: Any, cluster: str, on_cluster: Where, tmp_path: Path
) -> None:
    there = pixkin("index", "copy", source, "--store", workplace.store, "--to", cluster, "--as", "theirs")
    assert (there.status, there.err) == (0, "")
    assert there.out.startswith("4 items copied\ntheirs: 4 items")
    back = tmp_path / "back"
    assert pixkin("index", "copy", "theirs", "--store", cluster, "--to", back, "--as", source).status == 0
    here = ("--store", back, "--extractors", workplace.extractors)
    found = [
        pixkin("search", name, folder / "red/a.jpg", *options).out
        for name, options in ((source, workplace.on_store), ("theirs", on_cluster), (source, here))
    ]
    assert found[0] == found[1] == found[2]
    lists = [
        list(map(json.loads, pixkin("index", "list", source, "--json", *options).out.splitlines()))
        for options in (workplace.on_store, here)
    ]
    assert lists[0] == lists[1]
    assert pixkin("index", "add", source, folder, *here).out == "0 added, 4 unchanged\n"
    pixkin("index", "drop", "theirs", "--yes", *on_cluster)


def test_a_copy_goes_on_where_it_was_interrupted(pixkin: Cli, source: str, workplace: Any, tmp_path: Path) -> None:
    command = ("index", "copy", source, "--store", workplace.store, "--to", tmp_path / "b")
    assert pixkin(*command).status == 0
    refused = pixkin(*command)
    assert (refused.status, refused.out, refused.err.count("\n")) == (1, "", 1)
    assert "--resume" in refused.err
    assert refused.err.endswith("[COLLECTION_EXISTS]\n")
    pixkin("index", "remove", source, "top.png", "--store", tmp_path / "b")
    assert pixkin(*command, "--resume").out.startswith("1 items copied, 3 were there already\n")


def test_refused_items_and_strangers_are_named_with_status_3(
    pixkin: Cli, source: str, folder: Path, workplace: Any, tmp_path: Path, draw: Callable[[Path, int], Path]
) -> None:
    other = ("--store", tmp_path / "b", "--extractors", workplace.extractors)
    command = ("index", "copy", source, "--store", workplace.store, "--to", tmp_path / "b", "--resume")
    draw(tmp_path / "elsewhere/top.png", 5)
    pixkin("index", "create", source, "--extractor", "hsv-histogram", *other)
    pixkin("index", "add", source, tmp_path / "elsewhere", *other)
    ran = pixkin(*command)
    assert ran.status == 3
    assert ran.out.startswith("3 items copied, 1 refused\n")
    assert "pixkin: top.png: the id 'top.png' belongs to a picture from" in ran.err
    assert "1 items of the copy are not in the collection that was copied" in ran.err
    assert folder.exists()


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ((), 2, "Missing option '--to'"),
        (("--to", "{store}"), 1, "cannot be copied to itself"),
        (("--to", "{other}", "--as", "No Name"), 1, "[INVALID_NAME]"),
        (("--to", "{other}", "--shards", "2"), 1, "leave them out, or name a cluster"),
        (("--to", "{other}", "--server", "127.0.0.1:1"), 2, "not both"),
        (("--to", "http://127.0.0.1:1"), 1, "[STORE_UNAVAILABLE]"),
        (("--to", "http://pixkin.invalid:9200"), 1, "--insecure"),
    ],
)
def test_a_copy_that_cannot_be_is_one_line(
    pixkin: Cli, source: str, workplace: Any, tmp_path: Path, arguments: tuple[str, ...], status: int, said: str
) -> None:
    named = [each.format(store=workplace.store, other=tmp_path / "other") for each in arguments]
    ran = pixkin("index", "copy", source, "--store", workplace.store, *named)
    assert (ran.status, ran.out, ran.err.count("\n")) == (status, "", 1)
    assert said in ran.err
    assert not (tmp_path / "other").exists()


def test_a_copy_is_no_task_of_a_server(
    pixkin: Cli, source: str, workplace: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIXKIN_SERVER", workplace.address)
    ran = pixkin("index", "copy", source, "--to", tmp_path / "other")
    assert (ran.status, "index copy works on a store only, not through a server" in ran.err) == (2, True)
