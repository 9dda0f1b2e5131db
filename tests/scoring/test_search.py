from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import Deadline, InvalidArgument, InvalidPlan, PixkinError, UnknownItem, ZeroVector
from pixkin_scoring.examples import QueryVector, query_vector
from pixkin_scoring.items import Item
from pixkin_scoring.plan import DescriptorChoice, Plan
from pixkin_scoring.rerankers import RERANKERS, register_reranker
from pixkin_scoring.rerankers.reranker import Order, Reranker, Shortlist, Values, by_score
from pixkin_scoring.search import SearchRequest, Stopwatch, search, search_batch
from pixkin_scoring.stages import Option
from pixkin_scoring.stores import Store, open_store

ANY = Descriptor("any", 3)
MASS = Descriptor("mass", 3, non_negative=True, default_measure="intersection")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store with one collection of 20 items whose labels are their halves."""
    store = open_store(str(tmp_path / "store"))
    store.create("c", [ANY, MASS])
    draw = np.random.default_rng(3)
    items = [
        Item(
            f"i{number:02}",
            {"any": draw.normal(size=3).astype(np.float32), "mass": draw.random(3).astype(np.float32)},
            labels=frozenset({"low" if number < 10 else "high"}),
        )
        for number in range(20)
    ]
    assert {result.state for result in store.add("c", items, deadline=math.inf)} == {"added"}
    yield store
    store.close()


def _plan(name: str, measure: str = "", **parts: object) -> Plan:
    return Plan(descriptors=(DescriptorChoice(name, measure),), **parts)  # type: ignore[arg-type]  # fields by name


def test_scores_fall_and_ranks_rise(store: Store) -> None:
    result = search(store, "c", [QueryVector(id="i03")], _plan("any", "euclidean", size=19))
    scores = [hit.score for hit in result.hits]
    assert scores == sorted(scores, reverse=True)
    assert [hit.rank for hit in result.hits] == list(range(1, 20))
    assert all(hit.labels in {("low",), ("high",)} for hit in result.hits)


def test_a_single_query_is_searched_with_as_it_is(store: Store) -> None:
    vector = np.array([3, -4, 5], np.float32)
    found = query_vector(store, "c", [QueryVector({"any": vector}, weight=7)], ANY, "euclidean")
    assert found.tolist() == [3, -4, 5]


def test_several_queries_are_the_weighted_mean_of_their_normalised_vectors(store: Store) -> None:
    a, b = np.array([3, 0, 0], np.float32), np.array([0, 0, 8], np.float32)
    queries = [QueryVector({"any": a, "mass": a}, weight=1), QueryVector({"any": b, "mass": b}, weight=-0.5)]
    assert query_vector(store, "c", queries, ANY, "cosine") == pytest.approx(np.array([1, 0, -0.5]) / 1.5)
    assert query_vector(store, "c", queries, MASS, "chi2") == pytest.approx(np.array([1, 0, 0]) / 1.5)


def test_queries_that_cancel_each_other_are_a_zero_vector(store: Store) -> None:
    with pytest.raises(ZeroVector):
        query_vector(store, "c", [QueryVector(id="i00"), QueryVector(id="i00", weight=-1)], ANY, "cosine")


@pytest.mark.parametrize("weights", [[0.0], [math.nan], [math.inf], [0.0, 0.0]])
def test_weights_without_sense_are_refused(store: Store, weights: list[float]) -> None:
    with pytest.raises(InvalidArgument, match="weights"):
        search(store, "c", [QueryVector(id="i00", weight=weight) for weight in weights], _plan("any"))


def test_no_query_is_refused(store: Store) -> None:
    with pytest.raises(InvalidArgument, match="needs a query"):
        search(store, "c", [], _plan("any"))


def test_an_unknown_id_is_refused(store: Store) -> None:
    with pytest.raises(UnknownItem, match="i99"):
        search(store, "c", [QueryVector(id="i99")], _plan("any"))


def test_a_query_without_a_vector_for_the_descriptor_is_refused(store: Store) -> None:
    with pytest.raises(InvalidArgument, match="no vector for mass"):
        search(store, "c", [QueryVector({"any": np.ones(3, np.float32)})], _plan("mass"))


def test_an_empty_collection_has_no_hits(store: Store) -> None:
    store.create("empty", [ANY])
    assert search(store, "empty", [QueryVector({"any": np.ones(3, np.float32)})], Plan()).hits == ()


def test_a_passed_deadline_names_the_stage(store: Store) -> None:
    with pytest.raises(Deadline, match="query"):
        search(store, "c", [QueryVector(id="i00")], _plan("any"), deadline=time.monotonic() - 1)


def test_the_stopwatch_keeps_the_order_of_stages() -> None:
    times = iter([0.0, 0.5, 0.75])
    watch = Stopwatch(clock=lambda: next(times))
    watch.lap("first")
    watch.lap("second")
    assert watch.timings_ms == {"first": 500.0, "second": 250.0}


STAGED = Plan(descriptors=(DescriptorChoice("any", "cosine"), DescriptorChoice("mass", "chi2")))
NO_MORE = Plan(descriptors=STAGED.descriptors[:1])


def test_the_milliseconds_are_told_of_every_stage_in_the_order_in_which_they_ran(store: Store) -> None:
    plan = replace(STAGED, expand="average:n=2", fuse="rrf", rerank=("k-reciprocal:k1=3,k2=2", "diffusion", "mmr"))
    timings = search(store, "c", [QueryVector(id="i03")], plan).timings_ms
    stages = ["query", "candidates", "expand", "fuse", "k-reciprocal", "diffusion", "mmr", "page"]
    assert list(timings) == stages
    assert all(ms >= 0 for ms in timings.values())
    assert list(search(store, "c", [QueryVector(id="i03")], NO_MORE).timings_ms) == ["query", "candidates", "page"]
    expanded = replace(NO_MORE, expand="alpha:n=3,shortlist=10")
    assert list(search(store, "c", [QueryVector(id="i03")], expanded).timings_ms) == [*stages[:3], "page"]


def test_a_search_that_fails_in_any_stage_leaves_the_others_of_its_batch_whole(store: Store) -> None:
    plans = [
        replace(STAGED, expand="average:n=2", rerank=("mmr",)),
        replace(NO_MORE, expand="average:n=21"),
        replace(NO_MORE, rerank=("failing",)),
        replace(NO_MORE, rerank=("diffusion", "collapse")),
        NO_MORE,
    ]
    with registered("failing", fail):
        outcomes = search_batch(store, [SearchRequest("c", [QueryVector(id="i03")], plan) for plan in plans])
    assert [getattr(each, "reason", "") for each in outcomes] == ["", "INVALID_PLAN", "INVALID_ARGUMENT", "", ""]
    for plan, outcome in zip(plans, outcomes, strict=True):
        if not isinstance(outcome, PixkinError):
            assert outcome.hits == search(store, "c", [QueryVector(id="i03")], plan).hits


@contextmanager
def registered(name: str, apply: Callable[[Shortlist, Values], Order]) -> Iterator[None]:
    """Add a reranker as a user does, for the length of a block."""
    register_reranker(Reranker(name, {"top": Option(int, 100, 1, 1000)}, apply))
    try:
        yield
    finally:
        del RERANKERS[name]


def fail(_shortlist: Shortlist, _options: Values) -> Order:
    raise InvalidArgument("this stage never works")


def test_a_reranker_of_the_users_own_is_a_stage_like_any_other(store: Store) -> None:
    def reversed_order(shortlist: Shortlist, _options: Values) -> Order:
        return by_score(1 - shortlist.scores)

    before = search(store, "c", [QueryVector(id="i03")], replace(NO_MORE, size=19)).hits.ids
    with registered("backwards", reversed_order):
        result = search(store, "c", [QueryVector(id="i03")], replace(NO_MORE, rerank=("backwards:top=5",), size=19))
    assert list(result.hits.ids) == [*list(before[:5])[::-1], *before[5:]]
    assert result.plan.rerank == ("backwards:top=5",)
    assert "backwards" in result.timings_ms
    with pytest.raises(InvalidPlan, match="no reranker 'backwards'"):
        search(store, "c", [QueryVector(id="i03")], replace(NO_MORE, rerank=("backwards",)))


def test_a_deadline_that_passes_in_a_slow_stage_ends_the_search_there(store: Store) -> None:
    ran: list[str] = []

    def slow(shortlist: Shortlist, _options: Values) -> Order:
        ran.append("slow")
        time.sleep(0.2)
        return by_score(shortlist.scores)

    plan = replace(NO_MORE, rerank=("slow",) * 10)
    with registered("slow", slow):
        began = time.monotonic()
        with pytest.raises(Deadline, match="slow"):
            search(store, "c", [QueryVector(id="i03")], plan, deadline=began + 0.3)
    assert len(ran) in {1, 2}
