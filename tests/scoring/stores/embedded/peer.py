"""Another process on the store that its argument names: it answers every line it is given with a line."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator

import numpy as np
from pixkin_proto.errors import PixkinError
from pixkin_scoring.items import AddResult, Item
from pixkin_scoring.query import ScoringQuery
from pixkin_scoring.stores.embedded.store import EmbeddedStore

store = EmbeddedStore(sys.argv[1])


def answer(line: object) -> None:
    """Write a line that the asking process reads at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def made(names: Iterable[str]) -> Iterator[Item]:
    """Make items with vectors and thumbnails."""
    return (Item(name, {"grey": np.full(4, len(name), np.float32)}, thumbnail=b"x" * 2000) for name in names)


def slow(names: Iterable[str]) -> Iterator[Item]:
    """Make items, and never come to an end."""
    yield from made(names)
    answer("holding")
    time.sleep(60)


def add(items: Iterable[Item]) -> Iterator[AddResult]:
    """Add items to `photos`."""
    return store.add("photos", items, deadline=time.monotonic() + 60)


def add_until_killed(prefix: str, log: str) -> None:
    """Add many items, and write the id of each to a log as soon as it is acknowledged."""
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for result in add(made(f"{prefix}/{number:05}" for number in range(20_000))):
        os.write(out, f"{result.id}\n".encode())


def fork(prefix: str, log: str) -> int:
    """Start a process that has everything imported already, and return its PID."""
    child = os.fork()
    if child == 0:
        add_until_killed(prefix, log)
        os._exit(0)
    return child


def become(user: str) -> str:
    """Go on as another user, who may not even read the code that a search needs."""
    found()
    refused()
    store.close()
    os.setgroups([])
    os.setgid(int(user))
    os.setuid(int(user))
    return "done"


def found() -> str:
    """Search `photos`; the ids, best first, or the reason why not."""
    try:
        query = ScoringQuery("grey", "euclidean", np.ones(4))
        ids = store.candidates("photos", query, depth=1000, filters=()).ids
        assert store.describe("photos").items == len(ids)
        return " ".join(ids)
    except PixkinError as error:
        return error.reason


def refused() -> str:
    """Remove an item that is not there; the reason why not."""
    try:
        return str(store.remove("photos", ["nothing"], deadline=time.monotonic() + 60))
    except PixkinError as error:
        return error.reason


COMMANDS = {
    "become": become,
    "found": found,
    "refused": refused,
    "add": lambda *names: len(list(add(made(names)))),
    "hold": lambda *names: list(add(slow(names))),
    "fork": fork,
    "wait": lambda child: os.waitstatus_to_exitcode(os.waitpid(int(child), 0)[1]),
}

for line in sys.stdin:
    command, *words = line.split()
    answer(COMMANDS[command](*words))
