"""One writer at a time, across processes and threads."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import StoreLocked, StoreUnavailable
from pixkin_scoring.items import AddResult, Item
from pixkin_scoring.stores.embedded import database, opening
from pixkin_scoring.stores.embedded.lock import write_lock
from pixkin_scoring.stores.embedded.store import EmbeddedStore

Adder = Callable[..., list[AddResult]]
Maker = Callable[..., list[Item]]
Finder = Callable[[EmbeddedStore], list[str]]
Asker = Callable[[str], str]


def test_a_writer_waits_for_another_process_until_its_deadline(
    ask: Asker, found: Finder, add: Adder, store: EmbeddedStore, peer: subprocess.Popen[str]
) -> None:
    assert ask("hold x") == "holding"
    started = time.monotonic()
    with pytest.raises(StoreLocked, match=f"process {peer.pid}"):
        add(store, "a", seconds=0.3)
    assert time.monotonic() >= started + 0.3
    for write in (
        lambda now: store.update("photos", [], deadline=now),
        lambda now: store.remove("photos", [], deadline=now),
        lambda now: store.put_attachment("photos", "graph", b"", deadline=now),
        lambda now: store.add_descriptor("photos", Descriptor("other", 1), [], deadline=now),
    ):
        with pytest.raises(StoreLocked):
            write(time.monotonic())
    assert found(store) == []


def test_a_writer_goes_on_as_soon_as_the_other_process_is_killed(
    ask: Asker, found: Finder, add: Adder, store: EmbeddedStore, peer: subprocess.Popen[str]
) -> None:
    assert ask("hold x") == "holding"
    threading.Timer(0.3, peer.kill).start()
    assert [result.state for result in add(store, "a")] == ["added"]
    assert found(store) == ["a"]


def test_threads_of_one_process_exclude_each_other(add: Adder, items: Maker, store: EmbeddedStore) -> None:
    going = store.add("photos", items(*map(str, range(300))), deadline=time.monotonic() + 60)
    next(going)
    with pytest.raises(StoreLocked, match=f"process {os.getpid()}"):
        add(store, "a", seconds=0)
    waiting = threading.Thread(target=add, args=(store, "b"))
    waiting.start()
    assert len(list(going)) == 299
    waiting.join()
    assert store.describe("photos").items == 301


def test_a_lock_file_that_was_deleted_while_waiting_locks_nobody_out_or_in(photos: Path, tmp_path: Path) -> None:
    path = tmp_path / "photos.lock"
    entered: list[str] = []

    def wait() -> None:
        with write_lock(path, "photos", time.monotonic() + 60):
            entered.append("second")

    with write_lock(path, "photos", time.monotonic()):
        second = threading.Thread(target=wait)
        second.start()
        time.sleep(0.1)
        path.unlink()
    second.join()
    assert entered == ["second"]
    assert path.exists()


def test_many_threads_write_and_search_at_once(found: Finder, add: Adder, store: EmbeddedStore) -> None:
    faults: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(5):
                add(store, f"{number}-{turn}", f"{number}-{turn}-again")
                store.list_items("photos", (), size=10)
                store.remove("photos", [f"{number}-{turn}-again"], deadline=time.monotonic() + 60)
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert len(found(store)) <= 24
    assert faults == []
    assert len(found(store)) == store.describe("photos").items == 20


@pytest.mark.parametrize("kind", ["flock", "lockf"])
@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named_at_once_and_nothing_is_written(
    found: Finder, add: Adder, store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch, kind: str, code: int
) -> None:
    add(store, "a")

    def refused(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, kind, refused)
    for write in (
        lambda: add(store, "bb"),
        lambda: store.create("drawings", [Descriptor("grey", 4)]),
        lambda: store.drop("photos"),
    ):
        with pytest.raises(StoreUnavailable, match=r"has no file locks, which writing needs.*reading works"):
            write()
    monkeypatch.undo()
    assert store.list() == ["photos"]
    assert found(store) == ["a"]


@pytest.mark.parametrize("logged", [False, True])
def test_a_collection_whose_file_cannot_be_locked_is_read(
    photos: Path, found: Finder, add: Adder, store: EmbeddedStore, *, logged: bool
) -> None:
    add(store, "a", "bb")
    store.close()
    with closing(sqlite3.connect(photos, isolation_level=None)) as alone:
        alone.execute("PRAGMA locking_mode = EXCLUSIVE")
        alone.execute("BEGIN EXCLUSIVE")
        if logged:
            alone.execute("UPDATE items SET source = 'x'")
            alone.execute("COMMIT")
        log = photos.with_name("photos.sqlite-wal")
        before = photos.read_bytes(), log.read_bytes()
        assert found(store) == ["a", "bb"]
        assert store.get("photos", ["a"])["a"].source == ("x" if logged else "")
        assert bool(store.verify("photos").problems) == logged  # it reads the log: that change has no checksum
        store.close()
        assert before == (photos.read_bytes(), log.read_bytes())


def test_a_search_in_what_is_written_meanwhile_is_refused_and_the_next_one_is_right(
    photos: Path, found: Finder, add: Adder, store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def alone(path: Path, *, writing: bool) -> opening.Opened:
        del writing
        return opening.open_snapshot(path)

    add(store, "a")
    store.close()
    monkeypatch.setattr(database, "open_file", alone)
    assert found(store) == ["a"]
    opened = store._open("photos")
    with (
        pytest.raises(StoreUnavailable, match="written while it was read; ask again"),
        opened.database.transaction(),
        closing(sqlite3.connect(photos)) as other,
        other,
    ):
        other.execute("UPDATE items SET source = 'x'")
    assert store.get("photos", ["a"])["a"].source == "x"
    assert found(store) == ["a"]
