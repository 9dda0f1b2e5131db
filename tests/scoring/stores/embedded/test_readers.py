"""Readers who may not write where the collection lies: they follow the writer."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pixkin_scoring.items import AddResult
from pixkin_scoring.stores.embedded.store import EmbeddedStore

Adder = Callable[..., list[AddResult]]
Finder = Callable[[EmbeddedStore], list[str]]
Asker = Callable[..., str]
NOBODY = 65534


@pytest.fixture
def reader(store: EmbeddedStore, tmp_path: Path) -> Iterator[Asker]:
    """Ask a process of another user, who may read the store's files but write nothing; needs root."""
    if os.getuid():
        pytest.skip("only root may start a process of another user")
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == "root" and folder.parent != folder:
            folder.chmod(folder.stat().st_mode | 0o055)
    process = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("peer.py"), store.name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )

    def ask(line: str, mode: int = 0o755) -> str:
        for file in (Path(store.name), *Path(store.name).iterdir()):
            file.chmod(mode)
        process.stdin.write(f"{line}\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    assert ask(f"become {NOBODY}") == "done"
    yield ask
    process.kill()
    process.communicate()


def test_a_reader_who_may_not_write_follows_writers_that_come_and_go(
    reader: Asker, add: Adder, store: EmbeddedStore
) -> None:
    add(store, "a")
    store.close()
    assert reader("found") == "a"
    add(store, "bb")
    assert reader("found") == "a bb"
    store.describe("photos")  # from here on a log stays
    add(store, "ccc")
    assert reader("found") == "a bb ccc"
    store.remove("photos", ["a"], deadline=float("inf"))
    assert reader("found") == "bb ccc"
    store.close()
    assert reader("found") == "bb ccc"
    add(store, "dddd")
    assert reader("found") == "bb ccc dddd"
    assert reader("refused") == "STORE_READ_ONLY"


def test_a_reader_who_may_not_write_reads_what_a_killed_writer_left(
    reader: Asker, photos: Path, add: Adder, store: EmbeddedStore
) -> None:
    store.describe("photos")
    add(store, "a", "bb")
    kept = {file: file.read_bytes() for file in photos.parent.iterdir() if not file.name.endswith("-shm")}
    store.close()
    for file, content in kept.items():
        file.write_bytes(content)
    assert photos.with_name("photos.sqlite-wal").stat().st_size
    assert reader("found") == "a bb"
    add(store, "ccc")
    assert reader("found") == "a bb ccc"


def test_a_reader_who_may_not_read_the_files_is_told_so(reader: Asker, photos: Path, store: EmbeddedStore) -> None:
    assert reader("found") == ""
    assert reader("found", 0o700) == "STORE_DENIED"
