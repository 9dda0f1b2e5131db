"""How far the work on an addition's pictures runs ahead of the store."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from pixkin_embedding.batching import Batcher
from pixkin_embedding.limits import REQUEST_LIMITS
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import InvalidImage
from pixkin_scoring.items import AddResult, Collection, Item
from pixkin_server.api import NewItem
from pixkin_server.indexing import WINDOW, encoded

COLLECTION = Collection("vectors", (Descriptor("plain", 2),))
MIB = 2**20


def ahead(items: list[NewItem]) -> int:
    """Return how many items are taken while the first of them is still worked on."""
    taken, go_on, batcher = 0, threading.Event(), Batcher()

    def source() -> Iterator[NewItem]:
        nonlocal taken
        for item in items:
            taken += 1
            yield item

    with ThreadPoolExecutor(1) as pool, ThreadPoolExecutor(1) as reader:
        pool.submit(go_on.wait, 20)
        found = encoded(
            source(), COLLECTION, [], root="", limits=REQUEST_LIMITS, batcher=batcher, pool=pool
        )  # fmt: skip
        reading = reader.submit(list, found)
        time.sleep(0.3)
        stopped_at = taken
        go_on.set()
        assert len(reading.result(20)) == len(items)
    batcher.close()
    return stopped_at


@pytest.mark.parametrize(("size", "most"), [(16 * MIB, 5), (5 * MIB, 13), (1000, WINDOW + 1)])
def test_pictures_that_wait_are_bounded_in_number_and_in_bytes(size: int, most: int) -> None:
    assert ahead([NewItem(f"{number}", image=bytes(size)) for number in range(WINDOW * 2)]) == most


def test_a_picture_larger_than_the_window_is_still_let_through() -> None:
    assert ahead([NewItem(f"{number}", image=bytes(70 * MIB)) for number in range(4)]) == 2


def test_refusals_and_pauses_keep_their_places() -> None:
    row = np.ones(2, np.float32)
    refused = AddResult("b", "refused", InvalidImage("empty", "nothing"))
    items: list[NewItem | AddResult | None] = [
        NewItem("a", vectors={"": row}),
        refused,
        None,
        NewItem("c", vectors={"": row}),
        NewItem("d", b""),
    ]
    batcher = Batcher()
    with ThreadPoolExecutor(2) as pool:
        found = list(
            encoded(items, COLLECTION, [], root="", limits=REQUEST_LIMITS, batcher=batcher, pool=pool)
        )  # fmt: skip
    batcher.close()
    assert found[1] is refused
    assert found[2] is None
    assert [each.id for each in found if isinstance(each, Item)] == ["a", "c"]
    last = found[-1]
    assert isinstance(last, AddResult)
    assert last.state == "refused"
