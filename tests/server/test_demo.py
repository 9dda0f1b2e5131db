from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pixkin_proto.errors import InvalidArgument, MissingExtra, StoreUnavailable
from pixkin_scoring.plan import Plan
from pixkin_server.api import ExtractorChoice, Query
from pixkin_server.demo import pictures
from pixkin_server.demo.process import running_server
from pixkin_server.demo.run import Place, _make_collection
from pixkin_server.engine import Engine

pytestmark = pytest.mark.slow


def demo(home: Path, extractors: Path, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pixkin_server", "demo", "--extractors", extractors, "--device", "cpu", *arguments]
    return subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PIXKIN_HOME": str(home)},
    )


def finished(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    return out


def servers_of(home: Path) -> list[str]:
    """The command lines of running servers over a store in `home`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(home) in line and " serve " in line:
            found.append(line)
    return found


@pytest.fixture
def own(tmp_path: Path, photos: Path) -> Path:
    """Three pictures, two of them in sub-folders, and a broken one."""
    folder = tmp_path / "own pictures"
    for source, target in (("red/0.jpg", "0.jpg"), ("red/1.jpg", "red/1.jpg"), ("blue/0.jpg", "blue/deep/0.jpg")):
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photos / source, folder / target)
    (folder / "broken.jpg").write_text("no picture")
    return folder


def test_the_demo_finds_the_right_photographs_over_grpc_and_encodes_nothing_twice(
    tmp_path: Path, extractors: Path
) -> None:
    first = finished(demo(tmp_path, extractors))
    assert "209 pictures added, 0 unchanged" in first
    right = re.search(r"(\d+) of their (\d+) best hits show the same photograph", first)
    assert right
    assert int(right[1]) >= 0.9 * int(right[2])
    assert first.count("rank  id") == 3
    assert first.count("score") == first.count("value") == first.count("decode ") == 3
    second = finished(demo(tmp_path, extractors))
    assert "0 pictures added, 209 unchanged" in second
    address = re.search(r"server on 127\.0\.0\.1:(\d+)", second)
    assert address
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(address[1])), 5).close()
    hint = next(line for line in second.splitlines() if " search demo " in line)
    search = hint[hint.index("search demo ") :].split()
    ran = subprocess.run([sys.executable, "-m", "pixkin_server", *search], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[1].split()[4] == "astronaut"


def test_the_demo_takes_three_pictures_of_ones_own_and_leaves_out_a_broken_one(
    tmp_path: Path, extractors: Path, own: Path
) -> None:
    out = finished(demo(tmp_path, extractors, "--images", own))
    assert "3 pictures added" in out
    assert "left out broken.jpg: " in out
    for item in ("0.jpg", "red/1.jpg", "blue/deep/0.jpg"):
        assert f"what looks like {item}?" in out
    shutil.rmtree(own / "red")
    again = finished(demo(tmp_path, extractors, "--images", own))
    assert "0 pictures added, 2 unchanged" in again
    assert "red/1.jpg" not in again


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_a_demo_that_is_stopped_leaves_no_server_behind(
    tmp_path: Path, extractors: Path, own: Path, number: int, status: int
) -> None:
    process = demo(tmp_path, extractors, "--images", own)
    assert process.stdout
    for line in process.stdout:
        if line.startswith("collection "):
            break
    while not servers_of(tmp_path):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert "Traceback" not in err
    assert servers_of(tmp_path) == []


def test_a_folder_without_readable_pictures_is_an_error(tmp_path: Path, extractors: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own/a.jpg").write_text("no picture")
    process = demo(tmp_path, extractors, "--images", tmp_path / "own")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "none of the pictures" in err
    assert err.count("\n") == 1


@pytest.fixture
def engine(tmp_path: Path, extractors: Path) -> Iterator[Engine]:
    """A store with a collection `demo` of another extractor."""
    with Engine(str(tmp_path / "store"), extractors=extractors, device="cpu") as engine:
        engine.create("demo", [ExtractorChoice("hsv-histogram")])
        yield engine


def test_a_collection_of_the_users_own_that_is_called_demo_is_left_alone(engine: Engine, extractors: Path) -> None:
    place = Place("store", disposable=False, collection="demo", extractors=extractors, device="cpu")
    with pytest.raises(InvalidArgument, match="name another --store"):
        _make_collection(engine, place, "/root")
    assert engine.describe("demo").descriptors[0].extractor == "hsv-histogram"


def test_a_collection_of_an_older_demo_is_made_anew(engine: Engine, extractors: Path) -> None:
    place = Place("store", disposable=True, collection="demo", extractors=extractors, device="cpu")
    _make_collection(engine, place, "/root")
    assert [descriptor.extractor for descriptor in engine.describe("demo").descriptors] == ["efficientnet-lite0"]
    generation = engine.describe("demo").generation
    _make_collection(engine, place, "/root")
    assert engine.describe("demo").generation == generation


def test_every_machine_makes_the_same_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    coffee = next(path for path in pictures.photographs() if path.stem == "coffee")
    monkeypatch.setattr(pictures, "photographs", lambda: [coffee])
    made = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        indexed, queries = pictures.make_pictures(folder)
        files = [*sorted(indexed.rglob("*.jpg")), *queries]
        assert len(files) == pictures.INDEXED + 1
        made.append([file.read_bytes() for file in files])
    assert made[0] == made[1]
    assert len(set(made[0])) == len(made[0])


def test_a_turned_part_has_no_empty_corner() -> None:
    white = Image.new("RGB", (300, 170), "white")
    for angle in (-12.0, -3.0, 0.0, 7.0, 12.0):
        for at in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.4, 0.6)):
            part = pictures._turned_part(white, angle=angle, share=1.0, at=np.array(at))
            assert np.asarray(part)[2:-2, 2:-2].min() == 255, (angle, at)
            assert part.width / part.height == pytest.approx(300 / 170, abs=0.05)


def test_the_demo_names_the_extra_that_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"pixkin\[demo\]"):
        pictures.make_pictures(tmp_path)


def test_a_server_that_does_not_start_says_why(tmp_path: Path, extractors: Path) -> None:
    (tmp_path / "store").write_text("no folder")
    with (
        pytest.raises(StoreUnavailable, match=r"the server did not start: .*store"),
        running_server(str(tmp_path / "store"), extractors=extractors, device="cpu"),
    ):
        pass


def test_a_server_is_asked_until_the_block_ends(tmp_path: Path, extractors: Path) -> None:
    from pixkin_server.client import Client

    with (
        running_server(str(tmp_path / "store"), extractors=extractors, device="cpu") as address,
        Client(address) as client,
    ):
        assert client.collections() == []
    with Client(address, timeout=2) as client, pytest.raises(Exception, match="no pixkin server answers"):
        client.search("demo", [Query(id="x")], Plan())
