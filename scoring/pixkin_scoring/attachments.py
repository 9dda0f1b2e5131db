"""What is kept with a collection and used by its searches: read once for every state of the collection."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from pixkin_proto.errors import InvalidPlan

from pixkin_scoring.items import Collection
from pixkin_scoring.stores import Store

MOST = 16
"""Attachments that stay in memory; a whitening of 2,048 dimensions takes 32 MB."""

_kept: dict[tuple[str, str, str], tuple[str, int, Any]] = {}
_lock = threading.Lock()


def attachment(store: Store, collection: Collection, key: str, read: Callable[[bytes, str], Any]) -> Any:
    """Return an attachment as `read` (bytes, name) makes it. Raises InvalidPlan when the collection has none."""
    found = optional_attachment(store, collection, key, read)
    if found is None:
        kind, _, name = key.partition(":")
        raise InvalidPlan(
            f"collection {collection.name} has no {kind} '{name}'; attach it with: "
            f"pixkin {kind} attach {collection.name} FILE --as {name}"
        )
    return found


def optional_attachment(store: Store, collection: Collection, key: str, read: Callable[[bytes, str], Any]) -> Any:
    """Return an attachment as `read` makes it, None when there is none.

    It is read anew when the collection has been written to, since every write raises its generation, and when another
    collection has the name, which may have come to the same generation.
    """
    state = collection.incarnation, collection.generation
    place = (store.name, collection.name, key)
    with _lock:
        known = _kept.get(place)
    if known is not None and known[:2] == state:
        return known[2]
    stored = store.get_attachment(collection.name, key)
    found = None if stored is None else read(stored[0], key)
    with _lock:
        while len(_kept) >= MOST:
            del _kept[next(iter(_kept))]
        _kept[place] = *state, found
    return found
