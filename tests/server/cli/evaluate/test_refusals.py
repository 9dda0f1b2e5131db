"""What cannot be evaluated is told in one line, before anything is searched."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.scoring.evaluation.protocols.samples import revisited_content, write_lists
from tests.server.cli.evaluate.samples import assert_refused, import_line

Cli = Callable[..., Any]
Where = tuple[object, ...]


@pytest.fixture
def halls(pixkin: Cli, name: str, where: Where, tmp_path: Path) -> str:
    """Six pictures of Oxford, as vectors on a line."""
    values = {f"hall_{number}": float(number) for number in range(1, 7)}
    return import_line(pixkin, name, values, tmp_path, where, labelled=False)


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """A ground truth that names a picture which is not there, and a query whose picture is not there."""
    query = {"query": ["oxc1_hall_1 0 0 9 9"], "good": ["hall_1", "hall_3"], "ok": ["hall_9"], "junk": ["hall_2"]}
    lost = {"query": ["oxc1_lost_1 0 0 9 9"], "good": ["hall_2"], "ok": [], "junk": []}
    write_lists(tmp_path / "gt", {f"hall_1_{part}": lines for part, lines in query.items()})
    return write_lists(tmp_path / "gt", {f"lost_1_{part}": lines for part, lines in lost.items()})


def test_missing_pictures_are_listed_and_refused_or_left_out_and_counted(
    pixkin: Cli, halls: str, truth: Path, where: Where
) -> None:
    evaluate = ("evaluate", "oxford", halls, "--ground-truth", truth, *where)
    assert_refused(pixkin(*evaluate), "the collection lacks 2 pictures of the ground truth: hall_9, lost_1; ")
    ran = pixkin(*evaluate, "--skip-missing", "--json")
    assert ran.json["per_query"] == {"hall_1": 1.0}
    assert ran.json["notes"] == [
        "2 pictures of the ground truth are not in the collection and were left out",
        "1 query was left out: picture not in the collection",
    ]
    assert "2 pictures of the ground truth" in pixkin(*evaluate, "--skip-missing").err


def test_a_ground_truth_of_another_shape_says_what_it_should_be(
    pixkin: Cli, halls: str, where: Where, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    cases = [
        ("oxford", tmp_path / "v.txt", "the folder of NAME_query.txt"),
        ("oxford", empty, "is empty"),
        ("oxford", tmp_path, "has no file NAME_query.txt"),
        ("revisited", empty, "is a folder"),
        ("mirflickr", tmp_path / "v.txt", "is a file"),
        ("trec", empty, "is a folder"),
        ("labels", empty, "labels needs no --ground-truth"),
        ("ukbench", empty, "ukbench needs no --ground-truth"),
    ]
    for protocol, path, said in cases:
        assert_refused(pixkin("evaluate", protocol, halls, "--ground-truth", path, *where), said)
    assert_refused(pixkin("evaluate", "oxford", halls, *where), "oxford needs --ground-truth")
    ran = pixkin("evaluate", "oxford", halls, "--ground-truth", tmp_path / "nowhere", *where)
    assert_refused(ran, "does not exist", status=2)


class Writes:
    """Writes a file when it is read from a pickle."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.path, "run")


def test_a_pickle_that_wants_to_run_code_is_refused_and_runs_none(
    pixkin: Cli, halls: str, where: Where, tmp_path: Path
) -> None:
    path = tmp_path / "gnd.pkl"
    path.write_bytes(pickle.dumps({**revisited_content(), "more": Writes(tmp_path / "trace")}))
    assert_refused(pixkin("evaluate", "revisited", halls, "--ground-truth", path, *where), "write_text")
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("labels", "--level", "wide"), "labels has no levels"),
        (("labels", "--quality", "Fame@3"), "there is no measure of quality 'Fame@3'"),
        (("labels", "--quality", "P"), "P takes a whole number"),
        (("labels", "--measure", "chi2"), "[MEASURE_NOT_APPLICABLE]"),
        (("labels", "--descriptor", "nobody"), "[UNKNOWN_DESCRIPTOR]"),
        (("labels", "--candidates", "some"), "[INVALID_PLAN]"),
        (("labels", "--filter", "label=nobody"), "no two items share a label"),
        (("ukbench",), "ukbench"),
        (("holidays",), "the collection has items of other names"),
        (("cifar",), "CIFAR 10 or 100"),
    ],
)
def test_what_does_not_fit_is_refused(
    pixkin: Cli, name: str, where: Where, tmp_path: Path, options: Where, said: str
) -> None:
    line = import_line(pixkin, name, {"a0": 0, "a1": -1, "b2": 2, "b3": 3}, tmp_path, where)
    assert_refused(pixkin("evaluate", options[0], line, *options[1:], *where), said)


@pytest.mark.parametrize("level", ["wide", "relevant"])
def test_levels_are_those_of_the_protocol(pixkin: Cli, name: str, where: Where, tmp_path: Path, level: str) -> None:
    values = {f"im{number}": float(number) for number in range(1, 221)}
    pictures = import_line(pixkin, name, values, tmp_path, where, labelled=False)
    truth = write_lists(tmp_path / "annotations", {"sky": range(1, 141), "sky_r1": range(1, 121)})
    ran = pixkin("evaluate", "mirflickr", pictures, "--ground-truth", truth, "--level", level, *where)
    if level == "wide":
        assert_refused(ran, "mirflickr has no level 'wide'; choose from potential, relevant")
    else:
        assert (ran.status, ran.out.splitlines()[1].split()[0]) == (0, "mAP@100")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "name a protocol and a collection"),
        (("labels",), "name a protocol and a collection"),
        (("nobody", "c"), "'nobody' is not one of"),
        (("labels", "c", "--measures", "chi2"), "belong to a --grid"),
        (("labels", "c", "--plan", "a=--normalise none"), "belong to a --grid"),
        (("labels", "c", "--extractor", "hsv-histogram"), "--extractor goes with --from"),
        (("labels", "c", "--area", "half"), "'half' is not one of"),
    ],
)
def test_a_call_that_makes_no_sense_is_refused(pixkin: Cli, options: Where, said: str) -> None:
    assert_refused(pixkin("evaluate", *options), said, status=2)
