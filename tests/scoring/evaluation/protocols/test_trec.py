"""TREC's qrels and lists of queries."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pixkin_proto.errors import InvalidArgument
from pixkin_scoring.evaluation.evaluating import Ranking, evaluate
from pixkin_scoring.evaluation.protocols.protocol import Reading
from pixkin_scoring.evaluation.protocols.trec import read_query_list, read_trec

from tests.scoring.evaluation.protocols.samples import source, trec, unlabelled


def qrels(folder: Path, text: str) -> Reading:
    path = folder / "qrels"
    path.write_text(text, "utf-8")
    return Reading(None, ground_truth=path)


def test_grades_above_0_are_relevant_and_gains_of_ndcg(tmp_path: Path) -> None:
    truth = read_trec(trec(tmp_path))
    judgement = truth.queries[0].judgements[""]
    assert (judgement.relevant, judgement.grades) == ({"a", "b"}, {"a": 2, "c": 0})
    assert [query.picture for query in truth.queries] == ["queries/1", "queries/2"]
    found = evaluate(
        truth, lambda _: Ranking("dcba", np.zeros(4), 1.0), measures=("AP", "nDCG", "RR"), headline="AP"
    )  # fmt: skip
    assert found.per_query == pytest.approx({"1": (1 / 3 + 2 / 4) / 2, "2": 1 / 2})
    ideal = 2 + 1 / np.log2(3)
    assert found.scores["nDCG"]["1"] == pytest.approx((1 / np.log2(4) + 2 / np.log2(5)) / ideal)


def test_a_run_is_rated_without_a_collection(tmp_path: Path) -> None:
    truth = read_trec(qrels(tmp_path, "7\t0\tx/y.jpg\t1\n\n8 0 z -1\r\n8 Q0 w 1\n"))
    assert [(query.name, set(query.judgements[""].relevant)) for query in truth.queries] == [
        ("7", {"x/y.jpg"}),
        ("8", {"w"}),
    ]


def test_a_query_without_a_relevant_item_is_left_out_by_the_rating(tmp_path: Path) -> None:
    truth = read_trec(qrels(tmp_path, "1 0 a 1\n2 0 a 0\n"))
    found = evaluate(truth, lambda _: Ranking(["a"], np.zeros(1), 1.0), measures=("AP",), headline="AP")
    assert found.per_query == {"1": 1.0}
    [note] = found.notes
    assert "1 query has no relevant item" in note


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 0 a 1\n1 0 b\n", "line 2: '1 0 b' is not QID 0 ID GRADE"),
        ("1 0 a b 1\n", "line 1"),
        ("1 0 a high\n", "line 1: .* whole number"),
        ("1 0 a 0.5\n", "line 1: .* whole number"),
        ("1 0 a 1\n2 0 a 0\n1 0 a 2\n", "line 3: a has grade 2 for query 1, and 1 above"),
        ("1 0 a 0\n1 0 b -1\n", "has no relevant item: no line with a grade above 0"),
        ("", "has no relevant item"),
    ],
)
def test_a_wrong_qrels_file_says_what_is_wrong_and_where(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        read_trec(qrels(tmp_path, text))


def test_the_same_judgement_twice_is_no_contradiction(tmp_path: Path) -> None:
    assert read_trec(qrels(tmp_path, "1 0 a 1\n1 0 a 1\n")).queries[0].judgements[""].relevant == {"a"}


def test_an_item_under_two_names_cannot_have_two_grades(tmp_path: Path) -> None:
    reading = replace(
        qrels(tmp_path, "1 0 a.jpg 1\n1 0 a 2\n"), items=unlabelled("a.jpg"), queries=source(unlabelled("1"))
    )
    with pytest.raises(InvalidArgument, match="line 2: a has grade 2"):
        read_trec(reading)


def test_a_picture_of_the_same_name_in_another_folder_is_not_meant(tmp_path: Path) -> None:
    reading = replace(trec(tmp_path), items=unlabelled("cats/1.jpg", "b", "c"))
    (tmp_path / "qrels").write_text("1 0 dogs/1.jpg 1\n1 0 cats/1 1\n2 0 b 1\n")
    with pytest.raises(InvalidArgument, match=r"lacks 1 picture of the ground truth: dogs/1\.jpg;"):
        read_trec(reading)
    truth = read_trec(replace(reading, skip_missing=True))
    assert truth.queries[0].judgements[""].relevant == {"cats/1.jpg"}


def test_queries_and_judgements_without_a_counterpart_are_refused_or_left_out(tmp_path: Path) -> None:
    reading = replace(trec(tmp_path), queries=source(unlabelled("1", "3")))
    with pytest.raises(InvalidArgument, match="queries without judgements: 3; judgements without a query: 2;"):
        read_trec(reading)
    truth = read_trec(replace(reading, skip_missing=True))
    assert [query.name for query in truth.queries] == ["1"]
    assert truth.notes == (
        "1 query was left out: no judgements",
        "1 query was left out: judged, but not in the list of queries",
    )


def test_a_collection_needs_queries(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="trec needs --queries FILE: a list of lines QID QUERY"):
        read_trec(replace(trec(tmp_path), queries=None))


def test_a_list_of_queries_has_a_query_a_line_behind_its_name(tmp_path: Path) -> None:
    path = tmp_path / "queries"
    path.write_text("\ufeff1 id:cats/1.jpg\n\n2\tholiday photos/my cat.jpg\nq3   b.png\r\n", "utf-8")
    assert read_query_list(path) == {"1": "id:cats/1.jpg", "2": "holiday photos/my cat.jpg", "q3": "b.png"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 a.jpg\n2\n", "line 2: '2' is not QID QUERY"),
        ("1 a.jpg\n1 b.jpg\n", "line 2: 1 is there already"),
        ("\n", "has no queries; a line is QID QUERY"),
    ],
)
def test_a_wrong_list_of_queries_says_what_is_wrong_and_where(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "queries"
    path.write_text(text)
    with pytest.raises(InvalidArgument, match=message):
        read_query_list(path)
