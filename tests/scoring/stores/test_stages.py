"""The same plan gives the same ranking in every store."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from pixkin_proto.errors import PixkinError
from pixkin_scoring.examples import QueryVector
from pixkin_scoring.plan import DescriptorChoice, Plan
from pixkin_scoring.results import SearchResult
from pixkin_scoring.search import SearchRequest, search, search_batch
from pixkin_scoring.stores import Store, open_store
from pixkin_server.opensearch_node.node import Node

from tests.scoring.collections_of_vectors import fill, items
from tests.scoring.plans import PLANS

pytestmark = pytest.mark.slow

NAME, COUNT = "stages", 300
THREADS, SEARCHES = 8, 50
ITEMS = items(COUNT)
QUERIES = {
    "id": [QueryVector(id="i0021")],
    "vector": [QueryVector(dict(ITEMS[5].vectors))],
    "several": [QueryVector(id="i0021"), QueryVector(dict(ITEMS[9].vectors)), QueryVector(id="i0002", weight=-0.4)],
}
ASKED = {
    "plain": {"size": 60},
    "filtered": {"size": 50, "filter": ("label=red", "label=blue", "number=..250")},
    "with itself": {"size": 40, "include_self": True},
    "a page": {"size": 9, "offset": 31},
    "whole": {"size": COUNT},
    "nothing": {"filter": ("label=none",)},
}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The collection in a directory."""
    with closing(open_store(str(tmp_path_factory.mktemp("stages") / "store"))) as store:
        fill(store, NAME, COUNT)
        yield store


@pytest.fixture(scope="module")
def there(opensearch: Node) -> Iterator[Store]:
    """The same collection in a cluster."""
    with closing(open_store(opensearch.url)) as store:
        if NAME in store.list():
            store.drop(NAME)
        fill(store, NAME, COUNT)
        yield store
        store.drop(NAME)


def alike(found: SearchResult, other: SearchResult) -> None:
    assert list(found.hits.ids) == list(other.hits.ids)
    np.testing.assert_allclose(found.hits.scores, other.hits.scores, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.hits.values, other.hits.values, rtol=1e-9, atol=1e-9)
    assert [hit.labels for hit in found.hits] == [hit.labels for hit in other.hits]
    assert found.plan == other.plan
    assert list(found.timings_ms) == list(other.timings_ms)


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("plan", PLANS.values(), ids=list(PLANS))
def test_ids_values_scores_labels_and_plan_are_the_same(here: Store, there: Store, plan: Plan, asked: str) -> None:
    if plan.candidates != "auto":
        asked = "plain" if asked == "whole" else asked
        plan = replace(plan, candidates="exact:depth=80")
    plan = replace(plan, **ASKED[asked])  # type: ignore[arg-type]  # fields by name
    for queries in QUERIES.values():
        alike(search(there, NAME, queries, plan), search(here, NAME, queries, plan))


def test_explanations_are_the_same(here: Store, there: Store) -> None:
    plan = Plan((DescriptorChoice("mass", "chi2"),), expand="average:n=3", explain=True, size=20)
    found, other = (search(store, NAME, QUERIES["several"], plan) for store in (there, here))
    assert found.explanations == other.explanations
    assert len(found.explanations) == 20


def test_a_batch_of_every_plan_is_every_search_alone_and_a_failed_one_costs_itself(here: Store, there: Store) -> None:
    plans = list(PLANS.values())
    bad = {
        3: SearchRequest("nowhere", QUERIES["id"], plans[0]),
        7: SearchRequest(NAME, QUERIES["id"], replace(plans[0], expand="average:n=301")),
        9: SearchRequest(NAME, [QueryVector(id="nobody")], replace(plans[0], rerank=("mmr",))),
        12: SearchRequest(NAME, QUERIES["id"], replace(plans[0], rerank=("whiten:name=none", "mmr"))),
    }
    requests = [SearchRequest(NAME, QUERIES["several"], plan) for plan in plans]
    for at, request in bad.items():
        requests.insert(at, request)
    reasons = {3: "UNKNOWN_COLLECTION", 7: "INVALID_PLAN", 9: "UNKNOWN_ITEM", 12: "INVALID_PLAN"}
    for store in (here, there):
        outcomes = search_batch(store, requests)
        assert {at: each.reason for at, each in enumerate(outcomes) if isinstance(each, PixkinError)} == reasons
        for request, outcome in zip(requests, outcomes, strict=True):
            if isinstance(outcome, SearchResult):
                alone = search(store, NAME, request.queries, request.plan)
                assert outcome.hits == alone.hits
                assert outcome.plan == alone.plan


def test_many_threads_that_search_a_cluster_at_once_find_what_one_finds(there: Store) -> None:
    plan = replace(PLANS["every reranker"], expand="average:n=4,shortlist=60")
    queries = [[QueryVector(id=f"i{number:04}")] for number in range(0, 50, 5)]
    alone = [search(there, NAME, query, plan).hits for query in queries]

    def ask(thread: int) -> int:
        turns = [(thread + turn) % len(queries) for turn in range(SEARCHES)]
        return sum(search(there, NAME, queries[at], plan).hits == alone[at] for at in turns)

    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(ask, range(THREADS))) == [SEARCHES] * THREADS
