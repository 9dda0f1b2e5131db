"""Full and read-only disks."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import (
    StoreFull,
    StoreReadOnly,
)
from pixkin_scoring.items import AddResult, Item, ItemUpdate
from pixkin_scoring.stores.embedded import opening
from pixkin_scoring.stores.embedded.store import EmbeddedStore

Adder = Callable[..., list[AddResult]]
Maker = Callable[..., list[Item]]
Finder = Callable[[EmbeddedStore], list[str]]
GREY = Descriptor("grey", 4)


def test_a_full_disk_is_said_and_what_was_acknowledged_stays(
    add: Adder, items: Maker, store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = opening._connect

    def limited(path: Path, how: str, *, writing: bool) -> sqlite3.Connection:
        connection = connect(path, how, writing=writing)
        connection.execute("PRAGMA max_page_count = 60")
        return connection

    monkeypatch.setattr(opening, "_connect", limited)
    names = [f"{number:05}" for number in range(2000)]
    acknowledged: list[str] = []
    results = store.add("photos", items(*names, thumbnail=1000), deadline=time.monotonic() + 60)
    with pytest.raises(StoreFull, match="no space left"):
        acknowledged.extend(result.id for result in results)
    assert acknowledged
    assert [item.id for item in store.list_items("photos", (), size=9999)] == acknowledged
    monkeypatch.undo()
    assert len(add(store, *names)) == 2000
    assert store.verify("photos").problems == ()


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a small file system in memory, or change how it is mounted; needs root."""
    place = tmp_path / "mounted"
    place.mkdir()

    def mount(options: str) -> Path:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("only root may mount a small file system here")
        return place

    try:
        yield mount
    finally:
        subprocess.run(["umount", "-l", place], capture_output=True, check=False)


def test_a_file_system_that_fills_up_keeps_what_was_acknowledged(
    found: Finder, add: Adder, items: Maker, mounted: Callable[[str], Path]
) -> None:
    place = mounted("size=3m")
    names = [f"{number:05}" for number in range(3000)]
    acknowledged: list[str] = []
    with closing(EmbeddedStore(str(place))) as store:
        store.create("photos", [GREY])
        assert found(store) == []
        results = store.add("photos", items(*names, thumbnail=1000), deadline=time.monotonic() + 60)
        with pytest.raises(StoreFull):
            acknowledged.extend(result.id for result in results)
        assert acknowledged
        assert sorted(found(store)) == acknowledged
        with pytest.raises(StoreFull):
            store.create("drawings", [GREY])
        mounted("remount,size=30m")
        assert len(add(store, *names)) == 3000
        assert store.verify("photos").problems == ()


def fill(place: Path, *, leaving: int) -> None:
    """Fill a file system up to so many KiB."""
    place.joinpath("filling").unlink(missing_ok=True)
    with place.joinpath("filling").open("wb") as file:
        file.write(bytes(max(0, shutil.disk_usage(place).free - leaving * 1024)))


def test_a_collection_is_made_whole_or_not_at_all_however_little_space_is_left(
    add: Adder, mounted: Callable[[str], Path]
) -> None:
    place = mounted("size=4m")
    outcomes = set()
    for leaving in range(0, 700, 20):
        fill(place, leaving=leaving)
        with closing(EmbeddedStore(str(place / "store"))) as store:
            try:
                assert store.create("photos", [GREY, Descriptor("other", 4)]).items == 0
            except StoreFull:
                assert store.list() == []
                assert not list(place.glob("store/*photos*"))
                outcomes.add("full")
            else:
                assert store.verify("photos").problems == ()
                assert [each.name for each in store.describe("photos").descriptors] == ["grey", "other"]
                store.drop("photos")
                outcomes.add("made")
    assert outcomes == {"full", "made"}


def test_a_full_disk_is_read_and_every_refused_write_leaves_what_was_there(
    found: Finder, add: Adder, items: Maker, mounted: Callable[[str], Path]
) -> None:
    place = mounted("size=4m")
    soon = time.monotonic() + 60
    vectors = ([f"{number:05}" for number in range(200)], np.ones((200, 4), np.float32))
    with closing(EmbeddedStore(str(place))) as writer:
        writer.create("photos", [GREY])
        add(writer, *vectors[0])
    fill(place, leaving=0)
    with closing(EmbeddedStore(str(place))) as store:
        assert len(found(store)) == 200
        for write in (
            lambda: list(store.add("photos", items("new", thumbnail=100_000), deadline=soon)),
            lambda: store.update("photos", [ItemUpdate("00001", labels=frozenset({"cat"}))], deadline=soon),
            lambda: store.put_vectors("photos", "grey", [vectors], deadline=soon),
            lambda: store.add_descriptor("photos", Descriptor("other", 4), [vectors], deadline=soon),
            lambda: store.put_attachment("photos", "graph", bytes(1 << 20), deadline=soon),
            lambda: store.remove("photos", vectors[0], deadline=soon),
        ):
            with pytest.raises(StoreFull, match="no space left"):
                write()
            assert len(found(store)) == store.describe("photos").items == 200
            assert store.get("photos", ["00001"])["00001"].labels == frozenset()
        assert store.verify("photos").problems == ()
        store.drop("photos")
        assert store.list() == []


@pytest.mark.parametrize("in_use", [False, True])
def test_a_read_only_file_system_is_searched_and_not_written(
    found: Finder, add: Adder, mounted: Callable[[str], Path], *, in_use: bool
) -> None:
    place = mounted("size=30m")
    with closing(EmbeddedStore(str(place))) as writer, closing(EmbeddedStore(str(place))) as store:
        writer.create("photos", [GREY])
        add(writer, "a", "bb")
        if not in_use:
            writer.close()
        # A killed process leaves its log behind; the copy of a live store has one too.
        kept = {file: file.read_bytes() for file in place.iterdir()} if in_use else {}
        writer.close()
        for file, content in kept.items():
            file.write_bytes(content)
        mounted("remount,ro")
        assert found(store) == ["a", "bb"]
        assert store.describe("photos").items == 2
        assert store.verify("photos").problems == ()
        for write in (
            lambda: add(store, "c"),
            lambda: store.drop("photos"),
            lambda: store.create("drawings", [GREY]),
        ):
            with pytest.raises(StoreReadOnly, match="may be read but not written"):
                write()


def test_a_read_only_connection_says_so(add: Adder, store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = opening._connect
    monkeypatch.setattr(opening, "_connect", lambda path, _how, *, writing: connect(path, "mode=ro", writing=writing))
    with pytest.raises(StoreReadOnly, match=r"photos\.sqlite may be read"):
        add(store, "a")
