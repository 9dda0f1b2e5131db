from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from pixkin_proto import whole_file
from pixkin_proto.errors import InvalidArgument
from pixkin_proto.whole_file import write_whole, written_whole

KILLED = """
import os, signal, sys
from pathlib import Path
from pixkin_proto.whole_file import written_whole
replaced = Path.replace
def replace(part, place):
    if place.name == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
    return replaced(part, place)
Path.replace = replace
with written_whole(*(Path(sys.argv[1]) / name for name in sys.argv[3:])) as files:
    for file in files:
        file.write(b"new")
"""


@pytest.fixture
def killed(tmp_path: Path) -> Callable[..., None]:
    """Write "new" to files in a process that is killed when it is about to put one of them in its place."""

    def run(at: str, *names: str) -> None:
        done = subprocess.run([sys.executable, "-c", KILLED, tmp_path, at, *names], check=False)
        assert done.returncode == -signal.SIGKILL

    return run


def parts(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir() if file.name.endswith(".part")]


@pytest.mark.parametrize("at", ["vectors.npy", "ids"])
def test_a_kill_never_leaves_a_new_file_beside_an_old_one(killed: Callable[..., None], tmp_path: Path, at: str) -> None:
    for name in ("vectors.npy", "ids"):
        (tmp_path / name).write_bytes(b"old")
    killed(at, "vectors.npy", "ids")
    left = {name: (tmp_path / name).read_bytes() for name in ("vectors.npy", "ids") if (tmp_path / name).exists()}
    assert left == {"vectors.npy": b"old" if at == "vectors.npy" else b"new"}
    with written_whole(tmp_path / "vectors.npy", tmp_path / "ids") as files:
        for file in files:
            file.write(b"newer")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["ids", "vectors.npy"]


def test_what_a_killed_process_left_goes_with_the_next_file_of_its_kind(
    killed: Callable[..., None], tmp_path: Path
) -> None:
    killed("one.onnx", "one.onnx")
    (tmp_path / ".older.onnx.1234.part").write_bytes(b"half")
    (tmp_path / ".foreign.txt.part").write_bytes(b"not ours")
    assert len(parts(tmp_path)) == 3
    assert not (tmp_path / "one.onnx").exists()
    write_whole(tmp_path / "two.onnx", b"whole", otherwise="")
    assert parts(tmp_path) == [".foreign.txt.part"]
    assert (tmp_path / "two.onnx").read_bytes() == b"whole"


def test_two_that_write_one_file_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    with written_whole(path) as (first,):
        first.write(b"first")
        write_whole(path, b"second", otherwise="")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first"
    assert not parts(tmp_path)


def test_a_block_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_bytes(b"old")
    with suppress(ZeroDivisionError), written_whole(path) as (file,):
        file.write(b"half")
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    assert not parts(tmp_path)


def test_a_full_disk_leaves_what_was_there_and_is_said(tmp_path: Path) -> None:
    place = tmp_path / "small"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], check=False).returncode:
        pytest.skip("only root may mount a small file system here")
    try:
        write_whole(place / "file.txt", b"old", otherwise="")
        with pytest.raises(InvalidArgument, match=r"file\.txt cannot be written: No space left on device; name"):
            write_whole(place / "file.txt", bytes(1 << 20), otherwise="name another place")
        assert {file.name: file.read_bytes() for file in place.iterdir()} == {"file.txt": b"old"}
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def test_a_folder_that_is_made_is_private_and_a_link_stays_a_link(tmp_path: Path) -> None:
    write_whole(tmp_path / "made" / "here" / "file.txt", b"text", otherwise="")
    assert (tmp_path / "made" / "here").stat().st_mode & 0o777 == 0o700
    (tmp_path / "link").symlink_to(tmp_path / "made" / "here" / "file.txt")
    write_whole(tmp_path / "link", b"other", otherwise="")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "made" / "here" / "file.txt").read_bytes() == b"other"


def test_a_folder_is_no_place_for_a_file_and_a_pipe_is_written_as_it_comes(tmp_path: Path) -> None:
    (tmp_path / "ids").write_bytes(b"old")
    (tmp_path / "vectors").mkdir()
    with (
        pytest.raises(InvalidArgument, match="vectors cannot be written: it is a folder"),
        written_whole(tmp_path / "vectors", tmp_path / "ids"),
    ):
        pass
    assert (tmp_path / "ids").read_bytes() == b"old"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_whole(pipe, b"through", otherwise="")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert pipe.is_fifo()


def test_a_file_system_without_locks_is_written_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(whole_file.fcntl, "flock", refused)
    write_whole(tmp_path / "file.txt", b"text", otherwise="")
    assert [file.name for file in tmp_path.iterdir()] == ["file.txt"]
