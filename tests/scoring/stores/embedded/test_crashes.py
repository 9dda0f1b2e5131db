"""Other processes: what they write, and what they leave when they are killed."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pixkin_proto.descriptors import Descriptor
from pixkin_scoring.items import AddResult
from pixkin_scoring.stores.embedded.store import EmbeddedStore

pytestmark = pytest.mark.slow

Adder = Callable[..., list[AddResult]]
Finder = Callable[[EmbeddedStore], list[str]]
GREY = Descriptor("grey", 4)
Asker = Callable[[str], str]


def test_what_another_process_wrote_is_found_at_once(
    ask: Asker, found: Finder, add: Adder, store: EmbeddedStore
) -> None:
    add(store, "a")
    assert found(store) == ["a"]
    assert ask("add bb ccc") == "2"
    assert found(store) == ["a", "bb", "ccc"]


def test_a_killed_writer_loses_nothing_it_acknowledged_and_the_rerun_completes(
    ask: Asker, add: Adder, store: EmbeddedStore, tmp_path: Path
) -> None:
    ask("add warm")
    chance = random.Random(7)  # noqa: S311 (moments to kill at, no secrets)
    for turn in range(20):
        log = tmp_path / f"{turn}.log"
        child = int(ask(f"fork {turn % 4} {log}"))
        time.sleep(chance.uniform(0, 0.25))
        os.kill(child, signal.SIGKILL)
        assert ask(f"wait {child}") == str(-signal.SIGKILL)
        acknowledged = log.read_text().split("\n")[:-1] if log.exists() else []
        stored = store.get("photos", acknowledged, thumbnails=True, vectors=True)
        assert [*stored] == acknowledged
        assert all(len(item.thumbnail) == 2000 for item in stored.values())
        assert store.verify("photos").problems == ()
    ids = [item.id for item in store.list_items("photos", (), size=100_000)]
    assert len(ids) == len(set(ids)) == store.describe("photos").items > 1000
    names = [f"0/{number:05}" for number in range(2000)]
    assert {result.state for result in add(store, *names)} <= {"added", "replaced"}
    assert len(store.get("photos", names)) == 2000


def test_a_killed_create_leaves_no_half_collection(store: EmbeddedStore) -> None:
    draft = Path(store.name) / ".drawings.sqlite.new"
    draft.write_bytes(b"half")
    assert store.list() == ["photos"]
    assert store.create("drawings", [GREY]).items == 0
    assert not draft.exists()
