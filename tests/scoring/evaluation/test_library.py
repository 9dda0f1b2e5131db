"""Measures of trec_eval by the names of ir-measures, against trec_eval itself."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import pytrec_eval
from pixkin_proto.errors import InvalidArgument, MissingExtra
from pixkin_scoring.evaluation.evaluating import judged
from pixkin_scoring.evaluation.judgements import Judgement
from pixkin_scoring.evaluation.library import parse_measure
from pixkin_scoring.evaluation.quality import QUALITIES

OF_TREC_EVAL = {
    "Success@1": "success_1", "Success@10": "success_10", "IPrec@0.3": "iprec_at_recall_0.30",
    "IPrec@1.0": "iprec_at_recall_1.00", "Rprec": "Rprec", "R@20": "recall_20", "SetP": "set_P", "SetR": "set_recall",
    "SetAP": "set_map",
}  # fmt: skip
OF_LEVEL_2 = {"AP(rel=2)": "map", "P(rel=2)@5": "P_5", "RR(rel=2)": "recip_rank", "Rprec(rel=2)": "Rprec"}


def ranking(seed: int) -> tuple[list[str], dict[str, int]]:
    """A ranking that lacks some items, and grades of 1 to 3 for some of them and of what it lacks."""
    draw = np.random.default_rng(seed)
    ids = [f"d{at}" for at in range(int(draw.integers(5, 200)))]
    grades = {item: int(draw.integers(1, 4)) for item in ids if draw.random() < 0.3} | {ids[0]: 3}
    return [item for item in draw.permutation(ids).tolist() if draw.random() < 0.8], grades


def of_trec_eval(name: str, order: list[str], grades: dict[str, int], *, level: int = 1) -> float:
    run = {item: -float(rank) for rank, item in enumerate(order, 1)}
    family, _, at = name.rpartition("_")
    asked = f"{family}.{at}" if at[:1].isdecimal() else name
    found = pytrec_eval.RelevanceEvaluator({"q": grades}, {asked}, relevance_level=level).evaluate({"q": run})["q"]
    return float(found[name])


@pytest.mark.parametrize("name", OF_TREC_EVAL)
@pytest.mark.parametrize("seed", range(10))
def test_a_measure_of_the_library_has_the_value_of_trec_eval(name: str, seed: int) -> None:
    order, grades = ranking(seed)
    ours = parse_measure(name)(judged(order, Judgement(frozenset(grades), grades=grades)))
    assert ours == pytest.approx(of_trec_eval(OF_TREC_EVAL[name], order, grades), abs=1e-9)


@pytest.mark.parametrize("name", OF_LEVEL_2)
@pytest.mark.parametrize("seed", range(10))
def test_a_level_of_relevance_counts_the_grades_from_there_on(name: str, seed: int) -> None:
    order, grades = ranking(seed)
    ours = parse_measure(name)(judged(order, Judgement(frozenset(grades), grades=grades)))
    assert ours == pytest.approx(of_trec_eval(OF_LEVEL_2[name], order, grades, level=2), abs=1e-9)


def test_bpref_counts_the_wrong_answers_that_were_judged_and_no_others() -> None:
    # Of 2 relevant items the first comes before all judged wrong ones, the second behind one of two: (1 + 1/2) / 2.
    judgement = Judgement(frozenset({"a", "b"}), grades={"wrong": 0, "late": 0})
    assert parse_measure("Bpref")(judged(["new", "a", "wrong", "b", "late"], judgement)) == pytest.approx(0.75)


@pytest.mark.parametrize("name", ["Fame@5", "NumRel", "ERR@10", "Success", "P(rel=2)", "1+1", "", "__import__('os')"])
def test_an_unknown_measure_is_refused_with_those_that_there_are(name: str) -> None:
    with pytest.raises(InvalidArgument, match=r"there is no measure of quality .*AP_official.*ir-measures"):
        parse_measure(name)


@pytest.mark.parametrize("name", ["AP(nope=1)", "nDCG(dcg='exp-log2')@10"])
def test_a_parameter_that_trec_eval_does_not_have_is_refused_and_not_passed_over(name: str) -> None:
    with pytest.raises(InvalidArgument, match="there is no measure of quality"):
        parse_measure(name)


def test_without_the_library_our_own_measures_stay_and_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ir_measures", None)
    for name, quality in QUALITIES.items():
        assert parse_measure(f"{name}@3" if quality.cut else name)
    with pytest.raises(MissingExtra, match=r"measure Success@10.*pip install 'pixkin\[eval\]'"):
        parse_measure("Success@10")
