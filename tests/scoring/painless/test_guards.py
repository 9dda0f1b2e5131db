"""One document must never fail a query, and a request never reach a text."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_proto.errors import PixkinError
from pixkin_scoring.measures import MEASURES, Better, values
from pixkin_scoring.painless import WORST, script_id
from pixkin_scoring.stores.opensearch.connection import Connection

from tests.scoring.painless.documents import FIELD, Document, Documents, base64_of, parameters

QUERY = np.random.default_rng(8).random(6).astype(np.float32)
DAMAGED: dict[str, Document] = {
    "no vector": None,
    "no bytes": b"",
    "a shorter vector": QUERY[:5],
    "a longer vector": np.ones(7),
    "a cut float": QUERY.tobytes()[:-1],
    "two vectors": [QUERY.tobytes(), (2 * QUERY).tobytes()],
    "no number": np.full(6, np.nan),
    "an infinite component": np.float32([1, 2, np.inf, 0, 0, 0]),
}
HARMLESS: dict[str, NDArray[Any]] = {
    "zero": np.zeros(6),
    "a negative component": np.float32([1, 2, -3, 0.5, 1, 1]),
    "a negative sum": -QUERY,
    "a sum of zero": np.float32([1, -1, 2, -2, 3, -3]),
    "the largest float32": np.full(6, np.finfo(np.float32).max),
}

every_measure = pytest.mark.parametrize("name", list(MEASURES))
both_modes = pytest.mark.parametrize("normalise", [True, False])


@pytest.fixture(scope="module")
def damaged(documents: Documents) -> Documents:
    """Documents that were damaged by hand, and a sound one at the end."""
    documents.add("damaged", [*DAMAGED.values(), *HARMLESS.values(), QUERY])
    return documents


@every_measure
@both_modes
def test_a_damaged_document_ranks_last_and_fails_nothing(damaged: Documents, name: str, *, normalise: bool) -> None:
    worst = WORST if MEASURES[name].better is Better.LOW else -WORST
    found = damaged.values(name, QUERY, "damaged", normalise=normalise)
    assert (found[: len(DAMAGED) - 1] == worst).all()
    assert np.isfinite(found).all()
    assert found[-1] == pytest.approx(values(name, QUERY, QUERY[None], normalise=normalise)[0], abs=1e-12)


@every_measure
@both_modes
def test_a_damaged_document_has_a_score_that_opensearch_takes(
    damaged: Documents, name: str, *, normalise: bool
) -> None:
    found = damaged.scores(name, QUERY, "damaged", normalise=normalise)
    assert (found[: len(DAMAGED) - 1] == 0).all()
    assert (found >= 0).all()
    assert np.isfinite(found).all()


def alone(documents: Documents, group: str, name: str, returns: str, query: NDArray[Any]) -> float:
    """The value or score of the one document of a group, as an operator's own request has it."""
    script = {"id": script_id(name, returns), "params": {"field": FIELD, "q": base64_of(query, "<f8")}}
    term = {"constant_score": {"filter": {"term": {"group": group}}}}
    body: dict[str, Any] = {"query": {"script_score": {"query": term, "script": script}}}
    if returns == "value":
        body = {"query": term, "sort": [{"_script": {"type": "number", "script": script}}]}
    found = documents.connection.ask("POST", f"/{documents.index}/_search", body=body, allow=(400,))
    if "error" in found:
        raise Refused(found["error"]["failed_shards"][0]["reason"]["caused_by"]["reason"])
    [hit] = found["hits"]["hits"]
    return float(hit["_score"] if returns == "score" else hit["sort"][0])


class Refused(Exception):
    """A request that failed, with the reason that the cluster gives at the end of its chain."""


@every_measure
@pytest.mark.parametrize("returns", ["value", "score"])
@pytest.mark.parametrize("length", [1, 5, 7, 12])
def test_a_query_of_another_length_than_the_vectors_is_refused_with_both_lengths(
    documents: Documents, name: str, returns: str, length: int
) -> None:
    documents.add("six", [QUERY])
    with pytest.raises(Refused, match=f"q has {length} components as float64, .* in vector has 24 bytes"):
        alone(documents, "six", name, returns, np.ones(length))


@pytest.mark.parametrize("damage", ["no bytes", "a shorter vector", "a longer vector", "a cut float"])
def test_a_vector_of_another_length_than_the_query_is_refused(documents: Documents, damage: str) -> None:
    documents.add(damage, [DAMAGED[damage]])
    with pytest.raises(Refused, match="q has 6 components"):
        alone(documents, damage, "chi2", "score", QUERY)


@every_measure
@pytest.mark.parametrize("returns", ["value", "score"])
def test_a_document_with_several_vectors_counts_as_its_best(documents: Documents, name: str, returns: str) -> None:
    three = [np.roll(QUERY, 2), QUERY, np.roll(QUERY, 4)]
    documents.add("three", [[each.tobytes() for each in three]])
    documents.add("best", [QUERY])
    assert alone(documents, "three", name, returns, QUERY) == alone(documents, "best", name, returns, QUERY)
    documents.add("other three", [[each.tobytes() for each in reversed(three)]])
    assert alone(documents, "other three", name, returns, QUERY) == alone(documents, "best", name, returns, QUERY)


def test_of_several_vectors_one_of_another_length_is_refused(documents: Documents) -> None:
    documents.add("mixed", [[QUERY.tobytes(), QUERY[:5].tobytes()]])
    with pytest.raises(Refused, match="has 20 bytes, which are 5 as float32"):
        alone(documents, "mixed", "cosine", "score", QUERY)


def test_a_document_without_a_vector_has_the_score_0(documents: Documents) -> None:
    documents.add("none", [None])
    assert alone(documents, "none", "chi2", "score", QUERY) == 0


@every_measure
@pytest.mark.parametrize("returns", ["value", "score"])
def test_an_index_without_the_field_fails_nothing(documents: Documents, name: str, returns: str) -> None:
    documents.add("fieldless", [QUERY, QUERY])
    script = {"id": script_id(name, returns), "params": {**parameters(QUERY, normalise=True), "field": "elsewhere"}}
    term = {"constant_score": {"filter": {"term": {"group": "fieldless"}}}}
    if returns == "score":
        hits = documents.search({"script_score": {"query": term, "script": script}})
        assert [hit["_score"] for hit in hits] == [0, 0]
    else:
        hits = documents.search(term, sort=[{"_script": {"type": "number", "script": script}}])
        assert [abs(hit["sort"][0]) for hit in hits] == [WORST, WORST]


@every_measure
def test_a_query_that_is_zero_or_no_number_fails_nothing(documents: Documents, name: str) -> None:
    documents.add("sound", [QUERY, 1 - QUERY])
    for query in (np.zeros(6), np.full(6, np.nan), np.full(6, 1e300)):
        assert np.isfinite(documents.values(name, query, "sound")).all()
        assert (documents.scores(name, query, "sound") >= 0).all()


@pytest.mark.parametrize("q", ["", "no base64!", "AAAA"])
def test_a_query_that_cannot_be_read_is_refused(documents: Documents, q: str) -> None:
    script = {"id": script_id("chi2", "score"), "params": {"field": FIELD, "q": q}}
    with pytest.raises(PixkinError):
        documents.search({"script_score": {"query": {"match_all": {}}, "script": script}})


def test_mass_measures_normalise_unless_told_otherwise(documents: Documents) -> None:
    documents.add("scaled", [3 * QUERY])
    params = {"field": FIELD, "q": base64_of(QUERY, "<f8")}
    script = {"id": script_id("chi2", "value"), "params": params}
    [hit] = documents.search({"term": {"group": "scaled"}}, sort=[{"_script": {"type": "number", "script": script}}])
    assert hit["sort"][0] == pytest.approx(0, abs=1e-12)


def test_threads_that_search_segments_at_the_same_time_share_no_query(registered: Connection) -> None:
    table = np.random.default_rng(1).random((1200, 32)).astype(np.float32)
    slices = {"search.concurrent_segment_search.mode": "all", "search.concurrent.max_slice_count": 2}
    many = Documents(registered, "segments", slices)
    for start in range(0, 1200, 200):
        many.add("all", [*table[start : start + 200]], start=start)

    def right(place: int) -> bool:
        found = many.values("kl", table[place], "all", normalise=True)
        return bool(np.abs(found - values("kl", table[place], table)).max() < 1e-12)

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(right, range(0, 1200, 30)))


def test_a_thousand_searches_compile_nothing(registered: Connection, documents: Documents) -> None:
    documents.add("counted", [QUERY])
    queries = np.random.default_rng(2).random((1000, 6))
    documents.values("chi2", queries[0], "counted")
    before = compilations(registered)
    for query in queries:
        documents.values("chi2", query, "counted", normalise=bool(query[0] < 0.5))
    assert compilations(registered) == before


def compilations(connection: Connection) -> list[int]:
    nodes = connection.ask("GET", "/_nodes/stats/script")["nodes"].values()
    return [node["script"]["compilations"] for node in nodes]
