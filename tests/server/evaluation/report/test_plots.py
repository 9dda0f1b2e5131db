from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pixkin_scoring.evaluation.classification import Classification, Classifier
from pixkin_server.evaluation.report import Report
from pixkin_server.evaluation.report.confusion import MOST_CLASSES, largest_errors
from pixkin_server.evaluation.report.page import page
from pixkin_server.evaluation.report.plots import Plot, confusion_plot, curves_of
from pixkin_server.evaluation.report.theme import DARK, LIGHT, Theme

MakeReport = Callable[..., Report]
Read = Callable[[bytes], Any]


def classification(count: int, answers: int = 3) -> Classification:
    """Every class is asked three times: `answers` are right, the others are those of the next class."""
    names = [f"class {number:03}" for number in range(count)]
    classifier = Classifier({name: name for name in names})
    for at, name in enumerate(names):
        for asked in range(3):
            classifier.add(name, [name if asked < answers else names[(at + 1) % count]])
    return classifier.result()


def writing(plot: Plot, theme: Theme = LIGHT) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", plot.svg(theme).decode())


def test_ten_classes_are_named_and_counted_in_the_heat_map() -> None:
    texts = writing(confusion_plot(classification(10, answers=2)))
    assert texts.count("class 003") == 2
    assert (texts.count("2"), texts.count("1")) == (10, 10)


def test_of_a_hundred_classes_only_the_colours_are_shown() -> None:
    texts = writing(confusion_plot(classification(100)))
    assert not [text for text in texts if text.startswith("class 0") or text == "3"]
    assert "class of the best hit, in alphabetical order" in texts


def test_more_classes_than_can_be_seen_have_only_the_table(
    make_report: MakeReport, ids: list[str], read_page: Read
) -> None:
    report = make_report(ids)
    evaluation = replace(report.evaluation, classification=classification(MOST_CLASSES + 1, answers=1))
    read = read_page(page(replace(report, evaluation=evaluation)))
    (part,) = read.all("section", id="classes")
    assert not part.all("img")
    assert len(part.all("tbody")[0].all("tr")) == 10


def test_the_largest_errors_come_first_and_right_answers_are_none() -> None:
    found = Classification(("a", "b", "c"), np.array([[5, 1, 0], [4, 0, 0], [0, 2, 2]]), {1: 0.5, 2: 1, 3: 1}, 0.5)
    assert [tuple(row.values()) for row in largest_errors(found)] == [
        ("b", "a", "4", "100.0%"),
        ("c", "b", "2", "50.0%"),
        ("a", "b", "1", "16.7%"),
    ]


def test_without_errors_the_page_says_so(make_report: MakeReport, ids: list[str], read_page: Read) -> None:
    report = make_report(ids)
    evaluation = replace(report.evaluation, classification=classification(3))
    (part,) = read_page(page(replace(report, evaluation=evaluation))).all("section", id="classes")
    assert "No class is taken for another." in part.text


def test_every_setup_has_its_line_and_its_name(make_report: MakeReport, ids: list[str]) -> None:
    report = make_report(ids, setups=("easy", "medium", "hard"))
    at_rank, at_recall, _ = curves_of(report.evaluation)
    for plot in (at_rank, at_recall):
        assert [text for text in writing(plot) if text in report.evaluation.curves] == ["easy", "medium", "hard"]
        assert all(setup in plot.alt for setup in report.evaluation.curves)


def test_a_single_setup_needs_no_key(make_report: MakeReport, ids: list[str]) -> None:
    at_rank, *_ = curves_of(make_report(ids).evaluation)
    assert [text for text in writing(at_rank) if not text[0].isdigit()] == ["rank", "mean precision"]


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_writing_has_the_colour_of_its_paper(make_report: MakeReport, ids: list[str], theme: Theme) -> None:
    for plot in curves_of(make_report(ids).evaluation):
        text = plot.svg(theme).decode()
        other = DARK if theme is LIGHT else LIGHT
        assert theme.ink in text
        assert other.ink not in text


def test_a_measure_above_one_has_room_in_the_histogram(make_report: MakeReport, ids: list[str]) -> None:
    evaluation = make_report(ids).evaluation
    counts = replace(evaluation, headline="N-S", scores={"N-S": {name: at % 5 for at, name in enumerate(ids)}})
    *_, histogram = curves_of(counts)
    assert "4.0" in writing(histogram)
    assert "N-S of a query" in writing(histogram)
