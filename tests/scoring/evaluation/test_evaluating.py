"""Rankings rated by a ground truth: setups, removals, ties, curves, classes and what is left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pytest
from pixkin_proto.errors import InvalidArgument
from pixkin_scoring.evaluation.evaluating import CURVE, SHOWN, Evaluation, Ranking, Shown, evaluate
from pixkin_scoring.evaluation.judgements import GroundTruth, JudgedQuery, Judgement


def query(name: str, *relevant: str, **fields: object) -> JudgedQuery:
    return JudgedQuery(name, {"": Judgement(frozenset(relevant))}, **fields)  # type: ignore[arg-type]  # fields by name


def rated(
    rankings: Mapping[str, str], *queries: JudgedQuery, classes: Mapping[str, str] | None = None, headline: str = "AP"
) -> Evaluation:
    """Rate rankings of ids that are letters, with values 1, 2, …."""

    def search(asked: JudgedQuery) -> Ranking:
        ids = list(rankings[asked.name])
        return Ranking(ids, np.arange(1.0, len(ids) + 1), 5.0)

    return evaluate(GroundTruth(queries, classes=classes or {}), search, measures=["AP", "P@2"], headline=headline)


def test_means_are_over_the_queries_and_ap_becomes_map() -> None:
    found = rated({"1": "axb", "2": "xyb"}, query("1", "a", "b"), query("2", "b"))
    assert found.per_query == {"1": pytest.approx((1 + 2 / 3) / 2), "2": pytest.approx(1 / 3)}
    assert found.measures == {"mAP": pytest.approx((5 / 6 + 1 / 3) / 2), "P@2": 0.25}
    assert found.map == found.measures["mAP"]


def test_what_is_removed_takes_no_rank_and_is_no_answer_that_could_be_missed() -> None:
    [kept] = rated({"1": "qxa"}, query("1", "q", "a")).per_query.values()
    [removed] = rated({"1": "qxa"}, query("1", "q", "a", removed=frozenset({"q"}))).per_query.values()
    assert (kept, removed) == (pytest.approx((1 + 2 / 3) / 2), 1 / 2)


def test_each_setup_has_its_figures_and_its_name_and_its_own_queries() -> None:
    easy, hard = Judgement(frozenset("a")), Judgement(frozenset("b"), junk=frozenset("a"))
    both = JudgedQuery("1", {"easy": easy, "hard": hard})
    only = JudgedQuery("2", {"easy": easy, "hard": Judgement(frozenset())})
    found = rated({"1": "axb", "2": "xxa"}, both, only, headline="AP_hard")
    assert found.scores["AP_easy"] == {"1": 1, "2": pytest.approx(1 / 3)}
    assert found.scores["AP_hard"] == found.per_query == {"1": 1 / 2}
    assert list(found.measures) == ["mAP_easy", "P@2_easy", "mAP_hard", "P@2_hard"]
    assert list(found.curves) == ["easy", "hard"]
    assert found.top["1"][0] == Shown("a", 1.0, relevant=False, junk=True)
    assert found.notes == ("1 query has no relevant item and was left out",)


def test_hits_that_tie_with_the_one_before_are_counted() -> None:
    values = {"1": [1.0, 1.0, 1.0, 2.0], "2": [1.0, 2.0, 2.0, 3.0]}
    found = evaluate(
        GroundTruth((query("1", "a"), query("2", "a"))),
        lambda asked: Ranking("abcd", np.array(values[asked.name]), 0.0),
        measures=["AP"],
        headline="AP",
    )
    assert found.ties == 3


def test_precision_against_rank_goes_on_where_a_ranking_has_ended() -> None:
    curves = rated({"1": "ax", "2": "xa"}, query("1", "a"), query("2", "a")).curves[""]
    assert curves.precision_at_rank.tolist() == [0.5, *(1 / rank for rank in range(2, CURVE + 1))]
    assert curves.precision_at_recall.tolist() == [0.75] * 11


def test_the_first_hits_are_kept_as_they_were_judged() -> None:
    ranking = "".join(chr(ord("a") + at) for at in range(SHOWN + 2))
    top = rated({"1": ranking}, query("1", "b", removed=frozenset("a"))).top["1"]
    assert [shown.id for shown in top] == list(ranking[1 : SHOWN + 1])
    assert top[0] == Shown("b", 2.0, relevant=True, junk=False)


def test_classes_are_those_of_the_ranking_without_what_is_removed() -> None:
    classes = {"a": "x", "b": "y", "c": "x"}
    found = rated({"a": "abc"}, query("a", "c", label="x", removed=frozenset("a")), classes=classes)
    assert found.classification is not None
    assert found.classification.confusion.tolist() == [[0, 1], [0, 0]]
    assert (found.measures["1-NN accuracy"], found.measures["top-2 accuracy"]) == (0, 1)
    assert rated({"a": "abc"}, query("a", "c")).classification is None


def test_waiting_is_told_by_its_median_and_95th_percentile() -> None:
    queries = [query(str(at), "a") for at in range(1, 102)]
    found = evaluate(
        GroundTruth(tuple(queries)),
        lambda asked: Ranking("a", np.zeros(1), float(asked.name)),
        measures=["AP"],
        headline="AP",
    )
    assert found.timings_ms == {"p50": 51.0, "p95": 96.0}


def test_every_query_is_searched_once_in_order_and_progress_sees_it() -> None:
    searched, seen = list[str](), list[str]()

    def search(asked: JudgedQuery) -> Ranking:
        searched.append(asked.name)
        return Ranking("a", np.zeros(1), 0.0)

    def progress(queries: Iterable[JudgedQuery]) -> Iterable[JudgedQuery]:
        for each in queries:
            seen.append(each.name)
            yield each

    truth = GroundTruth(tuple(query(name, "a") for name in "123"))
    evaluate(truth, search, measures=["AP", "P@1", "nDCG"], headline="AP", progress=progress)
    assert searched == seen == ["1", "2", "3"]


def test_nothing_relevant_at_all_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="no query has a relevant item"):
        rated({"1": "abc"}, query("1"))


def test_a_wrong_measure_is_refused_before_anything_is_searched() -> None:
    def search(_: JudgedQuery) -> Ranking:
        pytest.fail("a search although the measure is unknown")

    with pytest.raises(InvalidArgument, match="there is no measure of quality 'Fame'"):
        evaluate(GroundTruth((query("1", "a"),)), search, measures=["AP", "Fame"], headline="AP")
