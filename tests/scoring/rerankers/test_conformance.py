"""What holds for every reranker."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pixkin_scoring.rerankers import RERANKERS
from pixkin_scoring.rerankers.reranker import Order, Shortlist

from tests.scoring.collections_of_vectors import whitening
from tests.scoring.rerankers.shortlists import options_of, random_shortlist, shortlists

THREADS, SEARCHES = 8, 50
every_reranker = pytest.mark.parametrize("name", list(RERANKERS))


def applied(name: str, shortlist: Shortlist) -> Order:
    assert shortlist.raw is not None
    if RERANKERS[name].needs(options_of(name)):
        shortlist = replace(shortlist, attachment=whitening(shortlist.raw.descriptor))
    return RERANKERS[name].apply(shortlist, options_of(name))


def same(one: Order, other: Order) -> bool:
    return one.places.tobytes() == other.places.tobytes() and one.scores.tobytes() == other.scores.tobytes()


@every_reranker
@settings(deadline=None)  # numba may compile
@given(data=st.data())
def test_places_are_distinct_and_scores_finite_not_negative_and_descending(name: str, data: st.DataObject) -> None:
    shortlist = data.draw(shortlists())
    order = applied(name, shortlist)  # a shortlist is read-only
    assert 1 <= len(order.places) == len(set(order.places.tolist())) == len(order.scores)
    assert set(order.places.tolist()) <= set(range(len(shortlist.scores)))
    assert np.isfinite(order.scores).all()
    assert (order.scores >= 0).all()
    assert (np.diff(order.scores) <= 0).all()


@every_reranker
@pytest.mark.parametrize("count", [1, 2, 3, 100])
def test_what_is_equal_stays_in_its_order(name: str, count: int) -> None:
    shortlist = random_shortlist(count, count)
    order = applied(name, shortlist)
    places = {int(place): at for at, place in enumerate(order.places)}
    for place in range(1, count):
        copies = [at for at in range(place) if (shortlist.vectors[at] == shortlist.vectors[place]).all()]
        assert all(places[at] < places[place] for at in copies if {at, place} <= places.keys())


@every_reranker
def test_the_same_shortlist_gives_the_same_order_bit_for_bit(name: str) -> None:
    for seed in range(5):
        assert same(applied(name, random_shortlist(150, seed)), applied(name, random_shortlist(150, seed)))


@every_reranker
def test_many_threads_at_once_give_what_one_gives(name: str) -> None:
    shortlists = [random_shortlist(120, seed) for seed in range(5)]
    alone = [applied(name, each) for each in shortlists]

    def ask(thread: int) -> bool:
        turns = [(thread + turn) % len(alone) for turn in range(SEARCHES)]
        return all(same(applied(name, shortlists[at]), alone[at]) for at in turns)

    with ThreadPoolExecutor(THREADS) as pool:
        assert all(pool.map(ask, range(THREADS)))
