from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]
Where = tuple[object, ...]


def test_create_prints_what_was_made_and_makes_it_once(pixkin: Cli, name: str, where: Where) -> None:
    extractors = ("--extractor", "hsv-histogram:histogram", "--extractor", "efficientnet-lite0")
    ran = pixkin("index", "create", name, *extractors, *where)
    assert ran.status == 0
    assert ran.out.startswith(f"{name}: 0 items")
    assert "hsv-histogram.histogram" in ran.out
    assert "efficientnet-lite0.gap" in ran.out
    assert "[COLLECTION_EXISTS]" in pixkin("index", "create", name, *extractors, *where).err


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ((), 2, "name an --extractor"),
        (("--extractor", "nobody"), 1, "[UNKNOWN_EXTRACTOR]"),
        (("--extractor", "hsv-histogram:gap"), 1, "[UNKNOWN_DESCRIPTOR]"),
        (("--extractor", "hsv-histogram", "--vectors", "x:dim=3"), 2, "name an --extractor"),
        (("--vectors", "x"), 2, "NAME:dim=D"),
        (("--vectors", "x:dim=many"), 2, "whole number"),
        (("--vectors", "x:dim=0"), 1, "[INVALID_ARGUMENT]"),
        (("--vectors", "X:dim=3"), 1, "[INVALID_NAME]"),
        (("--vectors", "x:dim=3,measure=chi2"), 1, "may be negative"),
        (("--vectors", "x:dim=3,measure=chi3"), 1, "[UNKNOWN_MEASURE]"),
    ],
)
def test_a_collection_that_cannot_be_is_refused_in_one_line(
    pixkin: Cli, name: str, where: Where, arguments: Where, status: int, said: str
) -> None:
    ran = pixkin("index", "create", name, *arguments, *where)
    assert ran.status == status
    assert said in ran.err
    assert ran.err.count("\n") == 1
    assert ran.out == ""


def test_an_extractor_file_is_taken_into_the_directory(pixkin: Cli, name: str, workplace: Any, tmp_path: Path) -> None:
    file = workplace.extractors / "hsv-histogram.onnx"
    here = ("--store", tmp_path / "store", "--extractors", tmp_path / "extractors")
    assert pixkin("index", "create", name, "--extractor", f"{file}:histogram", *here).status == 0
    assert [path.name for path in (tmp_path / "extractors").iterdir()] == ["hsv-histogram.onnx"]
    refused = pixkin("index", "create", name, "--extractor", file, *workplace.on_server)
    assert refused.status == 2
    assert "give a name" in refused.err


def test_store_and_server_describe_a_collection_alike(pixkin: Cli, made: str, folder: Path, workplace: Any) -> None:
    pixkin("index", "add", made, folder, *workplace.on_store)
    here, there = (
        pixkin("index", "describe", made, "--json", *where).json for where in (workplace.on_store, workplace.on_server)
    )
    here["bytes"].pop("memory")  # each process holds its own matrices
    there["bytes"].pop("memory")
    assert here == there
    assert here["roots"] == [str(folder)]
    text = pixkin("index", "describe", made, *workplace.on_server).out
    assert f"  from {folder}\n" in text
    assert text.startswith(f"{made}: 4 items")


def test_verify_finds_a_damaged_vector(pixkin: Cli, made: str, folder: Path, where: Where, workplace: Any) -> None:
    pixkin("index", "add", made, folder, *where)
    assert pixkin("index", "verify", made, *where).out == "4 items read, 0 problems\n"
    with sqlite3.connect(workplace.store / f"{made}.sqlite") as database:
        [(table,)] = database.execute("SELECT name FROM sqlite_master WHERE name LIKE 'vectors%' AND type = 'table'")
        database.execute(f"UPDATE {table} SET sum = sum + 1 WHERE row = 1")
    database.close()
    ran = pixkin("index", "verify", made, *where)
    assert ran.status == 3
    assert ran.err.startswith("pixkin: ")
    assert "problems" in ran.out


def test_drop_asks_and_takes_only_yes(pixkin: Cli, made: str, where: Where) -> None:
    for answer, said in (("n\n", f"{made} stays"), ("", "--yes does not ask")):
        ran = pixkin("index", "drop", made, *where, stdin=answer)
        assert ran.status == 1
        assert ran.out == ""
        assert said in ran.err
    assert pixkin("index", "describe", made, *where).status == 0
    ran = pixkin("index", "drop", made, *where, stdin="y\n")
    assert (ran.status, ran.out) == (0, f"{made} is gone\n")
    assert "[UNKNOWN_COLLECTION]" in pixkin("index", "drop", made, "--yes", *where).err


def test_drop_with_yes_does_not_ask(pixkin: Cli, made: str, where: Where) -> None:
    ran = pixkin("index", "drop", made, "--yes", *where)
    assert (ran.status, ran.out, ran.err) == (0, f"{made} is gone\n", "")
