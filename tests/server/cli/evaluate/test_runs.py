"""Run files rated without a search: trec_eval's own, and those that reports write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.scoring.evaluation.protocols.samples import write_lists
from tests.server.cli.evaluate.samples import assert_refused, import_line

Cli = Callable[..., Any]
Where = tuple[object, ...]


def table(out: str) -> dict[str, str]:
    """The figures that a command printed."""
    rows = (line.rsplit(maxsplit=1) for line in out.splitlines()[1:])
    return {name.rstrip(): value for name, value in rows}


@pytest.fixture
def fixture(data: Path) -> Where:
    """The options that name trec_eval's own run and judgements."""
    folder = data / "trec_eval"
    return ("--run", folder / "results.test", "--ground-truth", folder / "qrels.test")


def test_the_figures_of_trec_eval_are_in_the_table(pixkin: Cli, fixture: Where) -> None:
    ran = pixkin("evaluate", "trec", *fixture, "--quality", "Success@1")
    found = table(ran.out)
    assert {name: found[name] for name in ("mAP", "P@10", "mAP@100", "nDCG", "Success@1")} == {
        "mAP": "0.1785", "P@10": "0.3000", "mAP@100": "0.1622", "nDCG": "0.4021", "Success@1": "0.3333",
    }  # fmt: skip
    assert "3 queries" in ran.err
    assert "ms" not in ran.err


def test_a_rated_run_has_no_plan_and_its_provenance_no_collection(pixkin: Cli, fixture: Where) -> None:
    found = pixkin("evaluate", "trec", *fixture, "--json").json
    assert found["plan"] is None
    assert found["per_query"].keys() == {"301", "302", "303"}
    assert (found["provenance"]["items"], found["provenance"]["extractors"]) == (None, {})
    assert found["provenance"]["command"][:2] == ["pixkin", "evaluate"]


def test_the_run_and_judgements_of_a_report_have_its_figures_again(
    pixkin: Cli, name: str, where: Where, tmp_path: Path
) -> None:
    line = import_line(pixkin, name, {"a 0": 0, "a%201": 1, "b2": 2, "n3": 3, "b 5": 5}, tmp_path, where)
    first = pixkin("evaluate", "labels", line, "--report", tmp_path, "--json", *where).json
    files = ("--run", tmp_path / "run.txt", "--ground-truth", tmp_path / "qrels.txt")
    again = pixkin("evaluate", "trec", *files, "--json").json
    assert again["queries"] == first["queries"] == 4
    assert list(again["per_query"].values()) == list(first["per_query"].values())
    shared = again["measures"].keys() & first["measures"].keys()
    assert {"mAP", "mAP@100", "P@10", "nDCG@10", "R-precision", "11-point"} <= shared
    assert {name: again["measures"][name] for name in shared} == {name: first["measures"][name] for name in shared}


def test_a_run_is_rated_by_the_ground_truth_of_another_protocol(pixkin: Cli, tmp_path: Path) -> None:
    lists = {"query": ["oxc1_h1 0 0 9 9"], "good": ["h1", "h2"], "ok": ["h3"], "junk": ["h4"]}
    truth = write_lists(tmp_path / "gt", {f"hall_{part}": lines for part, lines in lists.items()})
    (tmp_path / "run").write_text("".join(f"hall Q0 h{n} {at} {-at} x\n" for at, n in enumerate((4, 1, 2, 5, 3), 1)))
    found = pixkin("evaluate", "oxford", "--run", tmp_path / "run", "--ground-truth", truth, "--json").json
    assert found["measures"]["mAP_official"] == pytest.approx((1 + 1 + (2 / 3 + 3 / 4) / 2) / 3)
    assert found["measures"]["mAP_wrong"] == pytest.approx((1 / 2 + 2 / 3 + 3 / 5) / 3)


def test_queries_that_a_run_lacks_count_0_and_are_told(pixkin: Cli, tmp_path: Path) -> None:
    (tmp_path / "qrels").write_text("1 0 a 1\n2 0 a 1\n")
    (tmp_path / "run").write_text("1 Q0 a 1 0.5 x\n")
    ran = pixkin("evaluate", "trec", "--run", tmp_path / "run", "--ground-truth", tmp_path / "qrels")
    assert table(ran.out)["mAP"] == "0.5000"
    assert "1 query counts 0: it is not in the run" in ran.err


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("1 Q0 a 1 0.5 x\n1 Q0 b 2 nan x\n", "line 2: the score nan"),
        ("1 Q0 a 1 0.5 x\n1 Q0 b 2 0.9 x\n", "line 2: rank 2 has score 0.9"),
        ("1 Q0 a 1 0.5 x\n1 Q0 a 2 0.4 x\n", "line 2: a is in line 1 already"),
        ("1 Q0 a 1\n", "is not QID Q0 ID RANK SCORE TAG"),
        ("", "is empty"),
        ("9 Q0 a 1 0.5 x\n", "no query of"),
    ],
)
def test_a_wrong_run_is_one_line(pixkin: Cli, tmp_path: Path, lines: str, said: str) -> None:
    (tmp_path / "qrels").write_text("1 0 a 1\n1 0 b 0\n")
    (tmp_path / "run").write_text(lines)
    assert_refused(pixkin("evaluate", "trec", "--run", tmp_path / "run", "--ground-truth", tmp_path / "qrels"), said)


def test_what_belongs_to_a_search_and_protocols_without_files_are_refused(
    pixkin: Cli, fixture: Where, tmp_path: Path
) -> None:
    for more in (("--report", tmp_path / "report"), ("--grid",), ("--plan", "x=")):
        assert_refused(pixkin("evaluate", "trec", *fixture, *more), "--run rates a file", status=2)
    assert not (tmp_path / "report").exists()
    assert_refused(pixkin("evaluate", "labels", "--run", fixture[1]), "labels takes its ground truth from a collection")
    assert_refused(pixkin("evaluate", "trec", "--run", fixture[1]), "trec needs --ground-truth")
