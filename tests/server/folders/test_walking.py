from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pixkin_proto.errors import InvalidArgument
from pixkin_server.evaluation.examples import pictures_by_name
from pixkin_server.folders import Choice, sentence, single, survey, walk

HIDDEN = (
    ".thumbnails",
    ".Trash-1000",
    ".git",
    "@eaDir",
    "$RECYCLE.BIN",
    "lost+found",
    "Thumbs",
    "#recycle",
    "__MACOSX",
)
NOBODY = 65534


@pytest.fixture
def folder(tmp_path: Path, photos: Path) -> Path:
    """A folder with one picture, a.jpg."""
    root = tmp_path / "pictures"
    root.mkdir()
    shutil.copy(photos / "red/0.jpg", root / "a.jpg")
    return root


@contextmanager
def as_nobody() -> Iterator[None]:
    """Do what the block does without the superuser's rights."""
    if os.geteuid() == 0:
        os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)
    else:
        yield


def ids(folder: Path, choice: Choice | None = None) -> list[str]:
    return [picture.id for picture in survey(folder, choice=choice or Choice()).pictures]


def test_hidden_trash_and_cache_folders_are_passed_over_and_counted(folder: Path) -> None:
    for name in HIDDEN:
        (folder / name / "below").mkdir(parents=True)
        shutil.copy(folder / "a.jpg", folder / name / "below/b.jpg")
    shutil.copy(folder / "a.jpg", folder / ".b.jpg")
    shutil.copy(folder / "a.jpg", folder / "Thumbs up.jpg")
    assert ids(folder) == ["Thumbs up.jpg", "a.jpg"]
    assert sentence(survey(folder).passed_over) == (
        "passed over: 1 hidden file, 1 hidden folder, 8 trash or cache folders (see docs/formats.md)"
    )
    assert len(ids(folder, Choice(hidden=True))) == 3 + len(HIDDEN)


def test_a_hidden_folder_that_is_named_itself_is_walked(folder: Path) -> None:
    assert ids(folder.rename(folder.with_name(".pictures"))) == ["a.jpg"]


def test_what_macos_keeps_beside_a_file_is_never_a_picture(folder: Path) -> None:
    (folder / "._a.jpg").write_bytes(b"\0\5\x16\7" + bytes(100))
    for choice in (Choice(), Choice(hidden=True)):
        assert ids(folder, choice) == ["a.jpg"]


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("raw", ["a.jpg", "x/a.png"]),
        ("raw/", ["a.jpg", "x/a.png"]),
        ("./x/raw", ["a.jpg", "raw/b.jpg", "x/a.png"]),
        ("x/*", ["a.jpg", "raw/b.jpg"]),
        ("*.jpg", ["x/a.png"]),
        ("**/*.jpg", ["x/a.png"]),
        ("a.*", ["raw/b.jpg", "x/raw/b.jpg"]),
        ("[ab].jpg", ["x/a.png"]),
        ("A.jpg", ["a.jpg", "raw/b.jpg", "x/a.png", "x/raw/b.jpg"]),
        ("{root}/raw", ["a.jpg", "x/a.png", "x/raw/b.jpg"]),
    ],
)
def test_what_is_excluded_is_passed_over(folder: Path, pattern: str, left: list[str]) -> None:
    for name in ("raw/b.jpg", "x/raw/b.jpg", "x/a.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "a.jpg", folder / name)
    assert ids(folder, Choice(exclude=(pattern.format(root=folder),))) == left


@pytest.mark.parametrize("suffix", ["jfif", "jpe", "JPE", "jif", "pjpeg", "apng", "dib", "JPEG"])
def test_pictures_are_known_by_every_usual_suffix(folder: Path, suffix: str) -> None:
    (folder / "a.jpg").rename(folder / f"a.{suffix}")
    assert ids(folder) == [f"a.{suffix}"]


def test_a_picture_without_a_suffix_is_known_by_its_contents(folder: Path) -> None:
    shutil.copy(folder / "a.jpg", folder / "IMG_0001")
    (folder / "README").write_text("BMP, GIF89a and other formats")
    (folder / "NOTES").write_text("BM")
    (folder / "empty").touch()
    os.mkfifo(folder / "pipe")
    assert ids(folder) == ["IMG_0001", "a.jpg"]
    assert not survey(folder).passed_over


def test_every_file_that_is_a_picture_and_not_taken_is_counted_by_kind(folder: Path) -> None:
    for name in ("1.HEIC", "2.heif", "3.avif", "4.tif", "5.NEF", "6.CR2", "7.dng", "8.mov", "9.MP4", "x.psd", "y.svg"):
        (folder / name).touch()
    for name, contents in {
        "a.jpg_original": (folder / "a.jpg").read_bytes(),
        "b.dat": b"\0\0\0\x1cftypavif" + bytes(40),
        "c": b"II*\0" + bytes(40),
        "d.bin": b"\x1a\x45\xdf\xa3" + bytes(40),
        "notes.txt": b"x",
        "data.bin": b"\x93\xfe\0\1" * 20,
        "a.xmp": b"<x/>",
    }.items():
        (folder / name).write_bytes(contents)
    (folder / "gone.jpg").symlink_to(folder / "nowhere")
    (folder / "self.jpg").symlink_to(folder / "self.jpg")
    (folder / "elsewhere").symlink_to(folder.parent)
    os.mkfifo(folder / "pipe.jpg")
    assert ids(folder) == ["a.jpg"]
    assert sentence(survey(folder).passed_over) == (
        "passed over: 2 HEIC, 2 AVIF, 2 TIFF, 3 RAW, 1 PSD, 1 SVG, 3 videos, 1 picture with an unusual suffix, "
        "2 links to nothing, 1 special file, 1 link to a folder (see docs/formats.md)"
    )


def test_a_folder_of_other_formats_alone_is_refused_by_their_names(folder: Path) -> None:
    (folder / "a.jpg").rename(folder / "a.heic")
    with pytest.raises(InvalidArgument, match=r"no pictures: no file is JPEG, .*; passed over: 1 HEIC .*nothing was"):
        survey(folder)


@pytest.mark.parametrize("mode", [0o000, 0o444])
def test_a_folder_that_cannot_be_read_costs_what_is_below_it_alone(photos: Path, mode: int) -> None:
    with tempfile.TemporaryDirectory() as place:  # others may not enter pytest's own folders
        root = Path(place).resolve()
        root.chmod(0o755)
        for name in ("open", "closed"):
            shutil.copytree(photos / "red", root / name)
        (root / "closed").chmod(mode)
        with as_nobody():
            found = survey(root)
            assert [picture.id for picture in found.pictures if picture.id.startswith("open")] == [
                f"open/{number}.jpg" for number in range(4)
            ]
            if mode == 0:
                assert found.unreadable == {"closed": "Permission denied"}
                with pytest.raises(InvalidArgument, match="closed cannot be read: Permission denied"):
                    walk(root)
                with pytest.raises(InvalidArgument, match=r"closed cannot be read: .*nothing was changed"):
                    survey(root / "closed")
        (root / "closed").chmod(0o755)


def test_queries_of_a_ground_truth_are_pictures_and_no_thumbnails_of_them(folder: Path) -> None:
    (folder / ".thumbnails").mkdir()
    for name in (".thumbnails/a.jpg", "z/a.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    assert pictures_by_name(folder) == {"a": str(folder / "a.jpg")}


def test_a_walk_tells_what_it_passed_over(folder: Path) -> None:
    (folder / "b.heic").touch()
    said: list[str] = []
    assert len(walk(folder, tell=said.append)) == 1
    assert said == ["passed over: 1 HEIC (see docs/formats.md)"]


def test_a_file_that_may_not_be_looked_at_is_refused_in_one_line(photos: Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        shut = Path(place) / "shut"
        Path(place).chmod(0o755)
        shut.mkdir(mode=0o700)
        shutil.copy(photos / "red/0.jpg", shut / "a.jpg")
        shut.chmod(0o600)
        with as_nobody(), pytest.raises(InvalidArgument, match=r"a\.jpg cannot be read: Permission denied"):
            single(shut / "a.jpg")
        shut.chmod(0o700)


def test_what_is_no_file_is_refused_for_what_it_is(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to("nowhere")
    for name, said in {"pipe": "is a pipe", "link": "cannot be read", "none": "there is no", "n" * 300: "no"}.items():
        with pytest.raises(InvalidArgument, match=said):
            single(folder / name)
