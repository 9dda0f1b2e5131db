"""The items of a collection that came from a folder."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TypeVar

from pixkin_scoring.items import Item

from pixkin_server.api import Service
from pixkin_server.folders.pictures import inside, prefixed

T = TypeVar("T")
PAGE = 10_000


def items_from(service: Service, collection: str, after: str = "") -> Iterator[Item]:
    """Yield all items whose id sorts after a text, by id."""
    while page := service.list_items(collection, size=PAGE, after=after):
        yield from page
        after = page[-1].id


def items_below(service: Service, collection: str, root: str, prefix: str) -> Iterator[Item]:
    """Yield the items that a walk of this folder with this prefix has made."""
    start = prefixed("", prefix)
    for item in items_from(service, collection):
        if item.id.startswith(start) and item.source == inside(root) + item.id.removeprefix(start):
            yield item


def chunks(entries: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield entries in lists of at most `size`."""
    source = iter(entries)
    while chunk := list(itertools.islice(source, size)):
        yield chunk
