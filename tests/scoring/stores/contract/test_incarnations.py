"""Every store: a collection that was dropped and made again is another one, also for who has searched the first."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.whitening import Whitening, whitening_key, whitening_to_bytes
from pixkin_scoring.examples import QueryVector
from pixkin_scoring.items import Item
from pixkin_scoring.neighbour_graph import keep_graph
from pixkin_scoring.plan import Plan
from pixkin_scoring.results import SearchResult
from pixkin_scoring.search import search
from pixkin_scoring.stores import Store

PLAIN = Descriptor("plain", 3)
ROWS = np.random.default_rng(3).normal(size=(12, 3)).astype(np.float32)
OTHERS = ROWS * np.array([1, -2, 3], np.float32)
QUERY = [QueryVector(vectors={"plain": np.array([1, 2, 3], np.float32)})]


def make(store: Store, name: str, rows: NDArray[np.float32], variances: tuple[float, ...]) -> None:
    """Make a collection with a whitening and a graph; as many writes every time."""
    store.create(name, [PLAIN])
    items = [Item(f"i{number:02}", {"plain": row}) for number, row in enumerate(rows)]
    assert all(each.error is None for each in store.add(name, items, deadline=math.inf))
    whitening = Whitening(np.zeros(3), np.eye(3), np.array(variances), "", "plain")
    store.put_attachment(name, whitening_key("w"), whitening_to_bytes(whitening), deadline=math.inf)
    keep_graph(store, name, PLAIN, "cosine", 3, deadline=math.inf)


def found(result: SearchResult) -> dict[str, float]:
    return dict(zip(result.hits.ids, result.hits.scores.round(6).tolist(), strict=True))


@pytest.mark.parametrize("rerank", ["whiten:name=w", "diffusion:graph=kept,k=3,stale=use"])
def test_a_collection_made_again_is_searched_with_its_own_attachments(store: Store, rerank: str) -> None:
    plan = Plan(rerank=(rerank,))
    make(store, "again", ROWS, (9.0, 4.0, 1.0))
    before, first = found(search(store, "again", QUERY, plan)), store.describe("again")
    store.drop("again")
    make(store, "again", OTHERS, (1.0, 1.0, 0.01))
    make(store, "fresh", OTHERS, (1.0, 1.0, 0.01))
    second = store.describe("again")
    assert (second.generation, second.vector_generation) == (first.generation, first.vector_generation)
    assert second.incarnation != first.incarnation
    expected = found(search(store, "fresh", QUERY, plan))
    assert found(search(store, "again", QUERY, plan)) == expected != before


def test_an_incarnation_is_the_same_for_all_who_look_and_after_every_write(store: Store) -> None:
    before = store.describe("photos").incarnation
    store.put_attachment("photos", "graph", b"one", deadline=math.inf)
    assert store.describe("photos").incarnation == before != ""
