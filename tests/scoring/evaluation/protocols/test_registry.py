"""What holds for every protocol."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pixkin_proto.errors import InvalidArgument
from pixkin_scoring.evaluation.evaluating import Ranking, evaluate, in_setup
from pixkin_scoring.evaluation.judgements import JudgedQuery
from pixkin_scoring.evaluation.protocols import PROTOCOLS, find_protocol, register_protocol
from pixkin_scoring.evaluation.quality import QUALITIES

from tests.scoring.evaluation.protocols.samples import GIVEN, source, unlabelled

every_protocol = pytest.mark.parametrize("name", PROTOCOLS)


@every_protocol
def test_a_protocol_reads_queries_whose_answers_are_items_of_the_collection(name: str, tmp_path: Path) -> None:
    reading = GIVEN[name](tmp_path)
    truth = find_protocol(name).read(reading)
    assert reading.items is not None
    assert len({query.name for query in truth.queries}) == len(truth.queries) > 0
    for query in truth.queries:
        assert query.item in reading.items if query.item else query.picture
        assert query.removed <= set(reading.items)
        for judgement in query.judgements.values():
            assert judgement.relevant | judgement.junk <= set(reading.items)
            assert not judgement.relevant & judgement.junk
        assert any(judgement.relevant - query.removed for judgement in query.judgements.values())


@every_protocol
def test_a_ranking_that_puts_the_answers_first_has_the_best_figures(name: str, tmp_path: Path) -> None:
    reading, protocol = GIVEN[name](tmp_path), find_protocol(name)
    truth = protocol.read(reading)

    def search(query: JudgedQuery) -> Ranking:
        [judgement] = [
            one for setup, one in query.judgements.items() if protocol.headline.endswith(in_setup("", setup))
        ]
        grades = {item: judgement.grades.get(item, 1) for item in judgement.relevant}
        ids = sorted(reading.items or (), key=lambda item: -grades.get(item, 0))
        return Ranking(ids, np.zeros(len(ids)), 1.0)

    found = evaluate(truth, search, measures=protocol.measures, headline=protocol.headline)
    assert found.headline in found.scores
    perfect = 4 if protocol.headline == "N-S" else 1
    # More right answers than 100 leave a mean of the first 100 below 1 that divides by all of them.
    if protocol.headline != "AP@100":
        assert found.map == pytest.approx(perfect)


@every_protocol
def test_a_protocol_names_measures_that_there_are_its_headline_among_them_and_its_paper(name: str) -> None:
    protocol = PROTOCOLS[name]
    assert {measure.partition("@")[0] for measure in protocol.measures} <= set(QUALITIES)
    assert any(protocol.headline in (measure, f"{measure}_medium") for measure in protocol.measures)
    assert protocol.summary.endswith(".")
    assert protocol.source


@every_protocol
def test_a_ground_truth_that_is_needed_is_asked_for_and_one_that_is_not_is_refused(name: str, tmp_path: Path) -> None:
    protocol, reading = PROTOCOLS[name], GIVEN[name](tmp_path)
    if protocol.ground_truth:
        with pytest.raises(InvalidArgument, match=f"{name} needs --ground-truth: the|{name} needs --ground-truth: a"):
            protocol.read(replace(reading, ground_truth=None))
        with pytest.raises(InvalidArgument, match="does not exist"):
            protocol.read(replace(reading, ground_truth=tmp_path / "nowhere"))
    else:
        with pytest.raises(InvalidArgument, match="needs no --ground-truth"):
            protocol.read(replace(reading, ground_truth=tmp_path))


@every_protocol
def test_a_file_where_a_folder_belongs_or_the_reverse_is_explained(name: str, tmp_path: Path) -> None:
    protocol, reading = PROTOCOLS[name], GIVEN[name](tmp_path)
    if reading.ground_truth is None:
        return
    if reading.ground_truth.is_dir():
        other, word = tmp_path / "a file", "is a file"
        other.write_text("hall_1\n")
    else:
        other, word = tmp_path, "is a folder"
    with pytest.raises(InvalidArgument, match=f"{word}; --ground-truth of {name} is {protocol.ground_truth[:12]}"):
        protocol.read(replace(reading, ground_truth=other))


@every_protocol
def test_a_folder_of_something_else_is_explained(name: str, tmp_path: Path) -> None:
    protocol, reading = PROTOCOLS[name], GIVEN[name](tmp_path)
    if reading.ground_truth is None or reading.ground_truth.is_file():
        return
    other = tmp_path / "pictures"
    other.mkdir()
    with pytest.raises(InvalidArgument, match=f"is empty; --ground-truth of {name} is the folder"):
        protocol.read(replace(reading, ground_truth=other))
    (other / "a.jpg").touch()
    with pytest.raises(InvalidArgument, match=f"has no file .*; --ground-truth of {name} is the folder"):
        protocol.read(replace(reading, ground_truth=other))


@every_protocol
def test_missing_pictures_are_listed_and_refused_or_counted(name: str, tmp_path: Path) -> None:
    protocol, reading = PROTOCOLS[name], GIVEN[name](tmp_path)
    if name in ("labels", "cifar"):  # the collection is the ground truth: nothing can be missing
        return
    lost = {"ukbench": "ukbench00002.jpg", "holidays": "100100.jpg"}.get(name) or _judged(name, tmp_path)
    fewer = replace(reading, items={item: labels for item, labels in (reading.items or {}).items() if item != lost})
    with pytest.raises(InvalidArgument, match=r"the collection lacks 1 picture of the ground truth: .*--skip-missing"):
        protocol.read(fewer)
    truth = protocol.read(replace(fewer, skip_missing=True))
    assert "1 picture of the ground truth" in truth.notes[0]
    assert not any(lost in judgement.relevant for query in truth.queries for judgement in query.judgements.values())


def _judged(name: str, folder: Path) -> str:
    """A right answer that is no query."""
    truth = PROTOCOLS[name].read(GIVEN[name](folder))
    queries = {query.item for query in truth.queries}
    return min(
        item
        for query in truth.queries
        for one in query.judgements.values()
        for item in one.relevant - query.removed
        if item not in queries
    )


@every_protocol
def test_an_unknown_level_is_refused_and_the_known_ones_are_read(name: str, tmp_path: Path) -> None:
    protocol, reading = PROTOCOLS[name], GIVEN[name](tmp_path)
    with pytest.raises(InvalidArgument, match="level"):
        protocol.read(replace(reading, level="nearly"))
    for level in protocol.levels:
        assert protocol.read(replace(reading, level=level)).queries


@every_protocol
def test_queries_are_taken_or_refused_but_never_ignored(name: str, tmp_path: Path) -> None:
    protocol, reading = PROTOCOLS[name], GIVEN[name](tmp_path)
    with pytest.raises(InvalidArgument):
        protocol.read(replace(reading, queries=source(unlabelled("nothing"))))


def test_a_protocol_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(
        InvalidArgument, match=r"'oxford5k' .did you mean oxford.*; choose from cifar, holidays, .*oxford"
    ):
        find_protocol("oxford5k")


def test_a_registered_protocol_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = replace(PROTOCOLS["labels"], name="mine")
    monkeypatch.delitem(PROTOCOLS, "mine", raising=False)
    register_protocol(mine)
    assert find_protocol("mine") is mine
    del PROTOCOLS["mine"]
