from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pixkin_proto.errors import InvalidArgument
from pixkin_scoring.items import AddResult
from pixkin_server.api import ExtractorChoice
from pixkin_server.engine import Engine
from pixkin_server.folders import (
    Picture,
    Report,
    add_pictures,
    find_gone,
    single,
    survey,
    sync_folder,
    walk,
)
from pixkin_server.manifests import read_manifest, typed


@pytest.fixture
def engine(tmp_path: Path, extractors: Path) -> Iterator[Engine]:
    with Engine(str(tmp_path / "store"), extractors=extractors, device="cpu") as engine:
        engine.create("c", [ExtractorChoice("hsv-histogram")])
        yield engine


@pytest.fixture
def folder(tmp_path: Path, photos: Path) -> Path:
    """A folder of red/0.jpg .. 3.jpg and blue/0.jpg .. 3.jpg."""
    for colour in ("red", "blue"):
        shutil.copytree(photos / colour, tmp_path / "pictures" / colour)
    return tmp_path / "pictures"


def test_pictures_are_found_by_suffix_in_order_of_id(folder: Path) -> None:
    (folder / "a.PNG").touch()
    (folder / "notes.txt").touch()
    (folder / "b.jpg").mkdir()
    (folder / "red/link.jpg").symlink_to(folder / "red/0.jpg")
    found = walk(folder, prefix="p/", labels_from_folders=True)
    expected = [
        "p/a.PNG",
        *(f"p/blue/{n}.jpg" for n in range(4)),
        *(f"p/red/{n}.jpg" for n in range(4)),
        "p/red/link.jpg",
    ]
    assert [picture.id for picture in found] == expected
    assert found[0].labels is None
    assert found[1].labels == frozenset({"blue"})
    assert found[1].path == folder / "blue/0.jpg"


def test_a_link_to_a_folder_is_walked_when_it_is_the_folder_itself(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert walk(tmp_path / "link") == walk(folder)
    (folder / "red/more").symlink_to(folder / "blue")
    assert len(walk(folder)) == 8


def test_a_folder_that_cannot_be_read_stops_the_walk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def scandir(path: str) -> object:
        if str(path).endswith("blue"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    real = os.scandir
    monkeypatch.setattr(os, "scandir", scandir)  # permissions do not bind the superuser, as whom tests may run
    with pytest.raises(InvalidArgument, match="blue cannot be read: Permission denied; nothing was changed"):
        walk(folder)


def test_nothing_to_walk_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="there is no folder"):
        walk(tmp_path / "none")
    with pytest.raises(InvalidArgument, match="has no pictures"):
        walk(tmp_path)
    with pytest.raises(InvalidArgument, match="there is no file or folder"):
        single(tmp_path / "none.jpg")


def test_progress_counts_every_picture_once(engine: Engine, folder: Path) -> None:
    def progress_of(change: Callable[[], object]) -> tuple[int, Report]:
        change()
        done: list[int] = []
        report = Report()
        add_pictures(engine, "c", walk(folder), report, root=str(folder), progress=done.append)
        return sum(done), report

    assert progress_of(lambda: None)[0] == 8
    done, report = progress_of(lambda: (folder / "red/9.jpg").write_text("no picture"))
    assert done == 9
    assert (report.added, report.unchanged, len(report.refused)) == (0, 8, 1)
    assert progress_of(lambda: os.utime(folder / "red/0.jpg", ns=(5, 5)))[0] == 9


def test_a_file_that_turns_unreadable_is_refused_and_stays_in_the_collection(engine: Engine, folder: Path) -> None:
    pictures = walk(folder)
    add_pictures(engine, "c", pictures, Report(), root=str(folder))
    (folder / "red/0.jpg").unlink()
    (folder / "red/0.jpg").mkdir()
    (folder / "red/1.jpg").unlink()
    report = Report()
    add_pictures(engine, "c", pictures, report, root=str(folder), checksum=True)
    assert {refused.id for refused in report.refused} == {"red/0.jpg", "red/1.jpg"}
    assert report.unchanged == 6
    assert engine.describe("c").items == 8


def test_facts_are_kept_over_runs_that_do_not_read_the_file(engine: Engine, folder: Path) -> None:
    for _ in range(2):
        add_pictures(engine, "c", walk(folder), Report(), root=str(folder))
    item = engine.get("c", "red/0.jpg")
    assert len(item.file.sha256) == 32
    assert item.file.size == (folder / "red/0.jpg").stat().st_size


def test_a_name_that_is_taken_meanwhile_is_not_counted_as_moved(engine: Engine, folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(folder / "blue", other / "blue")
    shutil.copytree(folder / "red", other / "red")
    for root in (folder, other):
        add_pictures(engine, "c", walk(root / "red", prefix=root.name), Report(), root=str(root / "red"))
    # The vanished picture's new id is that of another folder's picture.
    (folder / "red/0.jpg").rename(folder / "red/8.jpg")
    add_pictures(engine, "c", [Picture("pictures/8.jpg", other / "blue/0.jpg")], Report(), root=str(other / "blue"))
    found = survey(folder / "red", prefix="pictures")
    report = sync_folder(engine, "c", found, find_gone(engine, "c", found))
    assert (report.moved, report.removed, report.unchanged) == (0, 1, 3)
    assert [refused.id for refused in report.refused] == ["pictures/8.jpg"]


def test_a_report_counts_by_state() -> None:
    report = Report()
    for state in ("added", "replaced", "updated", "refused"):
        report.count(AddResult("x", state))
    assert (report.added, report.replaced, report.updated, len(report.refused)) == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("list.csv", "path,labels\na.jpg,x\nb.jpg\n", "line 3 of"),
        ("list.csv", "path,labels\na.jpg,x\n\nb.jpg,x,y\n", "line 4 of"),
        ("list.csv", "id,labels\na,x\n", "line 2 of"),
        ("list.csv", "id,path\na,x.jpg\nb,y.jpg\na,z.jpg\n", "lines 2 and 4 of"),
        ("list.csv", "path,path\na,b\n", "names a column twice"),
        ("list.csv", 'path\n"a.jpg\n', "cannot be read"),
        ("list.csv", "path\n", "is empty"),
        ("list.csv", "", "is empty"),
        ("list.jsonl", '{"path": "a.jpg"}\n\n{"path": }\n', "line 3 of"),
        ("list.jsonl", '{"path": "a.jpg"}\n["b.jpg"]\n', "line 2 of"),
        ("list.jsonl", '{"path": "a.jpg", "labels": "x"}\n', "line 1 of"),
        ("list.jsonl", '{"path": "a.jpg", "labels": [1]}\n', "line 1 of"),
        ("list.jsonl", '{"path": "a.jpg", "attributes": {"n": true}}\n', "line 1 of"),
        ("list.jsonl", '{"path": "a.jpg", "attributes": {"n": 9007199254740993}}\n', "give it as text"),
        ("list.jsonl", '{"path": "a.jpg", "attributes": {"n": 1' + "0" * 400 + "}}\n", "line 1 of"),
        ("list.jsonl", '{"path": "a.jpg", "label": ["x"]}\n', "line 1 of"),
        ("list.jsonl", '{"path": "a\\u0000.jpg"}\n', "line 1 of"),
        ("list.jsonl", '{"id": 7, "path": "a.jpg"}\n', "line 1 of"),
        ("list.jsonl", '{"path": "a.jpg"}\n{"path": "b.jpg", "id": "a.jpg"}\n', "lines 1 and 2 of"),
        ("list.jsonl", "[" * 100_000, "cannot be read"),
        ("list.txt", "a.jpg\n", "is no manifest"),
    ],
)
def test_a_bad_manifest_is_refused_and_names_the_line(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InvalidArgument) as raised:
        read_manifest(tmp_path / name)
    assert said in raised.value.message


def test_a_manifest_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes(b"path\n\xff\xfe.jpg\n")
    with pytest.raises(InvalidArgument, match="cannot be read"):
        read_manifest(tmp_path / "list.csv")


def test_what_a_manifest_does_not_say_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("path\na.jpg\n")
    assert read_manifest(tmp_path / "list.csv") == [Picture("a.jpg", tmp_path / "a.jpg")]
    (tmp_path / "list.csv").write_text("path,labels,n\nsub/../a.jpg,,\n")
    assert read_manifest(tmp_path / "list.csv", prefix="p") == [
        Picture("p/sub/../a.jpg", tmp_path / "a.jpg", frozenset(), {})
    ]


def test_labels_are_parted_by_semicolons_and_lines_may_be_quoted(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text('path,labels,note\na.jpg," x;y y ;;x","two\nlines"\nb.jpg,z,\n', newline="")
    first, second = read_manifest(tmp_path / "list.csv")
    assert first.labels == frozenset({"x", "y y"})
    assert first.attributes == {"note": "two\nlines"}
    assert second == Picture("b.jpg", tmp_path / "b.jpg", frozenset({"z"}), {})


def test_both_kinds_of_manifest_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("id,path,labels,n,t\n1,a.jpg,x;y,2.5,nan\n")
    row = {"id": "1", "path": "a.jpg", "labels": ["x", "y"], "attributes": {"n": 2.5, "t": "nan"}}
    (tmp_path / "l.jsonl").write_text(json.dumps(row))
    assert read_manifest(tmp_path / "l.csv") == read_manifest(tmp_path / "l.jsonl")


def test_a_number_is_a_finite_one() -> None:
    assert [typed(text) for text in ("1999", "-2.5e3", "nan", "inf", "1e999", "", "7 a")] == [
        1999.0, -2500.0, "nan", "inf", "1e999", "", "7 a",
    ]  # fmt: skip
