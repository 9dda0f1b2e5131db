from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]
Where = tuple[object, ...]
Draw = Callable[[Path, int], Path]
Ids = Callable[[str], dict[str, Any]]


def counts(ran: Any) -> dict[str, int]:
    return {key: len(value) if key == "refused" else value for key, value in ran.json.items() if value}


def test_a_second_run_encodes_and_writes_nothing(pixkin: Cli, made: str, folder: Path, where: Where) -> None:
    first = pixkin("index", "add", made, folder, *where)
    assert (first.status, first.out, first.err) == (0, "4 added\n", "")
    before = pixkin("index", "describe", made, "--json", *where).json
    second = pixkin("index", "add", made, folder, "--json", *where)
    assert counts(second) == {"unchanged": 4}
    assert pixkin("index", "describe", made, "--json", *where).json["generation"] == before["generation"]


def test_a_second_run_does_not_even_need_the_extractor(
    pixkin: Cli, name: str, folder: Path, workplace: Any, tmp_path: Path
) -> None:
    pixkin("index", "create", name, "--extractor", "hsv-histogram", *workplace.on_store)
    pixkin("index", "add", name, folder, *workplace.on_store)
    empty = ("--store", workplace.store, "--extractors", tmp_path / "none")
    assert pixkin("index", "add", name, folder, *empty).out == "0 added, 4 unchanged\n"
    refused = pixkin("index", "add", name, folder, "--prefix", "again", *empty)
    assert refused.status == 1
    assert "[EXTRACTOR_MISMATCH]" in refused.err


def test_labels_are_brought_up_to_date_without_encoding(
    pixkin: Cli, made: str, folder: Path, where: Where, ids: Ids
) -> None:
    pixkin("index", "add", made, folder, *where)
    again = pixkin("index", "add", made, folder, "--labels-from-folders", "--json", *where)
    assert counts(again) == {"updated": 3, "unchanged": 1}
    assert {item: each["labels"] for item, each in ids(made).items()} == {
        "blue/a.jpg": ["blue"], "red/a.jpg": ["red"], "red/b.jpg": ["red"], "top.png": [],
    }  # fmt: skip
    assert counts(pixkin("index", "add", made, folder, "--json", *where)) == {"unchanged": 4}
    assert ids(made)["red/a.jpg"]["labels"] == ["red"]


def test_a_touched_file_gets_new_facts_and_no_new_vector(pixkin: Cli, made: str, folder: Path, where: Where) -> None:
    pixkin("index", "add", made, folder, *where)
    os.utime(folder / "top.png", ns=(1, 1))
    assert counts(pixkin("index", "add", made, folder, "--json", *where)) == {"updated": 1, "unchanged": 3}
    assert counts(pixkin("index", "add", made, folder, "--json", *where)) == {"unchanged": 4}


def test_checksum_finds_what_size_and_time_hide(
    pixkin: Cli, made: str, folder: Path, where: Where, draw: Draw, tmp_path: Path
) -> None:
    file = folder / "picture.bmp"  # a bitmap's size does not depend on its pixels
    draw(file, 21)
    pixkin("index", "add", made, folder, *where)
    stat = file.stat()
    draw(file, 22)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert counts(pixkin("index", "add", made, folder, "--json", *where)) == {"unchanged": 5}
    assert counts(pixkin("index", "add", made, folder, "--checksum", "--json", *where)) == {
        "replaced": 1, "unchanged": 4,
    }  # fmt: skip
    assert counts(pixkin("index", "add", made, folder, "--checksum", "--json", *where)) == {"unchanged": 5}


def test_changed_pixels_keep_the_labels_and_attributes_that_were_given(
    pixkin: Cli, made: str, folder: Path, where: Where, ids: Ids, draw: Draw
) -> None:
    pixkin("index", "add", made, folder, *where)
    pixkin("index", "update", made, "top.png", "--label", "kept", "--attribute", "year=1999", *where)
    draw(folder / "top.png", 99)
    assert counts(pixkin("index", "add", made, folder, "--json", *where)) == {"replaced": 1, "unchanged": 3}
    assert ids(made)["top.png"]["labels"] == ["kept"]
    assert ids(made)["top.png"]["attributes"] == {"year": 1999.0}


def test_an_id_of_another_folder_is_refused_and_the_message_names_prefix(
    pixkin: Cli, made: str, folder: Path, where: Where, ids: Ids, draw: Draw, tmp_path: Path
) -> None:
    pixkin("index", "add", made, folder, *where)
    other = tmp_path / "other"
    draw(other / "top.png", 50)
    shutil.copytree(folder / "red", other / "red")  # equal files, with equal times
    ran = pixkin("index", "add", made, other, *where)
    assert ran.status == 3
    assert ran.out == "0 added, 3 refused\n"
    assert ran.err.count("--prefix") == 3
    assert ids(made)["red/a.jpg"]["source"] == str(folder / "red/a.jpg")
    prefixed = pixkin("index", "add", made, other, "--prefix", "other/", "--labels-from-folders", *where)
    assert prefixed.out == "3 added\n"
    assert ids(made)["other/red/a.jpg"]["labels"] == ["red"]
    assert len(ids(made)) == 7


def test_one_bad_file_is_reported_and_left_out(pixkin: Cli, made: str, folder: Path, where: Where, ids: Ids) -> None:
    (folder / "bad.jpg").write_text("no picture")
    (folder / "notes.txt").write_text("no picture either, and passed over")
    ran = pixkin("index", "add", made, folder, *where)
    assert ran.status == 3
    assert ran.out == "4 added, 1 refused\n"
    assert ran.err.startswith("pixkin: bad.jpg: ")
    assert ran.err.count("\n") == 1
    assert "bad.jpg" not in ids(made)


def test_odd_names_are_indexed_or_refused_one_by_one(
    pixkin: Cli, made: str, tmp_path: Path, where: Where, ids: Ids, draw: Draw
) -> None:
    folder = tmp_path / "odd names"
    good = ["a b.jpg", "ünï 木.jpg", 'it\'s "quoted".jpg', "-dash.jpg", "at@2.jpg", "UPPER.JPG"]
    for number, file in enumerate(good):
        draw(folder / file, number)
    draw(folder / "new\nline.jpg", 90)
    draw(Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.jpg")), 91)
    ran = pixkin("index", "add", made, folder, *where)
    assert ran.status == 3
    assert ran.out == "6 added, 2 refused\n"
    assert len(ran.err.splitlines()) == 2
    assert "caf\\udce9.jpg" in ran.err
    assert "new\\nline.jpg" in ran.err
    assert sorted(ids(made)) == sorted(good)
    refused = pixkin("index", "add", made, folder, "--json", *where).json["refused"]
    assert {each["reason"] for each in refused} == {"INVALID_ID"}


def test_links_in_a_circle_end(pixkin: Cli, made: str, folder: Path, where: Where) -> None:
    (folder / "red/up").symlink_to(folder)
    (folder / "self.jpg").symlink_to(folder / "self.jpg")
    (folder / "dangling.jpg").symlink_to(folder / "nowhere.jpg")
    (folder / "folder.jpg").mkdir()
    assert pixkin("index", "add", made, folder, *where).out == "4 added\n"


def test_a_folder_without_pictures_is_an_error_and_changes_nothing(
    pixkin: Cli, made: str, folder: Path, where: Where, ids: Ids
) -> None:
    pixkin("index", "add", made, folder, *where)
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "notes.txt").write_text("x")
    for command in ("add", "sync"):
        ran = pixkin("index", command, made, folder, *where)
        assert ran.status == 1
        assert "has no pictures" in ran.err
        assert "nothing was changed" in ran.err
    assert len(ids(made)) == 4


def test_single_files_are_added_by_name(
    pixkin: Cli, made: str, folder: Path, where: Where, ids: Ids, tmp_path: Path
) -> None:
    assert pixkin("index", "add", made, folder / "top.png", folder / "red/a.jpg", *where).out == "2 added\n"
    assert sorted(ids(made)) == ["a.jpg", "top.png"]
    assert "there is no file or folder" in pixkin("index", "add", made, tmp_path / "none", *where).err


def test_a_manifest_gives_ids_labels_and_attributes(
    pixkin: Cli, made: str, folder: Path, where: Where, ids: Ids
) -> None:
    (folder / "list.csv").write_text(
        "id,path,labels,year,place\n1,red/a.jpg,warm; red ;,1999,here\n,top.png,,,\n", encoding="utf-8-sig"
    )
    assert pixkin("index", "add", made, "--manifest", folder / "list.csv", *where).out == "2 added\n"
    found = ids(made)
    assert sorted(found) == ["1", "top.png"]
    assert found["1"]["labels"] == ["red", "warm"]
    assert found["1"]["attributes"] == {"year": 1999.0, "place": "here"}
    (folder / "list.jsonl").write_text('{"id": "1", "path": "red/a.jpg", "labels": ["other"]}\n')
    again = pixkin("index", "add", made, "--manifest", folder / "list.jsonl", "--json", *where)
    assert counts(again) == {"updated": 1}
    assert ids(made)["1"]["labels"] == ["other"]
    assert ids(made)["1"]["attributes"] == {"year": 1999.0, "place": "here"}


def test_a_manifest_that_names_missing_files_and_folders_adds_the_others(
    pixkin: Cli, made: str, folder: Path, where: Where
) -> None:
    rows = ["path", "top.png", "gone.jpg", "red"]
    (folder / "list.csv").write_text("\n".join(rows))
    ran = pixkin("index", "add", made, "--manifest", folder / "list.csv", *where)
    assert ran.status == 3
    assert ran.out == "1 added, 2 refused\n"
    os.mkfifo(folder / "pipe.jpg")
    (folder / "list.csv").write_text("path\npipe.jpg\n")
    assert pixkin("index", "add", made, "--manifest", folder / "list.csv", *where).out == "0 added, 1 refused\n"


def test_sync_adds_removes_and_follows_moves_with_their_labels(
    pixkin: Cli, made: str, folder: Path, where: Where, ids: Ids, draw: Draw
) -> None:
    pixkin("index", "sync", made, folder, *where)
    pixkin("index", "update", made, "red/a.jpg", "--label", "kept", "--attribute", "n=1", *where)
    (folder / "new place").mkdir()
    (folder / "red/a.jpg").rename(folder / "new place/c.jpg")
    (folder / "red/b.jpg").unlink()
    draw(folder / "fresh.jpg", 70)
    ran = pixkin("index", "sync", made, folder, "--json", *where)
    assert counts(ran) == {"added": 1, "unchanged": 3, "moved": 1, "removed": 1}
    found = ids(made)
    assert sorted(found) == ["blue/a.jpg", "fresh.jpg", "new place/c.jpg", "top.png"]
    moved = found["new place/c.jpg"]
    assert (moved["labels"], moved["attributes"]) == (["kept"], {"n": 1.0})
    assert moved["source"] == str(folder / "new place/c.jpg")


def test_sync_does_not_encode_a_moved_picture_again(
    pixkin: Cli, name: str, folder: Path, workplace: Any, tmp_path: Path
) -> None:
    pixkin("index", "create", name, "--extractor", "hsv-histogram", *workplace.on_store)
    pixkin("index", "sync", name, folder, *workplace.on_store)
    pixkin("index", "sync", name, folder, *workplace.on_store)  # a second run must not lose the hashes
    (folder / "red").rename(folder / "rouge")
    ran = pixkin("index", "sync", name, folder, "--store", workplace.store, "--extractors", tmp_path / "none")
    assert ran.out == "0 added, 4 unchanged, 2 moved\n"


def test_sync_removes_all_but_the_one_file_that_is_left(
    pixkin: Cli, made: str, folder: Path, where: Where, ids: Ids
) -> None:
    pixkin("index", "sync", made, folder, *where)
    shutil.rmtree(folder / "red")
    shutil.rmtree(folder / "blue")
    assert pixkin("index", "sync", made, folder, *where).out == "0 added, 1 unchanged, 3 removed\n"
    assert list(ids(made)) == ["top.png"]


def test_sync_leaves_other_folders_and_prefixes_alone(
    pixkin: Cli, made: str, folder: Path, where: Where, ids: Ids, draw: Draw, tmp_path: Path
) -> None:
    beside = tmp_path / "pictures 2"
    draw(beside / "x.jpg", 80)
    for options in ((folder,), (folder, "--prefix", "p"), (beside,), (folder / "red", "--prefix", "inner")):
        assert pixkin("index", "add", made, *options, *where).status == 0
    (folder / "top.png").unlink()
    (folder / "red/a.jpg").unlink()
    assert pixkin("index", "sync", made, folder, "--prefix", "p", *where).out == "0 added, 2 unchanged, 2 removed\n"
    assert sorted(ids(made)) == [
        "blue/a.jpg", "inner/a.jpg", "inner/b.jpg", "p/blue/a.jpg", "p/red/b.jpg", "red/a.jpg", "red/b.jpg",
        "top.png", "x.jpg",
    ]  # fmt: skip


def test_sync_of_twins_moves_each_once(pixkin: Cli, made: str, folder: Path, where: Where, ids: Ids) -> None:
    shutil.copy(folder / "top.png", folder / "twin.png")
    pixkin("index", "sync", made, folder, *where)
    (folder / "top.png").rename(folder / "1.png")
    (folder / "twin.png").rename(folder / "2.png")
    time.sleep(0.01)
    shutil.copy(folder / "1.png", folder / "3.png")
    assert pixkin("index", "sync", made, folder, *where).out == "1 added, 5 unchanged, 2 moved\n"
    assert {"1.png", "2.png", "3.png"} < set(ids(made))


def test_what_makes_no_sense_is_said_in_one_line(pixkin: Cli, made: str, folder: Path, where: Where) -> None:
    (folder / "list.csv").write_text("path\ntop.png\n")
    manifest = ("--manifest", folder / "list.csv")
    for arguments in ((), (folder, *manifest), (*manifest, "--labels-from-folders")):
        ran = pixkin("index", "add", made, *arguments, *where)
        assert ran.status == 2
        assert ran.err.count("\n") == 1
    assert "[UNKNOWN_COLLECTION]" in pixkin("index", "add", "nowhere", folder, *where).err


def test_a_folder_that_moved_is_followed_when_it_is_said(
    pixkin: Cli, made: str, folder: Path, where: Where, ids: Ids
) -> None:
    pixkin("index", "add", made, folder, "--labels-from-folders", *where)
    moved = folder.with_name("moved")
    folder.rename(moved)
    refused = pixkin("index", "sync", made, moved, *where)
    assert refused.status == 3
    assert "--moved-from" in refused.err
    (moved / "top.png").unlink()
    followed = pixkin("index", "sync", made, moved, "--moved-from", folder, "--json", *where)
    assert counts(followed) == {"unchanged": 3, "removed": 1}
    assert ids(made)["red/a.jpg"]["labels"] == ["red"]
    assert ids(made)["red/a.jpg"]["source"] == str(moved / "red/a.jpg")
    assert pixkin("index", "describe", made, "--json", *where).json["roots"] == [str(moved)]
    nothing = pixkin("index", "sync", made, moved, "--moved-from", folder, *where)
    assert (nothing.status, "no picture" in nothing.err) == (1, True)


def test_an_export_refuses_a_server_from_the_environment_too(
    pixkin: Cli, made: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIXKIN_SERVER", "127.0.0.1:1")
    files = ("--vectors", tmp_path / "v.npy", "--ids", tmp_path / "ids.txt")
    refused = pixkin("index", "export", made, *files)
    assert refused.status == 2
    assert "works on a store only" in refused.err


def test_a_file_does_not_get_a_second_id_below_another_folder(
    pixkin: Cli, made: str, folder: Path, where: Where, ids: Ids
) -> None:
    pixkin("index", "add", made, folder, *where)
    for inner in (
        ("add", made, folder / "red"),
        ("add", made, folder / "red" / "a.jpg"),
        ("sync", made, folder / "red"),
    ):
        refused = pixkin("index", *inner, *where)
        assert refused.status == 1
        assert "already, as 'red/a.jpg'" in refused.err
    assert len(ids(made)) == 4
    assert pixkin("index", "add", made, folder / "red", "--prefix", "again", *where).status == 0
    assert len(ids(made)) == 6


def test_a_folder_around_one_of_the_collection_is_refused_too(
    pixkin: Cli, made: str, folder: Path, where: Where, ids: Ids
) -> None:
    pixkin("index", "add", made, folder / "red", *where)
    refused = pixkin("index", "add", made, folder, *where)
    assert (refused.status, "already, as 'a.jpg'" in refused.err) == (1, True)
    assert len(ids(made)) == 2
