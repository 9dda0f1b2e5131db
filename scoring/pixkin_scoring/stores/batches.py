"""How many items are made durable at a time."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from pixkin_scoring.items import AddResult, Item

MAX_BATCH_ITEMS = 256
MAX_BATCH_SECONDS = 1.0


def batches(items: Iterable[Item | AddResult | None]) -> Iterator[list[Item | AddResult]]:
    """Split items into batches of at most MAX_BATCH_ITEMS.

    A batch that is MAX_BATCH_SECONDS old ends as soon as the next item arrives, and any batch at a None.
    """
    batch: list[Item | AddResult] = []
    end = 0.0
    for item in items:
        now = time.monotonic()
        if batch and (item is None or now >= end):
            yield batch
            batch = []
        if item is None:
            continue
        if not batch:
            end = now + MAX_BATCH_SECONDS
        batch.append(item)
        if len(batch) == MAX_BATCH_ITEMS:
            yield batch
            batch = []
    if batch:
        yield batch
