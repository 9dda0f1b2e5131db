from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.slow

Cli = Callable[..., Any]
Where = tuple[object, ...]


@pytest.fixture
def files(tmp_path: Path) -> tuple[object, ...]:
    """The options of an import of 300 signed vectors of 5 dimensions."""
    np.save(tmp_path / "in.npy", np.random.default_rng(3).normal(size=(300, 5)).astype(np.float32))
    (tmp_path / "in.txt").write_text("".join(f"item {number:03}\n" for number in range(300)))
    return ("--descriptor", "plain", "--vectors", tmp_path / "in.npy", "--ids", tmp_path / "in.txt")


@pytest.mark.parametrize("kind", ["npy", "fvecs"])
def test_vectors_come_back_bit_for_bit(
    pixkin: Cli, name: str, files: Where, where: Where, workplace: Any, tmp_path: Path, kind: str
) -> None:
    assert pixkin("index", "import", name, *files, *where).out == "300 added\n"
    out = ("--vectors", tmp_path / f"out.{kind}", "--ids", tmp_path / "out.txt")
    ran = pixkin("index", "export", name, *out, "--store", workplace.store)
    assert ran.out == f"300 vectors of plain: {out[1]}, {out[3]}\n"
    if kind == "npy":
        assert np.array_equal(np.load(tmp_path / "out.npy"), np.load(tmp_path / "in.npy"))
    again = f"{name}-again"
    options = ("--descriptor", "plain", *out)
    assert pixkin("index", "import", again, *options, *where).status == 0
    back = ("--vectors", tmp_path / "back.npy", "--ids", tmp_path / "back.txt")
    pixkin("index", "export", again, *back, "--store", workplace.store)
    assert np.load(tmp_path / "back.npy").tobytes() == np.load(tmp_path / "in.npy").tobytes()
    assert (tmp_path / "back.txt").read_text() == (tmp_path / "in.txt").read_text()


def test_importing_again_replaces(pixkin: Cli, name: str, files: Where, where: Where) -> None:
    pixkin("index", "import", name, *files, *where)
    assert pixkin("index", "import", name, *files, *where).out == "0 added, 300 replaced\n"


def test_the_sign_is_found_at_import_and_refuses_mass_measures(
    pixkin: Cli, name: str, files: Where, where: Where, tmp_path: Path
) -> None:
    pixkin("index", "import", name, *files, *where)
    ran = pixkin("search", name, "id:item 007", "--measure", "chi2", *where)
    assert ran.status == 1
    assert "[MEASURE_NOT_APPLICABLE]" in ran.err
    assert "may be negative" in pixkin("index", "import", f"{name}-x", *files, "--measure", "chi2", *where).err
    np.save(tmp_path / "in.npy", np.abs(np.load(tmp_path / "in.npy")))
    assert pixkin("index", "import", f"{name}-mass", *files, "--measure", "chi2", *where).status == 0
    hits = pixkin("search", f"{name}-mass", "id:item 007", "--include-self", "--json", *where).json["hits"]
    assert hits[0]["id"] == "item 007"
    assert hits[0]["value"] == 0.0


def test_a_row_that_is_not_finite_costs_that_row_alone(
    pixkin: Cli, name: str, files: Where, where: Where, tmp_path: Path
) -> None:
    rows = np.abs(np.load(tmp_path / "in.npy"))
    rows[1, 2], rows[290, 0] = np.nan, np.inf
    np.save(tmp_path / "in.npy", rows)
    ran = pixkin("index", "import", name, *files, *where)
    assert ran.status == 3
    assert ran.out == "298 added, 2 refused\n"
    assert "item 001" in ran.err
    assert "[NOT_FINITE]" in ran.err
    described = pixkin("index", "describe", name, "--json", *where).json
    assert described["descriptors"][0]["non_negative"] is True


def test_what_does_not_fit_the_collection_is_one_error_and_not_one_a_row(
    pixkin: Cli, name: str, files: Where, where: Where, tmp_path: Path
) -> None:
    pixkin("index", "import", name, *files, *where)
    np.save(tmp_path / "in.npy", np.ones((300, 6), np.float32))
    wrong_size = pixkin("index", "import", name, *files, *where)
    other = pixkin("index", "import", name, "--descriptor", "other", *files[2:], *where)
    pixkin("index", "create", f"{name}-two", "--vectors", "plain:dim=6", "--vectors", "second:dim=2", *where)
    half = pixkin("index", "import", f"{name}-two", *files, *where)
    for ran, reason in ((wrong_size, "DIMENSION_MISMATCH"), (other, "UNKNOWN_DESCRIPTOR"), (half, "INVALID_ARGUMENT")):
        assert ran.status == 1
        assert f"[{reason}]" in ran.err
        assert ran.err.count("\n") == 1


def test_a_list_of_ids_that_does_not_fit_makes_no_collection(
    pixkin: Cli, name: str, files: Where, where: Where, tmp_path: Path
) -> None:
    for text in ("a\nb\n", "a\n" * 300, "\n".join(["a", "", *map(str, range(298))])):
        (tmp_path / "in.txt").write_text(text)
        ran = pixkin("index", "import", name, *files, *where)
        assert ran.status in (1, 2)
        assert ran.err.count("\n") == 1
    assert "[UNKNOWN_COLLECTION]" in pixkin("index", "describe", name, *where).err


def test_vectors_of_a_collection_with_pictures_are_exported_by_descriptor(
    pixkin: Cli, made: str, folder: Path, where: Where, workplace: Any, tmp_path: Path
) -> None:
    pixkin("index", "add", made, folder, *where)
    out = ("--vectors", tmp_path / "out.npy", "--ids", tmp_path / "out.txt", "--store", workplace.store)
    assert pixkin("index", "export", made, *out).status == 0
    assert (tmp_path / "out.txt").read_text() == "blue/a.jpg\nred/a.jpg\nred/b.jpg\ntop.png\n"
    assert np.load(tmp_path / "out.npy").shape == (4, 405)
    assert "[UNKNOWN_DESCRIPTOR]" in pixkin("index", "export", made, "--descriptor", "gap", *out).err


def test_export_to_a_place_that_cannot_be_written_leaves_nothing_behind(
    pixkin: Cli, name: str, files: Where, workplace: Any, tmp_path: Path
) -> None:
    pixkin("index", "import", name, *files, *workplace.on_store)
    (tmp_path / "there.txt").write_text("old")
    ids = ("--ids", tmp_path / "there.txt", "--store", workplace.store)
    for target in (tmp_path / "none" / "out.npy", "/proc/out.npy", tmp_path / "out.csv", tmp_path / "there.txt"):
        ran = pixkin("index", "export", name, "--vectors", target, *ids)
        assert ran.status == 1
        assert "[INVALID_ARGUMENT]" in ran.err
    assert (tmp_path / "there.txt").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.npy", "in.txt", "there.txt"]


def test_export_says_that_it_works_on_a_store_only(pixkin: Cli, tmp_path: Path) -> None:
    ran = pixkin("index", "export", "any", "--vectors", "x.npy", "--ids", "x.txt", "--server", "127.0.0.1:1")
    assert ran.status == 2
    assert "works on a store only" in ran.err
    assert ran.err.count("\n") == 1
    assert "Works on a store only" in pixkin("index", "export", "--help").out


def test_the_oxford_features_are_imported_and_searched(
    pixkin: Cli, name: str, data: Path, where: Where, workplace: Any, tmp_path: Path
) -> None:
    source = data / "oxford5k"
    files = ("--vectors", source / "oxford_features.fvecs", "--ids", source / "names.txt")
    assert pixkin("index", "import", name, "--descriptor", "fc7", *files, *where).out == "5,063 added\n"
    out = ("--vectors", tmp_path / "out.fvecs", "--ids", tmp_path / "out.txt", "--store", workplace.store)
    pixkin("index", "export", name, *out)
    names = (source / "names.txt").read_text().splitlines()
    order = [names.index(line) for line in (tmp_path / "out.txt").read_text().splitlines()]
    before = np.fromfile(source / "oxford_features.fvecs", "<i4").reshape(-1, 129)[order]
    assert np.array_equal(np.fromfile(tmp_path / "out.fvecs", "<i4").reshape(-1, 129), before)
    hits = pixkin("search", name, f"id:{names[0]}", "--size", "5063", "--json", *where).json["hits"]
    assert len(hits) == 5062
