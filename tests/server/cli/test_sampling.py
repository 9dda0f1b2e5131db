"""`pixkin index verify --images`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pixkin_proto.descriptors import Descriptor
from pixkin_server.api import NewItem
from pixkin_server.engine import Engine
from pixkin_server.sampling import compare_pictures

Cli = Callable[..., Any]
Where = tuple[object, ...]


@pytest.fixture(params=["store", "server", "on_cluster", "over_cluster"])
def where(request: pytest.FixtureRequest, workplace: Any) -> Where:
    """The options that name a directory, a cluster, or a server over one of them."""
    if request.param in {"store", "server"}:
        return workplace.on_store if request.param == "store" else workplace.on_server
    return request.getfixturevalue(request.param)


@pytest.fixture
def filled(pixkin: Cli, name: str, folder: Path, where: Where) -> str:
    """A collection of four pictures with two extractors."""
    extractors = ("--extractor", "hsv-histogram", "--extractor", "efficientnet-lite0")
    assert pixkin("index", "create", name, *extractors, *where).status == 0
    assert pixkin("index", "add", name, folder, *where).out == "4 added\n"
    return name


def test_pictures_are_encoded_anew_and_compared(pixkin: Cli, filled: str, folder: Path, where: Where) -> None:
    ran = pixkin("index", "verify", filled, "--images", folder, *where)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith("4 items read, 0 problems\n4 pictures encoded anew, 0 problems; the lowest cosine is ")
    two = pixkin("index", "verify", filled, "--images", folder, "--sample", "2", *where)
    assert "\n2 pictures encoded anew" in two.out
    assert pixkin("index", "verify", filled, "--images", folder, "--sample", "2", *where).out == two.out


def test_a_moved_folder_is_searched_by_the_places_in_it(
    pixkin: Cli, filled: str, folder: Path, where: Where, tmp_path: Path
) -> None:
    moved = folder.rename(tmp_path / "moved")
    ran = pixkin("index", "verify", filled, "--images", moved, *where)
    assert (ran.status, "\n4 pictures encoded anew, 0 problems" in ran.out) == (0, True)


def test_missing_and_changed_pictures_are_reported_and_no_problem_while_others_can_be_compared(
    pixkin: Cli, filled: str, folder: Path, where: Where, draw: Callable[[Path, int], Path]
) -> None:
    (folder / "top.png").unlink()
    draw(folder / "red/a.jpg", 99)
    ran = pixkin("index", "verify", filled, "--images", folder, *where)
    assert (ran.status, "\n2 pictures encoded anew, 0 problems, 2 not compared; " in ran.out) == (0, True)
    assert ran.err == (
        f"pixkin: red/a.jpg was not compared: {folder}/red/a.jpg has changed since it was added\n"
        f"pixkin: top.png was not compared: it is not below {folder}\n"
    )
    shutil.rmtree(folder)
    folder.mkdir()
    ran = pixkin("index", "verify", filled, "--images", folder, *where)
    assert (ran.status, "0 pictures encoded anew, 1 problems, 4 not compared\n" in ran.out) == (3, True)
    assert "none of the pictures" in ran.err


def test_a_vector_of_another_picture_is_a_problem(pixkin: Cli, name: str, folder: Path, workplace: Any) -> None:
    pixkin("index", "create", name, "--extractor", "hsv-histogram", *workplace.on_store)
    pixkin("index", "add", name, folder, *workplace.on_store)
    with Engine(str(workplace.store), extractors=workplace.extractors, device="cpu") as engine:
        right, wrong = (engine.get(name, item, vectors=True) for item in ("top.png", "red/a.jpg"))
        swapped = NewItem("top.png", vectors=wrong.vectors, source=right.source, file=right.file)
        assert [result.state for result in engine.add(name, [swapped], root=str(folder))] == ["replaced"]
    ran = pixkin("index", "verify", name, "--images", folder, *workplace.on_store)
    assert (ran.status, "\n4 pictures encoded anew, 1 problems; " in ran.out) == (3, True)
    assert "top.png is not what is stored: hsv-histogram.histogram has cosine 0." in ran.err


def test_another_version_of_the_extractor_is_named(
    pixkin: Cli, name: str, folder: Path, workplace: Any, tmp_path: Path
) -> None:
    pixkin("index", "create", name, "--extractor", "hsv-histogram", *workplace.on_store)
    pixkin("index", "add", name, folder, *workplace.on_store)
    ran = pixkin("index", "verify", name, "--images", folder, "--store", workplace.store, "--extractors", tmp_path)
    assert ran.status == 1
    assert ran.out == "4 items read, 1 problems\n"
    assert ran.err.splitlines()[-1].endswith("[UNKNOWN_EXTRACTOR]")


def test_imported_vectors_have_no_pictures(pixkin: Cli, name: str, folder: Path, workplace: Any) -> None:
    pixkin("index", "create", name, "--vectors", "v:dim=3", *workplace.on_store)
    ran = pixkin("index", "verify", name, "--images", folder, *workplace.on_store)
    assert (ran.status, "holds imported vectors" in ran.err) == (1, True)
    ran = pixkin("index", "verify", name, "--sample", "3", *workplace.on_store)
    assert (ran.status, "name the folder" in ran.err, ran.err.count("\n")) == (2, True, 1)


def test_a_sample_is_spread_over_the_collection_and_stays_inside_the_folder(
    tmp_path: Path, extractors: Path, draw: Callable[[Path, int], Path]
) -> None:
    draw(tmp_path / "outside.png", 1)
    (tmp_path / "root").mkdir()
    with Engine(str(tmp_path / "store"), extractors=extractors, device="cpu") as engine:
        declared = [
            d.of_extractor(info.name, info.fingerprint)
            for info in engine.extractors()
            if info.name == "hsv-histogram"
            for d in info.descriptors
        ]
        engine.store.create("many", declared)
        vector = np.ones(declared[0].dim, dtype=np.float32)
        items = [
            NewItem(f"{number:02}", vectors={declared[0].name: vector}, source=str(tmp_path / "outside.png"))
            for number in range(50)
        ]
        items.append(NewItem("../outside.png", vectors={declared[0].name: vector}))
        engine.add("many", items)
        found = compare_pictures(engine, "many", tmp_path / "root", sample=5)
        assert [text.split()[0] for text in found.left_out] == ["../outside.png", "09", "19", "29", "39"]
        assert (found.compared, len(found.problems)) == (0, 1)
        assert compare_pictures(engine, "many", tmp_path, sample=1).compared == 0
        assert isinstance(declared[0], Descriptor)
