from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import Deadline
from pixkin_scoring.costs import HALVED_AFTER, SHARE, Costs
from pixkin_scoring.examples import QueryVector
from pixkin_scoring.items import Item
from pixkin_scoring.plan import Plan
from pixkin_scoring.rerankers import RERANKERS, register_reranker
from pixkin_scoring.rerankers.reranker import Order, Reranker, Shortlist, Values, by_score
from pixkin_scoring.rerankers.warming import warm_rerankers
from pixkin_scoring.search import search
from pixkin_scoring.stages import Option
from pixkin_scoring.stores import Store, open_store

SECONDS = 0.5


class Clock:
    """A clock that is set."""

    now = 100.0

    def __call__(self) -> float:
        """Return the time it is set to."""
        return self.now


def test_a_cost_is_a_moving_average_by_candidate() -> None:
    costs = Costs()
    assert costs.expected("slow", 100) == 0
    costs.learn("slow", 100, 50.0)
    assert costs.expected("slow", 200) == pytest.approx(100)
    costs.learn("slow", 100, 150.0)
    assert costs.expected("slow", 1) == pytest.approx((1 - SHARE) * 0.5 + SHARE * 1.5)


def test_the_cost_of_what_is_passed_over_halves_every_half_minute() -> None:
    clock = Clock()
    costs = Costs(clock)
    costs.learn("slow", 1, 80.0)
    for seconds, expected in ((HALVED_AFTER - 1, 80), (1, 40), (2 * HALVED_AFTER, 10)):
        clock.now += seconds
        costs.passed_over("slow")
        assert costs.expected("slow", 1) == pytest.approx(expected)
    costs.passed_over("unknown")
    assert costs.expected("unknown", 1) == 0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Three items on a line."""
    opened = open_store(str(tmp_path / "store"))
    opened.create("c", [Descriptor("at", 2, default_measure="euclidean")])
    items = [
        Item(name, vectors={"at": np.array([value, 1], np.float32)})
        for name, value in zip("abc", range(3), strict=True)
    ]
    assert all(added.error is None for added in opened.add("c", items, deadline=time.monotonic() + 9))
    yield opened
    opened.close()


@pytest.fixture
def slow() -> Iterator[str]:
    """A reranker that turns the order around and takes half a second."""

    def turn(shortlist: Shortlist, _options: Values) -> Order:
        time.sleep(SECONDS)
        return by_score(1 - shortlist.scores)

    register_reranker(Reranker("slow", {"top": Option(int, 10, 1, 10)}, turn))
    yield "slow"
    del RERANKERS["slow"]


def ask(store: Store, plan: Plan, seconds: float) -> tuple[list[str], tuple[str, ...]]:
    query = QueryVector(vectors={"at": np.array([0, 1], np.float32)})
    result = search(store, "c", [query], plan, deadline=time.monotonic() + seconds)
    return list(result.hits.ids), result.skipped


def test_a_stage_that_would_not_fit_is_skipped_and_named(store: Store, slow: str) -> None:
    plan = Plan(rerank=(slow,), fit_deadline=True)
    assert ask(store, plan, 5) == (["c", "b", "a"], ())  # and what it costs is known from now on
    assert ask(store, plan, SECONDS * 0.9) == (["a", "b", "c"], (slow,))


def test_without_fitting_a_search_that_is_late_ends_with_deadline(store: Store, slow: str) -> None:
    with pytest.raises(Deadline, match=slow):
        ask(store, Plan(rerank=(slow,)), 0.1)


def test_warming_up_learns_what_every_reranker_costs_that_needs_no_attachment(monkeypatch: pytest.MonkeyPatch) -> None:
    costs = Costs()
    monkeypatch.setattr("pixkin_scoring.rerankers.warming.COSTS", costs)
    warm_rerankers()
    known = {name for name in RERANKERS if costs.expected(name, 1) > 0}
    assert known == set(RERANKERS) - {"whiten"}
