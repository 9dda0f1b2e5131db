"""A node that is stopped and started while it is searched."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pytest
from pixkin_proto.errors import Deadline, Overloaded, PartialResult, PixkinError, StoreUnavailable
from pixkin_scoring.items import Candidates
from pixkin_scoring.query import CandidateSearch, ScoringQuery
from pixkin_scoring.stores import open_store
from pixkin_scoring.stores.opensearch.store import OpenSearchStore
from pixkin_server.opensearch_node.node import Node

from tests.scoring.stores.opensearch.conftest import HUES, items, soon

pytestmark = pytest.mark.slow

SECONDS, DOWN_AT = 30.0, 6.0
COUNT = 200
RECOVERED_WITHIN = 10.0
QUERY = ScoringQuery(HUES.name, "chi2", np.array([0.4, 0.3, 0.2, 0.1]))
HONEST = (StoreUnavailable, Deadline, PartialResult, Overloaded)
"""What a search may raise while the node is away."""
NAME = "restarts"


def plain(found: Candidates | PixkinError) -> object:
    if isinstance(found, PixkinError):
        raise found
    return found.ids, found.values.tolist()


CALLS: tuple[Callable[[OpenSearchStore], object], ...] = (
    lambda store: plain(store.candidates(NAME, QUERY, depth=COUNT, filters=(), deadline=soon(5))),
    lambda store: [plain(each) for each in store.candidates_batch([CandidateSearch(NAME, QUERY, 20)] * 3)],
    lambda store: [item.id for item in store.list_items(NAME, (), size=COUNT)],
    lambda store: (store.list(), store.generation(NAME), store.describe(NAME, deadline=soon(5)).items),
    lambda store: [ids for ids, _ in store.scan(NAME, HUES.name)],
    lambda store: sorted(store.get(NAME, [item.id for item in items(COUNT)])),
)


def search_for_a_while(url: str, seed: int, until: float) -> list[tuple[float, int, object]]:
    """Call one after the other; returns when each ended, which it was and what came of it."""
    events: list[tuple[float, int, object]] = []
    with closing(open_store(url)) as store:
        turn = seed
        while time.monotonic() < until:
            turn += 1
            place = turn % len(CALLS) if turn % 2 else 0
            try:
                found = CALLS[place](store)
            except PixkinError as error:
                found = error
            events.append((time.monotonic(), place, found))
    return events


def test_a_node_that_restarts_while_it_is_searched_gives_right_answers_or_errors_and_recovers(own_node: Node) -> None:
    with closing(open_store(own_node.url)) as store:
        store.create(NAME, [HUES])
        assert len(list(store.add(NAME, items(COUNT), deadline=soon()))) == COUNT
        expected = [call(store) for call in CALLS]
    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        searching = [pool.submit(search_for_a_while, own_node.url, seed, began + SECONDS) for seed in range(4)]
        time.sleep(DOWN_AT)
        own_node.stop()
        stopped = time.monotonic()
        time.sleep(1)
        own_node.start()
        started = time.monotonic()
        events = [event for each in searching for event in each.result(SECONDS + 90)]
    counts = Counter[str]()
    for at, place, found in events:
        if isinstance(found, PixkinError):
            assert isinstance(found, HONEST), found
            assert at < started + RECOVERED_WITHIN, found
        else:
            assert found == expected[place], place
        counts[type(found).__name__ if isinstance(found, PixkinError) else "before" if at < stopped else "after"] += 1
    assert counts["before"] > 0
    assert counts["StoreUnavailable"] > 0
    # On a machine where the start took all of the time, the next call answers at once.
    with closing(open_store(own_node.url)) as store:
        assert [call(store) for call in CALLS] == expected
