"""Maximal marginal relevance and near-duplicates, against their definitions in loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixkin_scoring.rerankers.diversity import collapse, mmr
from pixkin_scoring.rerankers.reranker import Shortlist

from tests.scoring.rerankers.shortlists import POINTS, options_of, random_shortlist, shortlist_of, shortlists

SHARES = [0, 0.25, 0.5, 0.7, 1]


def worth(shortlist: Shortlist, item: int, chosen: list[int], share: float) -> float:
    """λ · score − (1 − λ) · likeness to what is nearest of the chosen."""
    rows = shortlist.vectors.astype(np.float64)
    most = float(shortlist.scores.max()) or 1.0
    nearest = max((float(rows[item] @ rows[other]) for other in chosen), default=0.0)
    return share * float(shortlist.scores[item]) / most - (1 - share) * max(nearest, 0.0)


def check(shortlist: Shortlist, share: float) -> None:
    order = mmr(shortlist, options_of("mmr", **{"lambda": share}))
    places = order.places.tolist()
    assert sorted(places) == list(range(len(shortlist.scores)))
    for at, place in enumerate(places):
        others = [worth(shortlist, item, places[:at], share) for item in places[at:]]
        mine = worth(shortlist, place, places[:at], share)
        assert mine >= max(others) - 1e-6
        assert order.scores[at] == pytest.approx(max(mine + 1 - share, 0), abs=1e-6)


@given(shortlists(), st.sampled_from(SHARES))
def test_what_is_chosen_next_is_worth_most_beside_the_chosen(shortlist: Shortlist, share: float) -> None:
    check(shortlist, share)


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("count", [1, 2, 70])
def test_the_same_of_random_shortlists(count: int, share: float) -> None:
    check(random_shortlist(count, count), share)


def test_relevance_alone_keeps_the_order_and_copies_move_back() -> None:
    shortlist = shortlist_of(POINTS[0], POINTS[[0, 0, 0, 5, 9]])
    assert mmr(shortlist, options_of("mmr", **{"lambda": 1})).places.tolist() == [0, 1, 2, 3, 4]
    assert sorted(mmr(shortlist, options_of("mmr", **{"lambda": 0.3})).places.tolist()[-2:]) == [1, 2]


@given(shortlists(), st.sampled_from([0, 0.25, 0.5, 0.99, 1]))
def test_collapsing_keeps_the_best_of_every_near_duplicate(shortlist: Shortlist, above: float) -> None:
    rows = shortlist.vectors.astype(np.float64)
    kept: list[int] = []
    for place in range(len(rows)):
        if all(float(rows[place] @ rows[other]) < above for other in kept):
            kept.append(place)
    order = collapse(shortlist, options_of("collapse", above=above))
    assert order.places.tolist() == kept
    assert order.scores.tolist() == shortlist.scores[kept].tolist()


def test_zero_vectors_are_no_duplicates_of_each_other_and_the_best_always_stays() -> None:
    shortlist = shortlist_of(POINTS[0], np.concatenate([POINTS[[0, 0]], np.zeros((2, 6), np.float32)]))
    assert collapse(shortlist, options_of("collapse")).places.tolist() == [0, 2, 3]
