"""UKBench and Holidays, whose ground truth is in the names of the pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pixkin_proto.errors import InvalidArgument
from pixkin_scoring.evaluation.evaluating import Ranking, evaluate
from pixkin_scoring.evaluation.judgements import GroundTruth
from pixkin_scoring.evaluation.protocols import find_protocol
from pixkin_scoring.evaluation.protocols.protocol import Reading

from tests.scoring.evaluation.protocols.samples import unlabelled


def read(name: str, *ids: str, skip_missing: bool = False) -> GroundTruth:
    return find_protocol(name).read(Reading(unlabelled(*ids), skip_missing=skip_missing))


def ukbench(*numbers: int) -> list[str]:
    return [f"full/ukbench{number:05}.jpg" for number in numbers]


def test_n_s_counts_the_group_among_the_first_4_with_the_query() -> None:
    truth = read("ukbench", *ukbench(*range(8)))
    assert truth.include_self
    order = ukbench(0, 1, 4, 2, 5, 6, 3, 7)
    found = evaluate(
        truth, lambda _: Ranking(order, np.zeros(8), 1.0), measures=("N-S", "AP", "P@1"), headline="N-S"
    )  # fmt: skip
    assert found.per_query == dict.fromkeys(ukbench(0, 1, 2, 3), 3.0) | dict.fromkeys(ukbench(4, 5, 6, 7), 1.0)
    assert found.map == 2
    assert found.scores["AP"]["full/ukbench00000.jpg"] == pytest.approx((1 + 1 + 3 / 4 + 4 / 7) / 4)
    assert found.scores["AP"]["full/ukbench00004.jpg"] == pytest.approx((1 / 3 + 2 / 5 + 3 / 6 + 4 / 8) / 4)
    assert found.measures["P@1"] == 0.5


def test_incomplete_groups_are_refused_or_left_out() -> None:
    ids = ukbench(0, 1, 2, 3, 4, 6)
    with pytest.raises(InvalidArgument, match="lacks 2 pictures of the ground truth: ukbench00005, ukbench00007"):
        read("ukbench", *ids)
    truth = read("ukbench", *ids, skip_missing=True)
    assert [query.item for query in truth.queries] == ukbench(0, 1, 2, 3)
    assert truth.notes[1] == "2 queries were left out: group not complete"


def test_holidays_asks_with_the_first_of_each_hundred_and_takes_it_out() -> None:
    truth = read("holidays", "100000.jpg", "100001.jpg", "100002.jpg", "100100.jpg", "100101.jpg")
    assert {query.item: set(query.judgements[""].relevant) for query in truth.queries} == {
        "100000.jpg": {"100001.jpg", "100002.jpg"},
        "100100.jpg": {"100101.jpg"},
    }
    order = ["100000.jpg", "100101.jpg", "100001.jpg", "100100.jpg", "100002.jpg"]
    found = evaluate(
        truth,
        lambda _: Ranking(order, np.zeros(5), 1.0),
        measures=("AP_official", "AP", "P@1", "P@5"),
        headline="AP_official",
    )
    # Without the query itself: relevant at ranks 2 and 4, and at rank 2.
    assert found.per_query == pytest.approx({
        "100000.jpg": ((0 / 1 + 1 / 2) + (1 / 3 + 2 / 4)) / 2 / 2, "100100.jpg": (0 / 1 + 1 / 2) / 2,
    })  # fmt: skip
    assert found.scores["AP"] == pytest.approx({"100000.jpg": (1 / 2 + 2 / 4) / 2, "100100.jpg": 1 / 2})
    assert found.measures["P@1"] == 0
    assert not truth.include_self


def test_a_group_of_one_is_left_out_with_a_note() -> None:
    truth = read("holidays", "100000.jpg", "100001.jpg", "100100.jpg")
    assert len(truth.queries) == 1
    assert truth.notes == ("1 query was left out: no other picture in the group",)


def test_a_group_without_its_query_is_refused_or_left_out() -> None:
    ids = ["100000.jpg", "100001.jpg", "100101.jpg"]
    with pytest.raises(InvalidArgument, match="lacks 1 picture of the ground truth: 100100"):
        read("holidays", *ids)
    assert len(read("holidays", *ids, skip_missing=True).queries) == 1


@pytest.mark.parametrize("name", ["ukbench", "holidays"])
def test_items_of_other_names_are_listed(name: str) -> None:
    right = ukbench(0, 1, 2, 3) if name == "ukbench" else ["100000.jpg"]
    with pytest.raises(
        InvalidArgument, match=r"has items of other names: cat\.jpg, dogs/1\.jpg; the pictures are named"
    ):
        read(name, "cat.jpg", "dogs/1.jpg", *right)


@pytest.mark.parametrize("name", ["ukbench", "holidays"])
def test_an_empty_collection_and_none_are_refused(name: str) -> None:
    protocol = find_protocol(name)
    with pytest.raises(InvalidArgument, match="the collection is empty"):
        protocol.read(Reading({}))
    with pytest.raises(InvalidArgument, match="needs a collection"):
        protocol.read(replace(Reading({}), items=None))


@pytest.mark.parametrize("name", ["ukbench", "holidays"])
def test_a_picture_that_is_there_twice_is_refused(name: str) -> None:
    ids = ukbench(0, 1, 2, 3) if name == "ukbench" else ["100000.jpg", "100001.jpg"]
    with pytest.raises(InvalidArgument, match=r"may be .*copy/"):
        read(name, *ids, f"copy/{ids[0].rpartition('/')[2]}")
