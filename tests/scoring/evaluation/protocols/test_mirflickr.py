"""MIRFLICKR-25k."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pixkin_proto.errors import InvalidArgument
from pixkin_scoring.evaluation.evaluating import Ranking, evaluate
from pixkin_scoring.evaluation.protocols.mirflickr import MIRFLICKR, draw_queries, read_mirflickr

from tests.scoring.evaluation.protocols.samples import mirflickr, unlabelled, write_lists


def number(item: str) -> int:
    return int(item.removeprefix("mirflickr/im").removesuffix(".jpg"))


def test_100_queries_have_a_label_and_are_in_no_ranking(tmp_path: Path) -> None:
    truth = read_mirflickr(mirflickr(tmp_path))
    asked = {query.item for query in truth.queries}
    assert len(asked) == 100
    assert all(number(item) <= 180 for item in asked)
    assert all(query.removed == asked for query in truth.queries)
    assert truth.notes == ("100 queries of 180 pictures with a label, drawn with seed 0",)


def test_relevant_is_what_shares_a_label_of_the_level_and_equal_queries_share_a_set(tmp_path: Path) -> None:
    for level, sky, dog in (
        ("relevant", range(1, 121), range(101, 181)),
        ("potential", range(1, 141), range(101, 201)),
    ):
        truth = read_mirflickr(replace(mirflickr(tmp_path), level=level))
        for query in truth.queries:
            mine = [numbers for numbers in (sky, dog) if number(query.item) in numbers]
            assert {number(item) for item in query.judgements[""].relevant} == set().union(*mine)
        assert len({id(query.judgements[""].relevant) for query in truth.queries}) <= 3


def test_the_narrow_level_is_the_default(tmp_path: Path) -> None:
    reading = mirflickr(tmp_path)
    assert read_mirflickr(reading) == read_mirflickr(replace(reading, level="relevant"))
    assert MIRFLICKR.levels[0] == "relevant"


def test_each_variant_of_average_precision_has_its_own_figure(tmp_path: Path) -> None:
    # 1,100 pictures have one label, so 1,000 are left as answers; the ranking begins with 50 without a label.
    folder = write_lists(tmp_path / "sky alone", {"sky_r1": range(1, 1101)})
    items = unlabelled(*(f"im{n}.jpg" for n in range(1, 1151)))
    reading = replace(mirflickr(tmp_path), ground_truth=folder, items=items)
    order = [f"im{n}.jpg" for n in range(1150, 0, -1)]
    found = evaluate(
        read_mirflickr(reading),
        lambda _: Ranking(order, np.zeros(1150), 1.0),
        measures=MIRFLICKR.measures,
        headline=MIRFLICKR.headline,
    )
    precisions = [n / (50 + n) for n in range(1, 1001)]
    assert found.measures == pytest.approx({
        "mAP@100": sum(precisions[:50]) / 1000,
        "mAP_min@100": sum(precisions[:50]) / 100,
        "mAP": sum(precisions) / 1000,
        "P@10": 0,
        "P@100": 0.5,
        "nDCG@100": sum(1 / np.log2(rank + 1) for rank in range(51, 101))
        / sum(1 / np.log2(rank + 1) for rank in range(1, 101)),
    })  # fmt: skip


def test_the_same_seed_draws_the_same_queries_in_whatever_order_the_items_come() -> None:
    labels = {f"im{n}": frozenset({f"label {n % 7}"}) for n in range(1000)}
    first = draw_queries(labels, 3)
    assert draw_queries(dict(reversed(labels.items())), 3) == first
    assert draw_queries(labels, 4) != first


def test_the_labels_of_the_queries_have_the_shares_of_the_set() -> None:
    draw = np.random.default_rng(0)
    names = [f"label {n}" for n in range(24)]
    has = draw.random((5000, 24)) < np.linspace(0.02, 0.4, 24)
    labels = {f"im{n}": frozenset(np.array(names)[row]) for n, row in enumerate(has) if row.any()}
    for seed in range(3):
        asked = draw_queries(labels, seed)
        shares = [np.mean([name in labels[item] for item in asked]) for name in names]
        of_all = [np.mean([name in found for found in labels.values()]) for name in names]
        # One draw is off by about 0.65, that of 200 which fits best by about 0.4.
        assert np.abs(np.subtract(shares, of_all)).sum() < 0.5


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"sky_r1": [1, "im2"]}, "sky_r1.txt, line 2: 'im2' is no number of a picture"),
        ({"sky_r1": [1, 2, 1]}, "sky_r1.txt, line 3: 1 stands in line 1 already"),
        ({"sky_r1": [], "dog_r1": range(1, 100)}, "99 pictures have a label; mirflickr draws 100"),
        ({"sky_r1": [5000]}, "lacks 1 picture of the ground truth: im5000"),
    ],
)
def test_wrong_annotations_say_what_is_wrong_and_where(
    tmp_path: Path, lists: dict[str, Iterable[object]], message: str
) -> None:
    reading = mirflickr(tmp_path)
    write_lists(tmp_path / "annotations", lists)
    with pytest.raises(InvalidArgument, match=message):
        read_mirflickr(reading)


def test_a_folder_without_the_asked_level_is_explained(tmp_path: Path) -> None:
    reading = mirflickr(tmp_path)
    for path in (tmp_path / "annotations").glob("*_r1.txt"):
        path.unlink()
    with pytest.raises(InvalidArgument, match=r"has no file LABEL_r1\.txt of level relevant"):
        read_mirflickr(reading)
