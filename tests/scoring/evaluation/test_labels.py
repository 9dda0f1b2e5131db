from __future__ import annotations

import numpy as np
import pytest
from pixkin_proto.errors import InvalidArgument
from pixkin_scoring.evaluation.labels import evaluate_labels
from pixkin_scoring.evaluation.metrics import average_precision, precision_at
from pixkin_scoring.plan import Plan
from pixkin_scoring.results import Hit, SearchResult


def test_average_precision_is_the_mean_of_precision_at_the_relevant_ranks() -> None:
    relevant = np.array([True, False, True, False, False, True])
    assert average_precision(relevant, 3) == pytest.approx((1 / 1 + 2 / 3 + 3 / 6) / 3)
    assert average_precision(relevant, 4) == pytest.approx((1 / 1 + 2 / 3 + 3 / 6) / 4)
    assert average_precision(np.zeros(5, bool), 2) == 0
    assert average_precision(np.ones(5, bool), 5) == 1


def test_precision_counts_empty_places_of_a_short_ranking() -> None:
    assert precision_at(np.array([True, False, True]), 2) == 0.5
    assert precision_at(np.array([True, True]), 5) == 0.4


def _ranking(*ids: str) -> tuple[SearchResult, float]:
    return SearchResult(tuple(Hit(i + 1, item, 1.0, 1.0) for i, item in enumerate(ids)), Plan(), {}), 2.0


def test_every_item_with_a_partner_is_a_query_against_all_others() -> None:
    labels = {"a": {"x"}, "b": {"x", "y"}, "c": {"y"}, "d": {"z"}, "e": set[str]()}
    rankings = {"a": _ranking("d", "b", "c", "e"), "b": _ranking("a", "c", "d", "e"), "c": _ranking("a", "d", "b", "e")}
    found = evaluate_labels({item: frozenset(names) for item, names in labels.items()}, rankings.__getitem__)
    assert found.per_query == pytest.approx({"a": 1 / 2, "b": 1.0, "c": 1 / 3})
    assert found.map == pytest.approx((1 / 2 + 1 + 1 / 3) / 3)
    assert found.measures["P@1"] == pytest.approx(1 / 3)
    assert found.measures["P@5"] == pytest.approx((1 + 2 + 1) / 5 / 3)
    assert found.left_out == 2
    assert found.timings_ms == {"p50": 2.0, "p95": 2.0}


def test_a_collection_without_partners_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="--labels-from-folders"):
        evaluate_labels({"a": frozenset({"x"}), "b": frozenset({"y"})}, lambda _: _ranking())
