"""What travels when candidates are asked for with their vectors."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from pixkin_scoring.query import CandidateSearch, ScoringQuery
from pixkin_scoring.stores.opensearch.mapping import MAX_RESULT_WINDOW, vector_field
from pixkin_scoring.stores.opensearch.searching import _pages
from pixkin_scoring.stores.opensearch.store import OpenSearchStore

from tests.scoring.stores.opensearch.conftest import HUES, Maker
from tests.scoring.stores.opensearch.fault_proxy import FaultProxy

QUERY = ScoringQuery(HUES.name, "chi2", np.array([0.4, 0.3, 0.2, 0.1]))
FIELD = vector_field(HUES.name)


def asked(proxy: FaultProxy) -> list[dict[str, Any]]:
    """Return the bodies of the searches that passed the proxy."""
    return [
        json.loads(request.body) for request in proxy.requests if request.path.partition("?")[0].endswith("_search")
    ]


@pytest.mark.parametrize(
    ("depth", "vectors", "pages"), [(50, 0, [(50, False)]), (50, 50, [(50, True)]), (50, 20, [(20, True), (30, False)])]
)
def test_no_more_vectors_travel_than_are_needed(
    proxy: FaultProxy,
    through: OpenSearchStore,
    make: Maker,
    depth: int,
    vectors: int,
    pages: list[tuple[int, bool]],
) -> None:
    name = make(60)
    proxy.reset()
    found = through.candidates(name, QUERY, depth=depth, filters=(), vectors=vectors)
    assert len(found.ids) == depth
    assert [(body["size"], FIELD in body["docvalue_fields"]) for body in asked(proxy)] == pages


def test_a_batch_is_one_request_with_vectors_and_without(
    proxy: FaultProxy, through: OpenSearchStore, make: Maker
) -> None:
    name = make(60)
    proxy.reset()
    searches = [CandidateSearch(name, QUERY, 20, vectors=vectors) for vectors in (0, 20, 30)]
    outcomes = through.candidates_batch(searches)
    [request] = [request for request in proxy.requests if "_msearch" in request.path]
    bodies = [json.loads(line) for line in request.body.splitlines()[1::2]]
    assert [FIELD in body["docvalue_fields"] for body in bodies] == [False, True, True]
    assert len(outcomes) == 3


@pytest.mark.parametrize("depth", [1, 99, MAX_RESULT_WINDOW, MAX_RESULT_WINDOW + 1, 2 * MAX_RESULT_WINDOW])
@pytest.mark.parametrize("vectors", [0, 1, 99, 10_000])
def test_pages_are_the_depth_and_none_is_larger_than_a_cluster_gives(depth: int, vectors: int) -> None:
    pages = _pages(CandidateSearch("c", QUERY, depth, vectors=vectors))
    assert sum(pages) == max(depth, vectors)
    assert all(0 < page <= MAX_RESULT_WINDOW for page in pages)
    assert pages[0] == vectors or not 0 < vectors < depth
