"""The files of an embedded store: formats, foreign files, damage."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import (
    StoreFormat,
    UnknownCollection,
)
from pixkin_scoring.items import AddResult, Item
from pixkin_scoring.stores.embedded import database
from pixkin_scoring.stores.embedded.store import EmbeddedStore

Adder = Callable[..., list[AddResult]]
Maker = Callable[..., list[Item]]
Finder = Callable[[EmbeddedStore], list[str]]
Changer = Callable[..., None]
GREY = Descriptor("grey", 4)


def test_the_directory_is_made_by_the_first_create_alone(photos: Path, tmp_path: Path) -> None:
    place = tmp_path / "not" / "there"
    with closing(EmbeddedStore(str(place))) as store:
        assert store.list() == []
        with pytest.raises(UnknownCollection):
            store.describe("photos")
        assert not place.parent.exists()
        store.create("photos", [GREY])
        made = {file.name for file in place.iterdir()}
        assert made == {".pixkin-store", "photos.lock", "photos.sqlite", "photos.sqlite-shm", "photos.sqlite-wal"}


def test_a_store_is_private_to_its_owner_whatever_the_umask(items: Maker, tmp_path: Path) -> None:
    place = tmp_path / "deep" / "store"
    before = os.umask(0)
    try:
        with closing(EmbeddedStore(str(place))) as store:
            store.create("photos", [GREY])
            list(store.add("photos", items("a", thumbnail=10), deadline=time.monotonic() + 60))
            store.describe("photos")
            modes = {file.name: file.stat().st_mode & 0o777 for file in place.iterdir()}
    finally:
        os.umask(before)
    assert place.stat().st_mode & 0o777 == 0o700
    assert modes.keys() > {"photos.sqlite", "photos.sqlite-wal", "photos.sqlite-shm", "photos.lock"}
    assert set(modes.values()) == {0o600}


def test_the_files_of_a_shared_collection_stay_shared(photos: Path, add: Adder, store: EmbeddedStore) -> None:
    store.close()
    photos.chmod(0o640)
    store.describe("photos")
    add(store, "a")
    assert {file.stat().st_mode & 0o777 for file in photos.parent.glob("photos.sqlite*")} == {0o640}


def test_a_dropped_collection_leaves_no_file(found: Finder, add: Adder, store: EmbeddedStore) -> None:
    add(store, "a")
    found(store)
    store.drop("photos")
    assert [file.name for file in Path(store.name).iterdir()] == [".pixkin-store"]


def test_a_drop_is_on_the_disk_before_it_is_acknowledged(store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    place, synced = Path(store.name), []

    def sync(descriptor: int) -> None:
        assert os.path.samestat(os.fstat(descriptor), place.stat())
        synced.append(sorted(place.glob("photos*")))

    monkeypatch.setattr(os, "fsync", sync)
    store.drop("photos")
    assert synced == [[]]


def test_a_path_that_is_a_file_is_refused_by_name(tmp_path: Path) -> None:
    place = tmp_path / "photo.jpg"
    place.write_bytes(b"jpeg")
    store = EmbeddedStore(str(place))
    for call in (store.list, lambda: store.describe("photos"), lambda: store.create("photos", [GREY])):
        with pytest.raises(StoreFormat, match=r"photo\.jpg is a file, and a store is a directory"):
            call()
    assert place.read_bytes() == b"jpeg"


def test_a_newer_format_is_refused_with_its_number_and_the_way_out(
    add: Adder, change: Changer, store: EmbeddedStore
) -> None:
    store.close()
    change("PRAGMA user_version = 7")
    with pytest.raises(StoreFormat, match=r"format 7 .* upgrade"):
        store.describe("photos")
    with pytest.raises(StoreFormat, match="format 7"):
        add(store, "a")


@pytest.mark.parametrize("content", [b"", b"no database" * 1000])
def test_a_file_that_is_no_collection_is_refused_and_left_alone(
    items: Maker, store: EmbeddedStore, content: bytes
) -> None:
    foreign = Path(store.name) / "foreign.sqlite"
    foreign.write_bytes(content)
    for call in (
        lambda: store.describe("foreign"),
        lambda: list(store.add("foreign", items("a"), deadline=time.monotonic())),
        lambda: store.verify("foreign"),
    ):
        with pytest.raises(StoreFormat, match=r"foreign\.sqlite"):
            call()
    assert foreign.read_bytes() == content


def test_the_database_of_another_program_is_no_collection(store: EmbeddedStore) -> None:
    with closing(sqlite3.connect(Path(store.name) / "foreign.sqlite")) as connection:
        connection.execute("CREATE TABLE items(id TEXT)")
    with pytest.raises(StoreFormat, match="not a collection of pixkin"):
        store.list_items("foreign", (), size=1)


def test_a_log_left_by_a_crash_during_drop_does_not_reach_the_next_collection(
    photos: Path, found: Finder, add: Adder, store: EmbeddedStore, tmp_path: Path
) -> None:
    add(store, "a")
    with closing(sqlite3.connect(photos)) as reader:
        reader.execute("SELECT count(*) FROM items").fetchone()
        add(store, "b")
        log = photos.with_name("photos.sqlite-wal")
        left = log.read_bytes()
    store.drop("photos")
    log.write_bytes(left)
    store.create("photos", [GREY])
    assert found(store) == []
    assert store.verify("photos").problems == ()


def test_verify_names_what_was_changed_behind_its_back(add: Adder, change: Changer, store: EmbeddedStore) -> None:
    add(store, "a", "bb", "ccc", "dddd")
    change("UPDATE vectors_1 SET sum = sum + 1e-6 WHERE row = 1")
    one_bit_off = np.array([2, 2, 2, np.nextafter(np.float32(2), np.float32(3))], dtype="<f4")
    change("UPDATE vectors_1 SET vector = ? WHERE row = 2", one_bit_off.tobytes())
    change("DELETE FROM vectors_1 WHERE row = 3")
    change("UPDATE vectors_1 SET vector = x'00' WHERE row = 4")
    change("INSERT INTO labels VALUES (99, 'orphan')")
    checked = store.verify("photos")
    assert checked.items == 4
    assert checked.problems == (
        "labels has entries of items that are gone",
        "no vector of grey for: ccc; remove it and add it again",
        "a vector of grey has a wrong length for: dddd; remove it and add it again",
        "a vector of grey has changed since it was written for: a, bb; remove it and add it again",
    )


def test_a_vector_of_a_wrong_length_is_an_error_and_no_neighbour(
    found: Finder, add: Adder, change: Changer, store: EmbeddedStore
) -> None:
    add(store, "a", "b")
    change("UPDATE vectors_1 SET vector = x'00' WHERE row = 2")
    with pytest.raises(StoreFormat, match="wrong length"):
        found(store)
    add(store, "b")
    assert found(store) == ["a", "b"]


def test_verify_reports_a_damaged_page(photos: Path, add: Adder, store: EmbeddedStore) -> None:
    add(store, *(f"{number:05}" for number in range(3000)))
    store.close()
    with photos.open("r+b") as file:
        file.seek(database.PAGE_BYTES * 8)
        file.write(b"\xff" * database.PAGE_BYTES * 4)
    assert store.verify("photos").problems
