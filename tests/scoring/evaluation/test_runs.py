"""Run files and qrels files, against trec_eval's own fixtures and word by word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixkin_proto.errors import InvalidArgument
from pixkin_scoring.evaluation.evaluating import Evaluation, evaluate, mean_name
from pixkin_scoring.evaluation.judgements import GroundTruth, JudgedQuery, Judgement
from pixkin_scoring.evaluation.protocols import find_protocol
from pixkin_scoring.evaluation.protocols.protocol import Reading
from pixkin_scoring.evaluation.runs import RunWriter, read_run, write_qrels

CUTOFFS = (5, 10, 15, 20, 30, 100, 200, 500, 1000)
OF_TREC_EVAL = {
    "AP": "map", "R-precision": "Rprec", "RR": "recip_rank", "nDCG": "ndcg",
    **{f"AP@{k}": f"map_cut_{k}" for k in CUTOFFS}, **{f"P@{k}": f"P_{k}" for k in CUTOFFS},
    **{f"recall@{k}": f"recall_{k}" for k in CUTOFFS}, **{f"nDCG@{k}": f"ndcg_cut_{k}" for k in CUTOFFS},
}  # fmt: skip
DIGITS = 5.01e-5  # half of the fourth digit


def write_run(path: Path, rankings: Iterable[tuple[str, Sequence[str]]]) -> None:
    with RunWriter(path) as run:
        for name, ids in rankings:
            run.write(name, ids)


def rated(run: Path, qrels: Path, measures: list[str]) -> Evaluation:
    rankings = read_run(run)
    truth = find_protocol("trec").read(Reading(items=None, ground_truth=qrels))
    return evaluate(truth, lambda query: rankings[query.name], measures=measures, headline="AP")


@pytest.fixture(scope="module")
def printed(data: Path) -> dict[tuple[str, str], str]:
    """What trec_eval printed, by measure and query."""
    lines = (line.split() for line in (data / "trec_eval" / "out.test.aq").read_text().splitlines())
    return {(line[0], line[1]): line[2] for line in lines}


@pytest.fixture(scope="module")
def ours(data: Path) -> Evaluation:
    folder = data / "trec_eval"
    return rated(folder / "results.test", folder / "qrels.test", [*OF_TREC_EVAL, "11-point"])


@pytest.mark.parametrize("name", OF_TREC_EVAL)
def test_the_figures_of_trec_eval_come_out_to_4_digits_for_each_query_and_overall(
    name: str, ours: Evaluation, printed: dict[tuple[str, str], str]
) -> None:
    theirs = OF_TREC_EVAL[name]
    assert set(ours.scores[name]) == {"301", "302", "303"}
    for query, score in ours.scores[name].items():
        assert score == pytest.approx(float(printed[theirs, query]), abs=DIGITS), query
    assert ours.measures[mean_name(name)] == pytest.approx(float(printed[theirs, "all"]), abs=DIGITS)


def test_the_eleven_points_are_those_of_the_present_trec_eval(
    ours: Evaluation, printed: dict[tuple[str, str], str]
) -> None:
    # Query 302 has 77 relevant items: recall 0.6 is 46.2 of them. The trec_eval that wrote the fixture takes 46,
    # the one in pytrec-eval-terrier 47.
    scores = ours.scores["11-point"]
    assert {query: f"{score:.4f}" for query, score in scores.items()} == {
        "301": printed["11pt_avg", "301"], "302": "0.4360", "303": printed["11pt_avg", "303"],
    }  # fmt: skip
    assert printed["11pt_avg", "302"] == "0.4370"


def test_a_run_that_we_write_has_the_same_figures(data: Path, tmp_path: Path, ours: Evaluation) -> None:
    folder = data / "trec_eval"
    rankings = read_run(folder / "results.test")
    write_run(tmp_path / "run", ((name, ranking.ids) for name, ranking in rankings.items()))
    write_qrels(tmp_path / "qrels", find_protocol("trec").read(Reading(None, ground_truth=folder / "qrels.test")))
    names = [*OF_TREC_EVAL, "11-point"]
    assert rated(tmp_path / "run", tmp_path / "qrels", names).measures == ours.measures


def written(folder: Path, *lines: str) -> Path:
    path = folder / "run"
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return path


def test_equal_scores_are_ordered_by_descending_id_and_equal_means_in_32_bits(tmp_path: Path) -> None:
    lines = ("1 Q0 b 2 0.5 t", "1 Q0 a 3 0.5 t", "1 Q0 c 1 0.500000001 t", "1 Q0 é 4 0.5 t", "1 Q0 B 0 0.7 t")
    ranking = read_run(written(tmp_path, *lines))["1"]
    assert ranking.ids == ("B", "é", "c", "b", "a")
    assert ranking.values.tolist() == [np.float32(0.7), 0.5, 0.5, 0.5, 0.5]


def test_the_order_of_lines_and_constant_ranks_say_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, "1 Q0 a 1 0.1 t", "2 Q0 a 5 1 t", "1 Q0 b 1 0.9 t", "1 Q0 c 1 0.5 t")
    rankings = read_run(path)
    assert rankings["1"].ids == ("b", "c", "a")
    assert rankings["2"].ids == ("a",)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["1 Q0 a 1 0.5 t", "1 Q0 b 2 0.5"], "line 2: '1 Q0 b 2 0.5' is not QID Q0 ID RANK SCORE TAG"),
        (["1 Q0 a b 1 0.5 t"], "line 1: .* is not QID"),
        (["1 Q0 a first 0.5 t"], "a whole RANK"),
        ([f"1 Q0 a {10**30} 0.5 t"], "a whole RANK"),
        (["1 Q0 a 1 high t"], "a number as SCORE"),
        (["1 Q0 a 1 0.5 t", "1 Q0 b 2 nan t"], "line 2: the score nan"),
        (["1 Q0 a 1 inf t"], "line 1: the score inf"),
        (["1 Q0 a 1 1e39 t"], "line 1: the score"),
        (["1 Q0 a 1 0.5 t", "", "1 Q0 a 2 0.4 t"], "line 3: a is in line 1 already"),
        (["1 Q0 a 2 0.5 t", "2 Q0 a 1 0.1 t", "1 Q0 b 1 0.4 t"], "line 1: rank 2 has score 0.5, rank 1 in line 3"),
        ([], "is empty"),
    ],
)
def test_a_wrong_run_says_what_is_wrong_and_where(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        read_run(written(tmp_path, *lines))


def test_a_run_that_is_no_text_or_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(b"\xff\xd8\xff\xe0")
    for path, message in ((tmp_path / "picture", "no text in UTF-8"), (tmp_path / "nothing", "cannot be read")):
        with pytest.raises(InvalidArgument, match=message):
            read_run(path)


def test_a_folder_that_is_not_there_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="cannot be written"):
        write_run(tmp_path / "nowhere" / "run", [])


@given(ids=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), unique=True, max_size=20))
def test_a_ranking_of_any_ids_keeps_its_order_and_distinct_ids_stay_distinct(
    tmp_path_factory: pytest.TempPathFactory, ids: list[str]
) -> None:
    path = tmp_path_factory.mktemp("runs") / "run"
    write_run(path, [("a query", ids), ("another", ["x"])])
    found = read_run(path)
    assert list(found) == (["a%20query", "another"] if ids else ["another"])
    if ids:
        assert len(set(found["a%20query"].ids)) == len(ids)
        plain = [item for item in ids if item.isalnum()]
        assert [item for item in found["a%20query"].ids if item in plain] == plain
        assert found["a%20query"].values.tolist() == [-rank for rank in range(1, len(ids) + 1)]


def test_white_space_and_what_reads_as_its_code_are_encoded(tmp_path: Path) -> None:
    write_run(tmp_path / "run", [("1", ["a b", "a%20b", "100%", "c\td"])])
    assert read_run(tmp_path / "run")["1"].ids == ("a%20b", "a%2520b", "100%", "c%09d")


def test_judgements_are_written_with_grades_and_junk_without_what_is_removed(tmp_path: Path) -> None:
    judgement = Judgement(frozenset({"b", "a c", "q"}), frozenset({"j"}), {"b": 3, "n": 0})
    truth = GroundTruth((JudgedQuery("1", {"": judgement}, removed=frozenset({"q"})),))
    write_qrels(tmp_path / "qrels.txt", truth)
    assert (tmp_path / "qrels.txt").read_text() == "1 0 a%20c 1\n1 0 b 3\n1 0 j -1\n1 0 n 0\n"


def test_each_setup_gets_a_file_of_judgements(tmp_path: Path) -> None:
    judgements = {"easy": Judgement(frozenset({"a"})), "hard": Judgement(frozenset({"b"}))}
    write_qrels(tmp_path / "qrels.txt", GroundTruth((JudgedQuery("1", judgements),)))
    assert (tmp_path / "qrels_easy.txt").read_text() == "1 0 a 1\n"
    assert (tmp_path / "qrels_hard.txt").read_text() == "1 0 b 1\n"
