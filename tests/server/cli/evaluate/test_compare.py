"""Whether a difference is real: two files of figures, compared query by query."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.server.cli.evaluate.samples import assert_refused, import_line

Cli = Callable[..., Any]
Where = tuple[object, ...]


def written(path: Path, per_query: Mapping[str, object], **more: object) -> Path:
    """Write the parts of an evaluation that a comparison reads."""
    path.write_text(json.dumps({"headline": "AP", "per_query": per_query, **more}))
    return path


@pytest.fixture
def figures(tmp_path: Path) -> tuple[Path, Path]:
    """Ten queries: the second system is better by 0.2 for eight, worse by 0.1 for one, and equal for one."""
    gains = {f"q{at}": 0.2 for at in range(8)} | {"worse": -0.1, "equal": 0.0}
    first = written(tmp_path / "first.json", dict.fromkeys(gains, 0.5), by_measure={"P@10": [0.3] * 10})
    later = dict(reversed(gains.items()))  # the order of queries says nothing
    second = {name: 0.5 + gain for name, gain in later.items()}
    return first, written(tmp_path / "second.json", second, by_measure={"P@10": [0.2, *[0.3] * 9]})


def test_a_clear_difference_is_told_with_its_interval_and_who_won(pixkin: Cli, figures: tuple[Path, Path]) -> None:
    found = pixkin("evaluate", "--compare", *figures, "--json").json
    assert (found["first"], found["second"]) == (pytest.approx(0.5), pytest.approx(0.65))
    assert (found["better"], found["worse"], found["equal"]) == (8, 1, 1)
    low, high = found["interval"]
    assert 0 < low < 0.15 < high <= 0.2
    # A sum as large as 1.5 needs the eight of one sign: 2 × 2 of 512 sign vectors, as the tenth difference is 0.
    assert found["p"] == pytest.approx(4 / 512, abs=0.002)
    assert found["p"] < 0.01


def test_the_table_has_the_same_figures(pixkin: Cli, figures: tuple[Path, Path]) -> None:
    rows = [line.rsplit("  ", 1) for line in pixkin("evaluate", "--compare", *figures).out.splitlines()]
    found = {name.strip(): value.strip() for name, value in rows}
    assert found[str(figures[0])] == "0.5000"
    assert found[str(figures[1])] == "0.6500"
    assert found["difference"] == "+0.1500"
    assert found["queries better, worse, equal"] == "8, 1, 1"
    assert float(found["p (paired randomisation)"]) < 0.01


def test_a_difference_turned_round_is_as_real(pixkin: Cli, figures: tuple[Path, Path]) -> None:
    there, back = (
        pixkin("evaluate", "--compare", *files, "--json").json for files in (figures, tuple(reversed(figures)))
    )
    assert there["p"] == back["p"]
    assert (there["better"], there["worse"]) == (back["worse"], back["better"])
    assert there["interval"] == pytest.approx([-back["interval"][1], -back["interval"][0]], abs=0.02)


def test_another_measure_is_compared_where_both_files_have_it(pixkin: Cli, figures: tuple[Path, Path]) -> None:
    found = pixkin("evaluate", "--compare", *figures, "--by", "P@10", "--json").json
    assert (found["first"], found["second"]) == (pytest.approx(0.3), pytest.approx(0.29))
    assert (found["better"], found["worse"], found["equal"], found["p"]) == (0, 1, 9, 1.0)
    named = pixkin("evaluate", "--compare", *figures, "--by", "AP", "--json").json
    assert named["better"] == 8
    assert_refused(pixkin("evaluate", "--compare", *figures, "--by", "RR"), "has no measure RR")


def test_a_real_evaluation_does_not_differ_from_itself_and_may_from_another(
    pixkin: Cli, name: str, where: Where, tmp_path: Path
) -> None:
    values = {f"{letter}{at}": at + 0.1 * letter.encode()[0] for at in range(9) for letter in "ab"}
    line = import_line(pixkin, name, values, tmp_path, where)
    for file, measure in (("near", "euclidean"), ("same", "manhattan"), ("alike", "cosine")):
        ran = pixkin("evaluate", "labels", line, "--measure", measure, "--json", *where)
        (tmp_path / file).write_text(ran.out)
    same = pixkin("evaluate", "--compare", tmp_path / "near", tmp_path / "same", "--json").json
    assert (same["p"], same["interval"], same["equal"]) == (1.0, [0.0, 0.0], 18)
    other = pixkin("evaluate", "--compare", tmp_path / "near", tmp_path / "alike", "--by", "P@1", "--json").json
    assert other["p"] < 0.05
    assert other["second"] == 0.5  # to cosine all are equal, so the lowest id is the first hit: of the a, not of the b


def test_files_of_other_queries_or_other_measures_are_refused(
    pixkin: Cli, figures: tuple[Path, Path], tmp_path: Path
) -> None:
    some = written(tmp_path / "some.json", {"q0": 0.5, "q99": 0.5})
    assert_refused(pixkin("evaluate", "--compare", figures[0], some), "not of the same queries: 10 are in one alone")
    names = json.loads(figures[0].read_text())["per_query"]
    other = written(tmp_path / "other.json", names, headline="N-S", by_measure={"AP": [0.1] * 10})
    assert_refused(pixkin("evaluate", "--compare", figures[0], other), "reports AP and")
    assert pixkin("evaluate", "--compare", figures[0], other, "--by", "AP", "--json").json["worse"] == 10


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cannot be read as an evaluation"),
        (b'{"per_query": {"q0": 0.', "cannot be read as an evaluation"),
        (b"\xff\xfe", "cannot be read as an evaluation"),
        (b"[" * 100_000, "cannot be read as an evaluation"),
        (b"[1, 2]", "is no evaluation; write one with"),
        (b'{"per_query": {}}', "is no evaluation"),
        (b'{"per_query": [0.5]}', "is no evaluation"),
        (b'{"headline": "AP", "per_query": {"q0": "high"}}', "has no number for query 'q0'"),
        (b'{"headline": "AP", "per_query": {"q0": NaN}}', "has no number for query 'q0'"),
        (b'{"headline": "AP", "per_query": {"q0": 1' + b"0" * 400 + b"}}", "has no number for query 'q0'"),
    ],
)
def test_a_file_that_is_no_evaluation_is_one_line(
    pixkin: Cli, figures: tuple[Path, Path], tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "broken.json").write_bytes(content)
    assert_refused(pixkin("evaluate", "--compare", figures[0], tmp_path / "broken.json"), said)


@pytest.mark.parametrize("by_measure", [{"P@5": [0.1]}, {"P@5": 0.1}, ["P@5"], {}, None])
def test_a_measure_that_is_not_there_for_all_queries_is_one_line(
    pixkin: Cli, figures: tuple[Path, Path], tmp_path: Path, by_measure: object
) -> None:
    names = json.loads(figures[0].read_text())["per_query"]
    half = written(tmp_path / "half.json", names, by_measure=by_measure)
    assert_refused(pixkin("evaluate", "--compare", half, half, "--by", "P@5"), "has no measure P@5 of all queries")
