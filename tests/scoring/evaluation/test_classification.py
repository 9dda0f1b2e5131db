"""Nearest-neighbour classification, counted by hand."""

from __future__ import annotations

import pytest
from pixkin_scoring.evaluation.classification import Classification, Classifier

CLASSES = {"a1": "a", "a2": "a", "b1": "b", "b2": "b", "c1": "c", "d1": "d"}


@pytest.fixture
def found() -> Classification:
    classifier = Classifier(CLASSES)
    classifier.add("a", ["a1", "b1"])  # right at once
    classifier.add("a", ["b1", "b2", "nobody", "a1"])  # the second class, though the fourth hit
    classifier.add("b", ["nobody", "c1", "a1", "a2", "b1"])  # the third class
    classifier.add("c", ["a1", "b1", "d1", "c1"])  # the fourth
    return classifier.result()


def test_the_first_hit_with_a_class_is_the_answer(found: Classification) -> None:
    assert found.classes == ("a", "b", "c", "d")
    assert found.confusion.tolist() == [[1, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert found.accuracy[1] == 1 / 4


def test_top_2_and_3_go_by_different_classes_and_not_by_hits(found: Classification) -> None:
    assert found.accuracy == {1: 1 / 4, 2: 2 / 4, 3: 3 / 4}


def test_precision_is_the_mean_over_the_classes_that_were_answered(found: Classification) -> None:
    # a was answered twice, once rightly; b and c once, wrongly; d never.
    assert found.precision == pytest.approx((1 / 2 + 0 + 0) / 3)


def test_a_query_without_any_classified_hit_is_no_answer_and_counts_as_wrong() -> None:
    classifier = Classifier(CLASSES)
    classifier.add("a", ["nobody"])
    classifier.add("b", [])
    nothing = classifier.result()
    assert (nothing.confusion.sum(), nothing.precision, nothing.accuracy) == (0, 0.0, {1: 0.0, 2: 0.0, 3: 0.0})
    classifier.add("d", ["d1"])
    assert classifier.result().accuracy == {1: 1 / 3, 2: 1 / 3, 3: 1 / 3}
    assert classifier.result().precision == 1
