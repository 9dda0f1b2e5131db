"""Oxford5k: by hand, and the official program's figures for real features."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pixkin_proto.errors import InvalidArgument
from pixkin_scoring.evaluation.evaluating import Evaluation, Ranking, evaluate
from pixkin_scoring.evaluation.judgements import GroundTruth, JudgedQuery
from pixkin_scoring.evaluation.protocols.oxford import OXFORD, read_oxford
from pixkin_scoring.evaluation.protocols.protocol import Reading

from tests.scoring.evaluation.protocols.samples import oxford, unlabelled, write_lists


def rated(truth: GroundTruth, *ids: str) -> Evaluation:
    return evaluate(
        truth,
        lambda _: Ranking(ids, np.zeros(len(ids)), 1.0),
        measures=OXFORD.measures,
        headline=OXFORD.headline,
    )


def test_each_variant_of_average_precision_has_its_own_figure(tmp_path: Path) -> None:
    found = rated(read_oxford(oxford(tmp_path)), *(f"oxford/hall_{n}.jpg" for n in (1, 4, 5, 2, 6, 3)))
    # Relevant are 1 (the query itself), 2 and 3; 4 is junk: ranks 1, 3, 5 without it and 1, 4, 6 with it.
    assert {name: by["hall_1"] for name, by in found.scores.items() if "AP" in name or name == "11-point"} == {
        "AP_official": pytest.approx(((1 + 1) + (1 / 2 + 2 / 3) + (2 / 4 + 3 / 5)) / 2 / 3),
        "AP": pytest.approx((1 + 2 / 3 + 3 / 5) / 3),
        "AP_official_wrong": pytest.approx(((1 + 1) + (1 / 3 + 2 / 4) + (2 / 5 + 3 / 6)) / 2 / 3),
        "AP_wrong": pytest.approx((1 + 2 / 4 + 3 / 6) / 3),
        "11-point": pytest.approx((4 * 1 + 4 * 2 / 3 + 3 * 3 / 5) / 11),
    }
    assert found.map == found.scores["AP_official"]["hall_1"]


def test_the_query_stays_in_its_ranking_and_its_box_is_for_crops_alone(tmp_path: Path) -> None:
    whole, cut = (read_oxford(replace(oxford(tmp_path), crop=crop)) for crop in (False, True))
    assert whole.include_self
    assert (whole.queries[0].item, whole.queries[0].box) == ("oxford/hall_1.jpg", None)
    assert cut.queries[0].box == (10, 20, 100.5, 50)


def test_paris_names_its_pictures_without_a_prefix(tmp_path: Path) -> None:
    reading = oxford(tmp_path)
    write_lists(tmp_path / "gt_files", {"hall_1_query": ["hall_1 10 20 110.5 70"]})
    assert read_oxford(reading).queries[0].item == "oxford/hall_1.jpg"


def test_a_query_whose_picture_is_missing_is_left_out_and_counted(tmp_path: Path) -> None:
    reading = replace(oxford(tmp_path), skip_missing=True)
    write_lists(tmp_path / "gt_files", {"lost_1_query": ["lost_1 0 0 9 9"], "lost_1_good": ["hall_2"]})
    write_lists(tmp_path / "gt_files", {"lost_1_ok": [], "lost_1_junk": []})
    truth = read_oxford(reading)
    assert [query.name for query in truth.queries] == ["hall_1"]
    assert truth.notes[1] == "1 query was left out: picture not in the collection"
    with pytest.raises(InvalidArgument, match="lacks 1 picture of the ground truth: lost_1"):
        read_oxford(replace(reading, skip_missing=False))


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"hall_1_query": ["hall_1 10 20 110"]}, "hall_1_query.txt, line 1: .* is not PICTURE x1 y1 x2 y2"),
        ({"hall_1_query": ["hall_1 10 20 110 a"]}, "line 1"),
        ({"hall_1_query": ["hall_1 10 20 10 70"]}, "line 1: .*x1 < x2"),
        ({"hall_1_query": ["hall_1 10 20 nan 70"]}, "line 1"),
        ({"hall_1_query": []}, "hall_1_query.txt has 0 lines"),
        ({"hall_1_query": ["a 0 0 1 1", "b 0 0 1 1"]}, "has 2 lines"),
        ({"hall_2_query": ["hall_2 0 0 1 1"]}, "lacks hall_2_good.txt, hall_2_junk.txt, hall_2_ok.txt"),
        ({"hall_1_ok": ["hall_3", "hall_5", "hall_3"]}, "hall_1_ok.txt, line 3: hall_3 stands in line 1 already"),
        ({"hall_1_junk": ["hall_4", "hall_2"]}, "hall_2 is in hall_1_good.txt and in hall_1_junk.txt"),
        ({"hall_1_junk": ["hall_77"]}, "lacks 1 picture of the ground truth: hall_77"),
    ],
)
def test_a_wrong_file_says_what_is_wrong_and_where(
    tmp_path: Path, lists: dict[str, Iterable[object]], message: str
) -> None:
    reading = oxford(tmp_path)
    write_lists(tmp_path / "gt_files", lists)
    with pytest.raises(InvalidArgument, match=message):
        read_oxford(reading)


def test_a_name_that_two_folders_hold_is_refused(tmp_path: Path) -> None:
    reading = oxford(tmp_path)
    items = unlabelled(*(reading.items or ()), "copy/hall_2.png")
    with pytest.raises(InvalidArgument, match=r"hall_2 .* may be copy/hall_2.png or oxford/hall_2.jpg"):
        read_oxford(replace(reading, items=items))


def test_the_official_figures_of_real_features_come_out_to_6_digits(data: Path) -> None:
    folder = data / "oxford5k"
    names = (folder / "names.txt").read_text().split()
    rows = np.fromfile(folder / "oxford_features.fvecs", np.float32).reshape(len(names), -1)[:, 1:].astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    place = {name: at for at, name in enumerate(names)}

    def search(query: JudgedQuery) -> Ranking:
        values = rows @ rows[place[query.item]]
        order = np.lexsort((names, -values))
        return Ranking([names[at] for at in order], values[order], 1.0)

    truth = read_oxford(Reading(unlabelled(*names), ground_truth=folder / "gt_files", crop=True))
    found = evaluate(truth, search, measures=OXFORD.measures, headline=OXFORD.headline)
    official = json.loads((folder / "official_ap.json").read_text())
    assert found.per_query == pytest.approx(official["l2"], abs=1e-6)
    assert found.map == pytest.approx(0.402921, abs=1e-6)
    assert len({round(found.measures[f"m{name}"], 6) for name in found.scores if name.startswith("AP")}) == 4
