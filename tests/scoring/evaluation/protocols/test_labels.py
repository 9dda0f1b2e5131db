"""Labels and CIFAR."""

from __future__ import annotations

import numpy as np
import pytest
from pixkin_proto.errors import InvalidArgument
from pixkin_scoring.evaluation.evaluating import Ranking, evaluate
from pixkin_scoring.evaluation.protocols import find_protocol
from pixkin_scoring.evaluation.protocols.labels import read_labels
from pixkin_scoring.evaluation.protocols.protocol import Labels, QuerySource, Reading

from tests.scoring.evaluation.protocols.samples import labelled, source


def read_cifar(items: Labels, queries: QuerySource | None = None) -> None:
    find_protocol("cifar").read(Reading(items, queries=queries))


def test_every_item_with_a_partner_is_a_query_against_all_others() -> None:
    truth = read_labels(Reading(labelled(a="x", b="x y", c="y", d="z", e="")))
    rankings = {"a": "dbce", "b": "acde", "c": "adbe"}
    found = evaluate(
        truth,
        lambda query: Ranking(list(rankings[query.name]), np.arange(4.0), 2.0),
        measures=("AP", "P@1", "P@5"),
        headline="AP",
    )
    assert found.per_query == pytest.approx({"a": 1 / 2, "b": 1.0, "c": 1 / 3})
    assert found.map == pytest.approx((1 / 2 + 1 + 1 / 3) / 3)
    assert found.measures["P@1"] == pytest.approx(1 / 3)
    assert found.measures["P@5"] == pytest.approx((1 + 2 + 1) / 5 / 3)
    assert found.notes == ("2 queries were left out: no other item shares a label",)


def test_a_query_is_not_counted_where_it_comes_first_in_its_own_ranking() -> None:
    truth = read_labels(Reading(labelled(a="x", b="x", c="y", d="y")))
    found = evaluate(
        truth,
        lambda query: Ranking([query.item, *(item for item in "abcd" if item != query.item)], np.zeros(4), 1.0),
        measures=("AP",),
        headline="AP",
    )
    assert found.per_query == pytest.approx({"a": 1, "b": 1, "c": 1 / 3, "d": 1 / 3})


def test_every_variant_of_average_precision_has_its_own_figure() -> None:
    items = {f"{n:03}": frozenset({"x"}) for n in range(150)} | {f"w{n:03}": frozenset({"y"}) for n in range(50)}
    truth = read_labels(Reading(items))
    wrong_first = sorted(items, reverse=True)
    found = evaluate(
        truth,
        lambda _: Ranking(wrong_first, np.zeros(200), 1.0),
        measures=("AP", "AP@100", "AP_min@100", "11-point"),
        headline="AP",
    )
    # Of query 000 the 149 others come behind 50 wrong ones.
    precisions = [n / (50 + n) for n in range(1, 150)]
    assert found.scores["AP"]["000"] == pytest.approx(sum(precisions) / 149)
    assert found.scores["AP@100"]["000"] == pytest.approx(sum(precisions[:50]) / 149)
    assert found.scores["AP_min@100"]["000"] == pytest.approx(sum(precisions[:50]) / 100)
    assert found.scores["11-point"]["000"] == pytest.approx(149 / 199)


def test_queries_of_their_own_are_asked_against_all_items() -> None:
    queries = source(labelled(p="x", q="y", r="z", s=""))
    truth = read_labels(Reading(labelled(a="x", b="x", c="y"), queries=queries))
    assert {query.name: set(query.judgements[""].relevant) for query in truth.queries} == {"p": {"a", "b"}, "q": {"c"}}
    assert [query.picture for query in truth.queries] == ["queries/p", "queries/q"]
    assert not any(query.removed for query in truth.queries)
    assert truth.notes == ("2 queries were left out: no item shares a label",)


def test_queries_with_equal_labels_share_one_set_of_answers() -> None:
    truth = read_labels(Reading(labelled(a="x", b="x", c="x y", d="x y", e="x")))
    first, second = truth.queries[0], truth.queries[1]
    assert first.judgements[""].relevant is second.judgements[""].relevant
    assert len({id(query.judgements[""].relevant) for query in truth.queries}) == 2


def test_classes_are_known_where_every_item_and_query_has_one_label_at_most() -> None:
    one, two = labelled(a="x", b="x", c="y", d="y", e=""), labelled(a="x", b="x y")
    truth = read_labels(Reading(one))
    assert truth.classes == {"a": "x", "b": "x", "c": "y", "d": "y"}
    assert [query.label for query in truth.queries] == ["x", "x", "y", "y"]
    for reading in (Reading(two), Reading(one, queries=source(two)), Reading(two, queries=source(one))):
        truth = read_labels(reading)
        assert not truth.classes
        assert not any(query.label for query in truth.queries)
    truth = read_labels(Reading(one, queries=source(labelled(q="y"))))
    assert (truth.classes["a"], truth.queries[0].label) == ("x", "y")


@pytest.mark.parametrize("items", [labelled(a="x", b="y"), labelled(a="", b=""), {}])
def test_a_collection_without_partners_is_refused(items: Labels) -> None:
    with pytest.raises(InvalidArgument, match="no two items share a label; add them with --labels-from-folders"):
        read_labels(Reading(items))


def test_queries_without_any_answer_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="no query shares a label with an item"):
        read_labels(Reading(labelled(a="x"), queries=source(labelled(q="y"))))


def test_labels_of_a_run_file_alone_are_not_known() -> None:
    with pytest.raises(InvalidArgument, match="needs a collection"):
        read_labels(Reading(None))


def classes(count: int) -> dict[str, frozenset[str]]:
    return {f"{at % count}/{at}.png": frozenset({f"class {at % count}"}) for at in range(2 * count)}


@pytest.mark.parametrize("count", [10, 100])
def test_cifar_has_10_or_100_classes_and_classifies(count: int) -> None:
    queries = source({f"test/{name}": labels for name, labels in classes(count).items()})
    truth = find_protocol("cifar").read(Reading(classes(count), queries=queries))
    assert len(truth.queries) == 2 * count
    assert len(set(truth.classes.values())) == count
    assert all(len(query.judgements[""].relevant) == 2 and query.label for query in truth.queries)


@pytest.mark.parametrize(
    ("items", "queries", "message"),
    [
        (classes(9), None, "has 9 classes, CIFAR 10 or 100; index CLASS/NNNN.png"),
        ({}, None, "has 0 classes"),
        (classes(10) | labelled(x=""), None, "the item x has 0 labels, CIFAR has one a picture; index CLASS/NNNN.png"),
        (classes(10) | labelled(x="a b"), None, "the item x has 2 labels"),
        (classes(10), labelled(q="a b"), "the query q has 2 labels"),
        (classes(10), labelled(q="truck"), "queries have classes that no item has: truck"),
    ],
)
def test_what_is_not_shaped_like_cifar_is_explained(items: Labels, queries: Labels | None, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        read_cifar(items, None if queries is None else source(dict(queries)))
