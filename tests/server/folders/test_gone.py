"""Absent, unmounted, dangling, unreadable and passed over are five things; only the first is removed unasked."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pixkin_scoring.items import Attribute
from pixkin_server.api import ExtractorChoice
from pixkin_server.engine import Engine
from pixkin_server.folders import Choice, Gone, Report, find_gone, survey, sync_folder


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Path:
    """A folder of 24 pictures in 6 folders, and 24 copies of other bytes in `disk`."""
    root = tmp_path_factory.mktemp("many") / "pictures"
    shutil.copytree(photos, root)
    shutil.copytree(photos, root / "disk")
    for file in (root / "disk").rglob("*.jpg"):
        file.write_bytes(file.read_bytes() + file.parent.name.encode())
    return root


@pytest.fixture
def folder(many: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    return Path(shutil.copytree(many, tmp_path / "pictures"))


@pytest.fixture
def engine(tmp_path: Path, extractors: Path, folder: Path) -> Iterator[Engine]:
    """An engine with the folder's collection c."""
    with Engine(str(tmp_path / "store"), extractors=extractors, device="cpu") as engine:
        engine.create("c", [ExtractorChoice("hsv-histogram")])
        assert sync(engine, folder).added == 48
        yield engine


def sync(engine: Engine, folder: Path, *, remove_missing: bool = False, choice: Choice | None = None) -> Report:
    found = survey(folder, choice=choice or Choice())
    return sync_folder(engine, "c", found, find_gone(engine, "c", found), remove_missing=remove_missing)


def items(engine: Engine) -> int:
    return engine.describe("c").items


def test_a_drive_that_is_not_mounted_keeps_its_items(engine: Engine, folder: Path) -> None:
    away = (folder / "disk").rename(folder.with_name("away"))
    (folder / "disk").mkdir()
    report = sync(engine, folder)
    assert (report.removed, items(engine)) == (0, 48)
    assert report.kept is not None
    assert [*report.kept.emptied] == ["disk"]
    assert len(report.kept.doubtful) == 24
    (folder / "disk").rmdir()
    away.rename(folder / "disk")
    again = sync(engine, folder)
    assert (again.unchanged, again.added) == (48, 0)


def test_a_small_drive_keeps_its_items_too_and_files_beside_pictures_are_no_pictures(
    engine: Engine, folder: Path
) -> None:
    shutil.rmtree(folder / "disk/red")
    (folder / "disk/red/sub").mkdir(parents=True)
    (folder / "disk/red/.not-mounted").touch()
    (folder / "disk/red/Thumbs.db").touch()
    report = sync(engine, folder)
    assert (report.removed, items(engine)) == (0, 48)
    assert report.kept is not None
    assert {folder: len(ids) for folder, ids in report.kept.emptied.items()} == {"disk/red": 4}
    assert sync(engine, folder, remove_missing=True).removed == 4


def test_a_few_deleted_pictures_are_removed_unasked(engine: Engine, folder: Path) -> None:
    for colour in ("red", "disk/blue"):  # with their folders
        shutil.rmtree(folder / colour)
    (folder / "grey/0.jpg").unlink()
    report = sync(engine, folder)
    assert (report.removed, items(engine)) == (9, 39)
    assert not report.kept or not report.kept.doubtful


def test_more_than_a_tenth_and_more_than_ten_wait_for_leave(engine: Engine, folder: Path) -> None:
    shutil.rmtree(folder / "disk")
    report = sync(engine, folder)
    assert (report.removed, items(engine)) == (0, 48)
    assert report.kept is not None
    assert "24 of 48 files are not there, the first is disk/blue/0.jpg" in list(report.kept.sentences())
    assert sync(engine, folder, remove_missing=True).removed == 24
    assert items(engine) == 24


@pytest.mark.parametrize(("absent", "total", "certain"), [(10, 11, 10), (11, 11, 0), (11, 110, 11), (12, 110, 0)])
def test_the_share_is_a_tenth_and_ten_at_least(absent: int, total: int, certain: int) -> None:
    gone = Gone(absent=[str(number) for number in range(absent)], total=total)
    assert (len(gone.certain), len(gone.doubtful)) == (certain, absent - certain)


def test_a_picture_that_is_a_link_to_nothing_stays_whatever_is_said(engine: Engine, folder: Path) -> None:
    target = folder.with_name("elsewhere.jpg")
    (folder / "red/0.jpg").rename(target)
    (folder / "red/0.jpg").symlink_to(target)
    assert sync(engine, folder).unchanged == 48
    target.unlink()
    for leave in (False, True):
        report = sync(engine, folder, remove_missing=leave)
        assert (report.removed, report.passed_over["link to nothing"]) == (0, 1)
    assert items(engine) == 48


def test_what_is_below_a_folder_that_cannot_be_read_stays(
    engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scandir(path: str) -> object:
        if str(path).endswith("disk"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    real = os.scandir
    monkeypatch.setattr(os, "scandir", scandir)  # permissions do not bind the superuser, as whom tests may run
    shutil.copy(folder / "red/0.jpg", folder / "new.jpg")
    for leave in (False, True):
        report = sync(engine, folder, remove_missing=leave)
        assert (report.removed, [each.id for each in report.refused]) == (0, ["disk"])
        assert "stays as it is" in str(report.refused[0].error)
    assert items(engine) == 49


def test_a_drive_that_gives_errors_keeps_its_items(
    engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lstat(path: Path) -> os.stat_result:
        if "disk" in str(path):
            raise OSError(5, "Input/output error")
        return real(path)

    real = os.lstat
    shutil.rmtree(folder / "disk")
    monkeypatch.setattr(os, "lstat", lstat)
    assert (sync(engine, folder, remove_missing=True).removed, items(engine)) == (0, 48)


def test_items_of_files_that_are_passed_over_now_stay_until_it_is_said(engine: Engine, folder: Path) -> None:
    report = sync(engine, folder, choice=Choice(exclude=("disk",)))
    assert (report.removed, items(engine)) == (0, 48)
    assert report.kept is not None
    assert len(report.kept.passed_over) == 24
    assert not report.kept.doubtful
    assert sync(engine, folder, choice=Choice(exclude=("disk",)), remove_missing=True).removed == 24


def test_a_single_file_that_was_added_under_an_unusual_name_stays(engine: Engine, folder: Path) -> None:
    from pixkin_server.folders import add_pictures, single

    odd = folder / "odd.jpg_original"
    odd.write_bytes((folder / "red/0.jpg").read_bytes() + b"odd")
    add_pictures(engine, "c", [single(odd)], Report(), root=str(folder))
    assert (sync(engine, folder, remove_missing=True).removed, items(engine)) == (0, 49)


def test_a_folder_that_pictures_moved_out_of_is_not_taken_for_a_drive(engine: Engine, folder: Path) -> None:
    (folder / "red/0.jpg").rename(folder / "blue/new.jpg")
    for number in range(1, 4):
        (folder / f"red/{number}.jpg").unlink()
    report = sync(engine, folder)
    assert (report.moved, report.removed) == (1, 3)


def test_moving_every_picture_needs_no_leave_and_keeps_what_was_said_of_them(engine: Engine, folder: Path) -> None:
    from pixkin_scoring.items import ItemUpdate

    year: dict[str, Attribute] = {"year": 1999.0}
    engine.update("c", [ItemUpdate("disk/red/0.jpg", frozenset({"kept"}), year)])
    (folder / "disk").rename(folder / "other")
    report = sync(engine, folder)
    assert (report.moved, report.removed, report.added) == (24, 0, 0)
    moved = engine.get("c", "other/red/0.jpg")
    assert (moved.labels, moved.attributes) == (frozenset({"kept"}), year)


def test_what_was_below_a_folder_that_is_a_link_now_stays(engine: Engine, folder: Path) -> None:
    away = (folder / "red").rename(folder.with_name("away"))
    (folder / "red").symlink_to(away)
    for _ in range(2):
        report = sync(engine, folder, remove_missing=True)
        assert (report.removed, report.unchanged) == (0, 44)
        shutil.rmtree(away, ignore_errors=True)  # the link leads to nothing the second time
    assert items(engine) == 48


def test_prefixes_are_told_apart_where_a_folder_is_emptied(engine: Engine, folder: Path) -> None:
    found = survey(folder / "disk", prefix="d")
    assert sync_folder(engine, "c", found, find_gone(engine, "c", found)).added == 24
    shutil.rmtree(folder / "disk/red")
    (folder / "disk/red").mkdir()
    found = survey(folder / "disk", prefix="d")
    gone = find_gone(engine, "c", found)
    assert (dict(gone.emptied), gone.total) == ({"red": [f"d/red/{number}.jpg" for number in range(4)]}, 24)
