"""Filling a version of a collection from another one, and merging its segments."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pixkin_proto.errors import StoreFormat

from pixkin_scoring.items import AddResult, Item
from pixkin_scoring.stores.batches import batches
from pixkin_scoring.stores.opensearch.answers import acknowledged, part, refresh
from pixkin_scoring.stores.opensearch.claims import soon
from pixkin_scoring.stores.opensearch.connection import Connection
from pixkin_scoring.stores.opensearch.faults import check_shards, of_answer
from pixkin_scoring.stores.opensearch.index import Index
from pixkin_scoring.stores.opensearch.mapping import served_settings
from pixkin_scoring.stores.opensearch.reading import get_items, list_items
from pixkin_scoring.stores.opensearch.statistics import counted
from pixkin_scoring.stores.opensearch.writing import add_batch

PAGE = 256
MERGE_PAUSE = 0.2


def quiet(done: int, items: int) -> None:
    """Tell nobody how far a re-index is."""
    del done, items


def copied(connection: Connection, old: Index, new: Index, told: Callable[[int, int], None]) -> int:
    """Copy every item with its vectors to another version; returns how many."""
    expected, _ = counted(connection, old)
    done = 0
    for batch in batches(_stored(connection, old)):
        for result in add_batch(connection, new, batch, deadline=soon()):
            if result.error is not None:
                raise result.error
        done += len(batch)
        told(done, expected)
    return done


def _stored(connection: Connection, index: Index) -> Iterator[Item | AddResult | None]:
    after = ""
    while page := list_items(connection, index, [], size=PAGE, after=after):
        ids = [item.id for item in page]
        yield from get_items(connection, index, ids, thumbnails=True, vectors=True).values()
        after = ids[-1]


def finish(connection: Connection, new: Index, items: int) -> None:
    """Give a version that is filled the settings of one that is searched. Raises StoreFormat when items are missing."""
    name = new.name
    set_settings(connection, name, served_settings(new.schema.layout))
    refresh(connection, name, soon())
    counted_again = connection.ask("GET", f"/{name}/_count", deadline=soon())
    check_shards(counted_again)
    count = part(counted_again, "count", int)
    if count != items:
        raise StoreFormat(f"{name} holds {count} items in place of {items}; the collection stays as it was: try again")


def merge(connection: Connection, index: Index) -> None:
    """Merge the segments of each shard into as many as threads scan it, and wait until that is done.

    A load leaves dozens of them, and each has a graph of neighbours of its own that every approximate search walks.
    """
    params = {"max_num_segments": index.schema.layout.slices, "wait_for_completion": False}
    task = part(connection.ask("POST", f"/{index.name}/_forcemerge", params=params, deadline=soon()), "task", str)
    while not part(done := connection.ask("GET", f"/_tasks/{task}", deadline=soon()), "completed", bool):
        time.sleep(MERGE_PAUSE)
    if "error" in done:
        raise of_answer(0, done)
    check_shards(part(done, "response", dict))


def set_settings(connection: Connection, name: str, settings: Mapping[str, Any]) -> None:
    """Change settings of an index."""
    acknowledged(connection.ask("PUT", f"/{name}/_settings", body={"index": settings}, deadline=soon()))
