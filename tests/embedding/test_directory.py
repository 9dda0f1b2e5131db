from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest
from pixkin_embedding.directory import ExtractorDirectory, default_directory
from pixkin_proto.errors import (
    AmbiguousName,
    ExtractorMismatch,
    InvalidArgument,
    InvalidExtractor,
    InvalidName,
    UnknownExtractor,
)


def test_extractors_are_found_by_name_and_by_fingerprint(extractors: Path) -> None:
    directory = ExtractorDirectory(extractors)
    assert [extractor.name for extractor in directory.list().values()] == ["efficientnet-lite0", "hsv-histogram"]
    path = directory.by_name("hsv-histogram")
    fingerprint = directory.list()[path].fingerprint
    assert directory.by_fingerprint(fingerprint, name="hsv-histogram", collection="c") == path


def test_an_empty_name_is_the_only_extractor_or_an_error(extractors: Path, tmp_path: Path) -> None:
    with pytest.raises(AmbiguousName, match="efficientnet-lite0, hsv-histogram"):
        ExtractorDirectory(extractors).by_name("")
    shutil.copy(extractors / "hsv-histogram.onnx", tmp_path)
    assert ExtractorDirectory(tmp_path).by_name("").name == "hsv-histogram.onnx"


def test_no_extractor_at_all_is_said_as_such(tmp_path: Path) -> None:
    with pytest.raises(UnknownExtractor, match=r"there is no extractor in .*make it with: pixkin export-model NAME"):
        ExtractorDirectory(tmp_path).by_name("")


def test_an_unknown_name_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(UnknownExtractor, match="pixkin export-model resnet50"):
        ExtractorDirectory(tmp_path / "none").by_name("resnet50")
    with pytest.raises(InvalidName):
        ExtractorDirectory(tmp_path).by_name("../secret")


def test_another_version_of_an_extractor_is_a_mismatch_that_names_both(extractors: Path) -> None:
    directory = ExtractorDirectory(extractors)
    here = directory.list()[directory.by_name("hsv-histogram")].fingerprint
    with pytest.raises(ExtractorMismatch) as raised:
        directory.by_fingerprint("ab" * 32, name="hsv-histogram", collection="old")
    assert raised.value.data["expected"] == "ab" * 32
    assert raised.value.data["got"] == here


def test_two_files_of_one_name_are_ambiguous_unless_one_bears_it(extractors: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        shutil.copy(extractors / "hsv-histogram.onnx", tmp_path / f"{name}.onnx")
    with pytest.raises(InvalidExtractor, match=r"a\.onnx, b\.onnx"):
        ExtractorDirectory(tmp_path).by_name("hsv-histogram")
    shutil.copy(extractors / "hsv-histogram.onnx", tmp_path)
    assert ExtractorDirectory(tmp_path).by_name("hsv-histogram").name == "hsv-histogram.onnx"


def test_files_that_are_no_extractors_are_passed_over(extractors: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.onnx").write_text("hello")
    shutil.copy(extractors / "hsv-histogram.onnx", tmp_path)
    assert len(ExtractorDirectory(tmp_path).list()) == 1


def test_an_installed_file_is_copied_once_and_never_over_another(extractors: Path, tmp_path: Path) -> None:
    directory = ExtractorDirectory(tmp_path / "made")
    file = extractors / "hsv-histogram.onnx"
    assert directory.install(file) == "hsv-histogram"
    assert directory.install(file) == "hsv-histogram"
    assert len(list(directory.path.iterdir())) == 1
    (directory.path / "efficientnet-lite0.onnx").write_bytes(b"something else")
    with pytest.raises(InvalidExtractor, match="another extractor"):
        directory.install(extractors / "efficientnet-lite0.onnx")


def test_a_copy_that_fails_half_way_leaves_nothing_under_the_name(
    extractors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    directory = ExtractorDirectory(tmp_path / "made")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(InvalidArgument, match=r"hsv-histogram\.onnx cannot be written: No space left"):
            directory.install(extractors / "hsv-histogram.onnx")
    assert not [*directory.path.iterdir()]
    assert directory.install(extractors / "hsv-histogram.onnx") == "hsv-histogram"


def test_the_default_directory_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PIXKIN_HOME", str(tmp_path))
    assert default_directory() == tmp_path / "extractors"
    monkeypatch.delenv("PIXKIN_HOME")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert default_directory() == tmp_path / "data" / "pixkin" / "extractors"
