"""Makes one write again and again, each time in a child that is killed a step later: `killed.py STEP WRITE STORE…`.

STEP is `statement` (of SQLite) or `request` (to a cluster); WRITE is an entry of WRITES. The n-th child works on the
n-th store, NAME or NAME#COLLECTION, until it comes to its n-th step; the first that comes to its end is the last.
Writes how many were killed.
"""

from __future__ import annotations

import itertools
import math
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pixkin_scoring.measures  # noqa: F401  # compiled once, before there are children
from pixkin_proto.whitening import Whitening
from pixkin_scoring.augmentation import Augmentation, augment
from pixkin_scoring.stores import Store, copying, open_store
from pixkin_scoring.stores.embedded import opening
from pixkin_scoring.stores.opensearch.connection import Connection
from pixkin_server.deriving import derive, remove_derived

WHITENING = Whitening(np.full(4, 0.1), np.eye(4)[:3], np.array([3.0, 2.0, 1.0]), "", "plain")
COLLECTION = "c"


def derived(store: Store, name: str) -> None:
    """Add the descriptor `white`."""
    derive(store, store.describe(name), "plain", WHITENING, "white", deadline=math.inf)


def augmented(store: Store, name: str) -> None:
    """Add the descriptor `near`, or bring it up to date with other settings."""
    k = 2 if "near" in {each.name for each in store.describe(name).descriptors} else 3
    augment(store, store.describe(name), "plain", "near", Augmentation(k=k), deadline=math.inf)


def removed(store: Store, name: str) -> None:
    """Remove the descriptor `white`."""
    remove_derived(store, store.describe(name), "white", deadline=math.inf)


def copied(store: Store, name: str) -> None:
    """Copy the collection to the same store, or go on with that."""
    copying.copy(store, store, name, new_name=f"{name}-copy", resume=True, deadline=math.inf)


WRITES: dict[str, Callable[[Store, str], None]] = {
    "derive": derived, "augment": augmented, "remove": removed, "copy": copied,
}  # fmt: skip


def killing(left: int) -> Callable[..., None]:
    """Return a function that kills this process when it is called for the n-th time."""
    calls = itertools.count(1)

    def step(*_: object) -> None:
        if next(calls) == left:
            os.kill(os.getpid(), signal.SIGKILL)

    return step


def watch_statements(step: Callable[..., None]) -> None:
    """Call `step` before every statement of a connection that writes."""
    connect = opening._connect

    def connected(*arguments: Any, writing: bool, **more: Any) -> sqlite3.Connection:
        connection = connect(*arguments, writing=writing, **more)
        if writing:
            connection.set_trace_callback(step)
        return connection

    opening._connect = connected


def watch_requests(step: Callable[..., None]) -> None:
    """Call `step` before every request that may change something."""
    send = Connection._send

    def sent(connection: Connection, method: str, path: str, *rest: Any) -> Any:
        if method in {"PUT", "DELETE"} or path.endswith(("_bulk", "_aliases")):
            step()
        return send(connection, method, path, *rest)

    Connection._send = sent  # type: ignore[method-assign]  # the fault that is provoked


def main(step: str, write: str, places: list[str]) -> int:
    """Return how many children were killed."""
    for number, place in enumerate(places, start=1):
        where, _, collection = place.partition("#")
        child = os.fork()
        if child == 0:
            {"statement": watch_statements, "request": watch_requests}[step](killing(number))
            WRITES[write](open_store(where), collection or COLLECTION)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status == 0:
            return number - 1
        if status != -signal.SIGKILL:
            raise SystemExit(f"child {number} ended with {status}")
    raise SystemExit("there are more steps than stores")


if __name__ == "__main__":
    sys.stdout.write(str(main(sys.argv[1], sys.argv[2], sys.argv[3:])))
