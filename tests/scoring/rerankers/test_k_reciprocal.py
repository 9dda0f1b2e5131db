"""k-reciprocal re-ranking against the paper's definitions, in sets of plain Python."""

from __future__ import annotations

import math
from operator import mul

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pixkin_scoring.rerankers.k_reciprocal import k_reciprocal
from pixkin_scoring.rerankers.reranker import Shortlist

from tests.scoring.rerankers.shortlists import POINTS, options_of, random_shortlist, shortlist_of, shortlists

Memberships = list[dict[int, float]]


class Paper:
    """Sections 3.2 to 3.4 of Zhong et al. for the query, point 0, and its candidates."""

    def __init__(self, shortlist: Shortlist, k1: int, k2: int) -> None:
        points = [shortlist.query, *shortlist.vectors]
        self.all = range(len(points))
        rows = [[float(x) for x in point] for point in points]
        self.d = [
            [0.0 if p == g else max(2 - 2 * sum(map(mul, rows[p], rows[g])), 0) for g in self.all] for p in self.all
        ]
        self.ranked = [sorted(self.all, key=lambda g: (g != p, self.d[p][g], g)) for p in self.all]
        self.k1, self.k2 = min(k1, len(points) - 1), k2

    def nearest(self, p: int, k: int) -> set[int]:
        """N(p, k), and p itself."""
        return set(self.ranked[p][: k + 1])

    def reciprocal(self, p: int, k: int) -> set[int]:
        """R(p, k)."""
        return {g for g in self.nearest(p, k) if p in self.nearest(g, k)}

    def star(self, p: int) -> set[int]:
        """R*(p, k1)."""
        found = self.reciprocal(p, self.k1)
        half = [self.reciprocal(c, math.ceil(self.k1 / 2)) for c in found]
        return found.union(*(each for each in half if 3 * len(each & found) >= 2 * len(each)))

    def memberships(self) -> Memberships:
        """V of every point, averaged over its k2 nearest (local query expansion)."""
        bare: Memberships = []
        for p in self.all:
            weights = {g: math.exp(-self.d[p][g]) for g in self.star(p)}
            bare.append({g: weight / sum(weights.values()) for g, weight in weights.items()})
        near = [self.ranked[p][: self.k2] for p in self.all]
        return [{g: sum(bare[n].get(g, 0) for n in each) / len(each) for g in self.all} for each in near]

    def distances(self, blend: float) -> list[float]:
        """(1 − λ) d_J + λ d of every candidate, d in shares of its largest."""
        v, most = self.memberships(), max(self.d[0])
        jaccard = [
            1 - sum(min(v[0][g], v[c][g]) for g in self.all) / sum(max(v[0][g], v[c][g]) for g in self.all)
            for c in self.all
        ]
        return [(1 - blend) * jaccard[c] + blend * (self.d[0][c] / most if most else 0) for c in self.all[1:]]


def check(shortlist: Shortlist, k1: int, k2: int, blend: float) -> None:
    expected = 1 - np.array(Paper(shortlist, k1, k2).distances(blend))
    order = k_reciprocal(shortlist, options_of("k-reciprocal", k1=k1, k2=k2, **{"lambda": blend}))
    assert sorted(order.places) == list(range(len(expected)))
    np.testing.assert_allclose(order.scores, np.maximum(expected[order.places], 0), rtol=0, atol=2e-6)
    assert (np.diff(expected[order.places]) <= 2e-6).all()


@settings(deadline=None)  # numba may compile
@given(shortlists(), st.integers(1, 15), st.integers(1, 15), st.sampled_from([0, 0.25, 0.5, 1]))
def test_it_is_the_paper_on_any_shortlist(shortlist: Shortlist, k1: int, k2: int, blend: float) -> None:
    check(shortlist, k1, k2, blend)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("count", "k1", "k2"), [(2, 1, 1), (2, 2, 2), (60, 20, 6), (60, 60, 60), (61, 7, 1)])
def test_it_is_the_paper_on_random_shortlists(count: int, k1: int, k2: int, seed: int) -> None:
    check(random_shortlist(count, seed), k1, k2, 0.3)


def test_only_the_original_distance_counts_at_lambda_1_and_equal_candidates_keep_their_order() -> None:
    shortlist = shortlist_of(POINTS[0], POINTS[[0, 0, 5, 5, 9]])
    order = k_reciprocal(shortlist, options_of("k-reciprocal", k1=2, **{"lambda": 1}))
    assert order.places.tolist() == [0, 1, 2, 3, 4]
    assert order.scores[0] == order.scores[1] == 1
    assert order.scores[-1] == 0


def test_a_candidate_that_shares_the_neighbourhood_of_the_query_passes_one_that_is_nearer() -> None:
    turns = np.radians([0, 8, 10, 12, -7, -20, -21, -22])
    circle = np.stack([np.cos(turns), np.sin(turns)], axis=1).astype(np.float32)
    shortlist = shortlist_of(circle[0], circle[1:])
    order = k_reciprocal(shortlist, options_of("k-reciprocal", k1=3, k2=1, **{"lambda": 0.1}))
    before = [round(math.degrees(math.atan2(y, x))) for x, y in shortlist.vectors]
    assert before[:2] == [-7, 8]
    assert before[order.places[0]] == 8
