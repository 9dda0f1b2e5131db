"""A server over a store that is missing, foreign, damaged, locked, read-only or full, and one that is killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import (
    InvalidArgument,
    PixkinError,
    ServerUnavailable,
    StoreFormat,
    StoreFull,
    StoreLocked,
    StoreReadOnly,
    UnknownCollection,
)
from pixkin_scoring.items import AddResult, ItemUpdate
from pixkin_scoring.plan import DescriptorChoice, Plan
from pixkin_server.api import ExtractorChoice, NewItem, Query
from pixkin_server.client import Client
from pixkin_server.engine import Engine

pytestmark = pytest.mark.slow

Start = Callable[..., Any]
ROW = np.arange(1, 9, dtype=np.float32)


def rows(names: range, prefix: str = "") -> Iterator[NewItem]:
    return (NewItem(f"{prefix}{number:05}", vectors={"plain": ROW + number}) for number in names)


@contextmanager
def mounted(folder: Path, megabytes: int) -> Iterator[Path]:
    """A disk of its own, in memory; only root can have one."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    folder.mkdir()
    options = f"size={megabytes}m"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr!r}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_store_that_is_made_lists_nothing_until_its_first_collection(
    start: Start, extractors: Path, tmp_path: Path
) -> None:
    path = tmp_path / "not" / "yet"
    with start(path, extractors) as served, Client(served.address) as client:
        assert client.collections() == []
        with pytest.raises(UnknownCollection):
            client.describe("photos")
        assert path.stat().st_mode & 0o777 == 0o700
        client.create("photos", descriptors=[Descriptor("plain", 8)])
        assert [result.state for result in client.add_stream("photos", rows(range(3)))] == ["added"] * 3
        assert client.search("photos", [Query(id="00001")]).hits


def test_a_collection_that_cannot_be_read_costs_itself_alone(
    start: Start, store: Path, extractors: Path, tmp_path: Path, photos: Path
) -> None:
    path = tmp_path / "store"
    shutil.copytree(store, path)
    (path / "garbage.sqlite").write_bytes(np.random.default_rng(3).bytes(100_000))
    (path / "empty.sqlite").touch()
    shutil.copy(path / "vectors.sqlite", path / "newer.sqlite")
    with closing(sqlite3.connect(path / "newer.sqlite")) as connection:
        connection.execute("PRAGMA user_version = 99")
    with start(path, extractors) as served, Client(served.address) as client:
        assert [each.name for each in client.collections()] == ["photos", "vectors"]
        for name in ("garbage", "empty", "newer"):
            assert any(f"collection {name} cannot be" in line for line in served.log)
            for call in (
                lambda name=name: client.describe(name),
                lambda name=name: client.search(name, [Query(id="v01")]),
                lambda name=name: client.list_items(name),
                lambda name=name: client.add(name, rows(range(1))),
                lambda name=name: client.update(name, [ItemUpdate("v01", labels=frozenset({"x"}))]),
            ):
                with pytest.raises(StoreFormat):
                    call()
        assert client.search("vectors", [Query(id="v01")]).hits
        image = (photos / "red/0.jpg").read_bytes()
        gap = Plan(descriptors=(DescriptorChoice("gap"),))
        assert client.search("photos", [Query(image=image)], gap).hits[0].id == "red/0.jpg"
        client.drop("garbage")
        assert served.alive


def test_a_store_that_is_a_file_ends_the_start_with_one_line(start: Start, extractors: Path, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("no store")
    with start(path, extractors, wait="") as served:
        served.wait_for("STORE_FORMAT")
        assert served.process.wait(30) == 1
        assert not [line for line in served.log if "Traceback" in line]


@contextmanager
def locked(store: Path, name: str) -> Iterator[None]:
    """Hold the lock of a collection as another writer does."""
    descriptor = os.open(store / f"{name}.lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def test_a_collection_that_another_process_writes_is_locked_before_the_deadline(client: Client, served: Any) -> None:
    client.create("locked", descriptors=[Descriptor("plain", 8)])
    client.add("locked", rows(range(3)))
    with locked(served.store, "locked"), Client(served.address, timeout=2) as hasty:
        for call in (
            lambda: hasty.add("locked", rows(range(1)), timeout=2),
            lambda: hasty.update("locked", [ItemUpdate("00001", labels=frozenset({"x"}))]),
            lambda: hasty.remove("locked", ["00001"]),
        ):
            with pytest.raises(StoreLocked) as refused:  # and not the caller's Deadline
                call()
            assert refused.value.pid == str(os.getpid())
        assert hasty.search("locked", [Query(id="00001")]).hits
        assert len(hasty.list_items("locked")) == 3
    client.drop("locked")


def test_a_writer_that_waits_goes_on_when_the_lock_is_free(client: Client, served: Any) -> None:
    client.create("waiting", descriptors=[Descriptor("plain", 8)])
    with ThreadPoolExecutor(1) as pool, locked(served.store, "waiting"):
        adding = pool.submit(lambda: [result.state for result in client.add_stream("waiting", rows(range(3)))])
        time.sleep(0.5)
        assert not adding.done()
    assert adding.result(20) == ["added"] * 3
    client.drop("waiting")


def test_a_read_only_file_system_is_searched_and_not_written(
    start: Start, store: Path, extractors: Path, tmp_path: Path, photos: Path
) -> None:
    with mounted(tmp_path / "disk", 64) as disk:
        shutil.copytree(store, disk / "store")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with start(disk / "store", extractors) as served, Client(served.address) as client:
            image = (photos / "red/0.jpg").read_bytes()
            gap = Plan(descriptors=(DescriptorChoice("gap"),))
            assert client.search("photos", [Query(image=image)], gap).hits[0].id == "red/0.jpg"
            assert client.verify("vectors").problems == ()
            for call in (
                lambda: client.add("vectors", rows(range(1))),
                lambda: client.update("vectors", [ItemUpdate("v01", labels=frozenset({"x"}))]),
                lambda: client.remove("vectors", ["v01"]),
                lambda: client.create("new", descriptors=[Descriptor("plain", 8)]),
                lambda: client.drop("vectors"),
            ):
                with pytest.raises(StoreReadOnly):
                    call()
            assert served.alive


def test_a_full_disk_ends_the_addition_and_not_the_server(start: Start, extractors: Path, tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    wide = [NewItem(f"{n:05}", vectors={"plain": draw.normal(size=4096).astype(np.float32)}) for n in range(600)]
    with (
        mounted(tmp_path / "disk", 8) as disk,
        start(disk / "store", extractors) as served,
        Client(served.address) as client,
    ):
        client.create("wide", descriptors=[Descriptor("plain", 4096)])
        (disk / "ballast").write_bytes(bytes(3_000_000))
        stored: list[AddResult] = []
        with pytest.raises(StoreFull):
            stored.extend(client.add_stream("wide", wide))
        kept = {item.id for item in client.list_items("wide", size=10_000)}
        assert {result.id for result in stored if result.state == "added"} <= kept
        for call in (
            lambda: client.add("wide", wide[300:]),
            lambda: client.create("more", descriptors=[Descriptor(f"d{n}", 8) for n in range(100)]),
        ):
            with pytest.raises(StoreFull):
                call()
        assert client.verify("wide").problems == ()
        (disk / "ballast").unlink()
        assert [result.state for result in client.add_stream("wide", wide[:10])] == [
            "replaced" if item.id in kept else "added" for item in wide[:10]
        ]
        assert client.search("wide", [Query(vectors={"": np.ones(4096, np.float32)})], Plan(size=3)).hits
        assert served.alive


def test_two_clients_that_add_at_once_both_complete(client: Client, served: Any) -> None:
    client.create("shared", descriptors=[Descriptor("plain", 8)])

    def add(prefix: str) -> list[str]:
        with Client(served.address) as mine:
            return [result.state for result in mine.add("shared", rows(range(1500), prefix))]

    with ThreadPoolExecutor(3) as pool:
        states = list(pool.map(add, ["a", "b", "b"]))
    assert states[0] == ["added"] * 1500
    assert sorted(states[1] + states[2]) == ["added"] * 1500 + ["replaced"] * 1500
    assert client.describe("shared").items == 3000
    assert client.verify("shared").problems == ()
    client.drop("shared")


def test_a_killed_server_has_lost_nothing_that_it_acknowledged(
    start: Start, extractors: Path, tmp_path: Path, photos: Path
) -> None:
    path, pick = tmp_path / "store", np.random.default_rng(6)
    pictures = sorted(photos.rglob("*.jpg"))
    items = [NewItem(f"{n:04}", image=pictures[n % len(pictures)]) for n in range(600)]
    acknowledged: set[str] = set()
    for _ in range(20):
        with start(path, extractors) as served, Client(served.address) as client:
            if not client.collections():
                client.create("photos", [ExtractorChoice("hsv-histogram")])
            assert acknowledged <= ids(client)
            assert client.verify("photos").problems == ()
            killer = threading.Timer(pick.uniform(0.1, 1.2), served.process.kill)
            killer.start()
            with pytest.raises(ServerUnavailable):
                add_again_and_again(client, items, acknowledged)
            killer.join()
    with start(path, extractors) as served, Client(served.address) as client:
        assert acknowledged <= ids(client)
        assert {result.state for result in client.add_stream("photos", items)} <= {"added", "replaced"}
        assert client.describe("photos").items == len(items) == len(ids(client))
        assert client.verify("photos").problems == ()
        assert served.alive


def add_again_and_again(client: Client, items: list[NewItem], acknowledged: set[str]) -> None:
    for _ in range(20):
        for result in client.add_stream("photos", items):
            assert result.error is None
            acknowledged.add(result.id)


def ids(client: Client) -> set[str]:
    return {item.id for item in client.list_items("photos", size=10_000)}


def test_a_killed_server_is_an_error_of_ours_in_the_middle_of_a_call(
    start: Start, extractors: Path, tmp_path: Path
) -> None:
    with start(tmp_path / "store", extractors) as served, Client(served.address) as client:
        client.create("vectors", descriptors=[Descriptor("plain", 8)])

        def items() -> Iterator[NewItem]:
            yield from rows(range(3))
            served.process.kill()
            served.process.wait(20)
            yield from rows(range(3, 6))

        with pytest.raises(ServerUnavailable):
            client.add("vectors", items())
        with pytest.raises(PixkinError) as refused:
            client.describe("vectors")
        assert isinstance(refused.value, ServerUnavailable)


def test_what_is_added_is_stored_whether_or_not_the_result_is_read(
    client: Client, tmp_path: Path, extractors: Path
) -> None:
    with Engine(str(tmp_path / "store"), extractors=extractors) as engine:
        for number, service in enumerate((client, engine)):
            name = f"unread{number}"
            service.create(name, descriptors=[Descriptor("plain", 8)])
            service.add(name, rows(range(3)))
            assert service.describe(name).items == 3


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), 1e20])
def test_a_timeout_that_no_clock_can_wait_for_is_refused(
    served: Any, client: Client, tmp_path: Path, seconds: float
) -> None:
    for make in (
        lambda: Engine(str(tmp_path), timeout=seconds),
        lambda: Client(served.address, timeout=seconds),
        lambda: client.search("photos", [Query(id="red/0.jpg")], timeout=seconds),
    ):
        with pytest.raises(InvalidArgument, match="at most 1,000,000 seconds"):
            make()
