"""Measures of quality: by hand, by trec_eval, and what holds for all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st
from pixkin_proto.errors import InvalidArgument
from pixkin_scoring.evaluation.evaluating import Ranking, judged
from pixkin_scoring.evaluation.judgements import Judgement
from pixkin_scoring.evaluation.quality import QUALITIES, Ranked, interpolated_precision, parse_quality

OF_TREC_EVAL = {
    "AP": "map", "AP@5": "map_cut_5", "AP@100": "map_cut_100", "P@5": "P_5", "P@10": "P_10", "P@100": "P_100",
    "recall@10": "recall_10", "recall@100": "recall_100", "R-precision": "Rprec", "RR": "recip_rank", "nDCG": "ndcg",
    "nDCG@10": "ndcg_cut_10", "nDCG@100": "ndcg_cut_100", "11-point": "11pt_avg",
}  # fmt: skip
RUNS = 50


def ranked(marks: str, *, unfound: int = 0) -> Ranked:
    """A ranking by marks: + relevant, - wrong, j junk; unfound relevant items are beyond it."""
    ids = [f"{mark}{at}" for at, mark in enumerate(marks)]
    relevant = frozenset(item for item in ids if item[0] == "+") | {f"unfound {at}" for at in range(unfound)}
    return judged(ids, Judgement(relevant, frozenset(item for item in ids if item[0] == "j")))


def score(name: str, ranking: Ranked) -> float:
    return parse_quality(name)(ranking)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # Relevant at ranks 2, 3 and 5 without the junk, at 3, 4 and 6 with it; a fourth one is not found.
        ("AP", (1 / 2 + 2 / 3 + 3 / 5) / 4),
        ("AP@3", (1 / 2 + 2 / 3) / 4),
        ("AP_min@3", (1 / 2 + 2 / 3) / 3),
        ("AP_wrong", (1 / 3 + 2 / 4 + 3 / 6) / 4),
        ("AP_official", ((0 / 1 + 1 / 2) + (1 / 2 + 2 / 3) + (2 / 4 + 3 / 5)) / 2 / 4),
        ("AP_official_wrong", ((0 / 2 + 1 / 3) + (1 / 3 + 2 / 4) + (2 / 5 + 3 / 6)) / 2 / 4),
        # Levels 0 to 0.5 are reached with 2 of 4, 0.6 and 0.7 with 3, the others never.
        ("11-point", (6 * 2 / 3 + 2 * 3 / 5) / 11),
        ("P@3", 2 / 3),
        ("P@10", 3 / 10),
        ("P_revisited@3", 2 / 3),
        ("P_revisited@10", 3 / 5),
        ("recall@3", 2 / 4),
        ("R-precision", 2 / 4),
        ("RR", 1 / 2),
        ("nDCG@3", (1 / np.log2(3) + 1 / 2) / (1 + 1 / np.log2(3) + 1 / 2)),
        ("N-S", 2),
    ],
)
def test_each_measure_has_the_value_that_its_formula_gives_by_hand(name: str, expected: float) -> None:
    assert score(name, ranked("j-++-+", unfound=1)) == pytest.approx(expected, abs=1e-12)


def test_a_relevant_first_hit_gives_the_official_trapezoid_a_precision_of_1_before_it() -> None:
    assert score("AP_official", ranked("+--+")) == pytest.approx(((1 + 1) + (1 / 3 + 2 / 4)) / 2 / 2)


def test_a_grade_is_the_gain_of_ndcg_and_nothing_else() -> None:
    ranking = judged(["a", "b", "c"], Judgement(frozenset({"a", "c", "d"}), grades={"c": 3, "d": 2, "b": 0}))
    assert score("nDCG", ranking) == pytest.approx((1 + 3 / 2) / (3 + 2 / np.log2(3) + 1 / 2))
    assert score("AP", ranking) == pytest.approx((1 + 2 / 3) / 3)


@pytest.mark.parametrize("name", QUALITIES)
def test_every_measure_of_a_perfect_ranking_is_its_best_and_of_a_fruitless_one_0(name: str) -> None:
    full = name if QUALITIES[name].cut is not True else f"{name}@4"
    assert score(full, ranked("++++---")) == pytest.approx(4 if name == "N-S" else 1)
    assert score(full, ranked("-------", unfound=4)) == 0
    assert score(full, ranked("", unfound=4)) == 0


@pytest.mark.parametrize("name", QUALITIES)
@given(marks=st.text(alphabet="+-j", max_size=30), unfound=st.integers(0, 3), cutoff=st.integers(1, 40))
def test_every_measure_is_a_part_of_the_best(name: str, marks: str, unfound: int, cutoff: int) -> None:
    ranking = ranked(marks, unfound=unfound)
    if not ranking.total:
        return
    for full in ([] if QUALITIES[name].cut else [name]) + (
        [] if QUALITIES[name].cut is False else [f"{name}@{cutoff}"]
    ):
        assert 0 <= score(full, ranking) <= (4 if name == "N-S" else 1 + 1e-12)


@given(marks=st.text(alphabet="+-", max_size=40), unfound=st.integers(0, 5))
def test_interpolated_precision_is_the_highest_at_that_recall_or_beyond(marks: str, unfound: int) -> None:
    ranking = ranked(marks, unfound=unfound)
    if not ranking.total:
        return
    points = [(marks[:rank].count("+"), rank) for rank in range(1, len(marks) + 1)]
    expected = [
        max((found / rank for found, rank in points if found >= int(tenths / 10 * ranking.total + 0.9)), default=0.0)
        for tenths in range(11)
    ]
    assert interpolated_precision(ranking) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(RUNS))
def test_random_runs_with_grades_and_ties_have_the_figures_of_trec_eval(seed: int) -> None:
    draw = np.random.default_rng(seed)
    count = int(draw.integers(5, 400))
    ids = [f"d{at}" for at in range(count)]
    relevant = draw.choice(count, max(1, count // 4), replace=False)
    grades = {ids[at]: int(draw.integers(1, 4)) for at in relevant}
    wrong = {item: int(draw.integers(-1, 1)) for item in ids[::7] if item not in grades}
    values = np.round(draw.random(count), 2)  # many ties
    order = [ids[at] for at in np.lexsort((ids, -values)) if draw.random() < 0.9]
    ours = judged(order, Judgement(frozenset(grades), grades=grades | wrong))
    _equal_to_trec_eval(order, grades | wrong, ours)


def _equal_to_trec_eval(order: Sequence[str], qrels: dict[str, int], ours: Ranked) -> None:
    run = {item: -float(rank) for rank, item in enumerate(order, 1)}
    found = pytrec_eval.RelevanceEvaluator({"q": qrels}, set(pytrec_eval.supported_measures)).evaluate({"q": run})["q"]
    for name, theirs in OF_TREC_EVAL.items():
        assert score(name, ours) == pytest.approx(found[theirs], abs=1e-9), name


def test_ranks_beyond_the_end_of_a_ranking_count_as_wrong() -> None:
    ranking = judged(Ranking(["a"], np.zeros(1), 0).ids, Judgement(frozenset({"a", "b"})))
    assert (score("P@2", ranking), score("recall@2", ranking), score("AP", ranking)) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mAP", "choose from .*AP"),
        ("P", "P takes a whole number from 1 as its cutoff, as in @10"),
        ("P@0", "P takes a whole number"),
        ("P@ten", "P takes a whole number"),
        ("N-S@4", "N-S takes no cutoff"),
        ("AP@", "AP"),
    ],
)
def test_a_wrong_name_of_a_measure_says_what_is_allowed(name: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        parse_quality(name)
