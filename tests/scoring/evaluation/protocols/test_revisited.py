"""ROxford and RParis."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pixkin_proto.errors import InvalidArgument
from pixkin_scoring.evaluation.evaluating import Ranking, evaluate
from pixkin_scoring.evaluation.protocols.revisited import REVISITED, read_revisited

from tests.scoring.evaluation.protocols.samples import revisited, revisited_content

Change = Callable[[dict[str, Any]], object]


def ids(*names: str) -> list[str]:
    return [f"jpg/{name}.jpg" for name in names]


def test_each_setup_has_its_own_answers_and_junk_and_figures(tmp_path: Path) -> None:
    truth = read_revisited(revisited(tmp_path))
    order = ids("q_0", "im_2", "im_4", "im_0", "q_1", "im_5", "im_1", "im_3")
    found = evaluate(
        truth,
        lambda _: Ranking(order, np.zeros(8), 1.0),
        measures=REVISITED.measures,
        headline=REVISITED.headline,
    )
    # The queries are out of all rankings: 2 4 0 5 1 3 remain. Of q_0: 0 is easy, 1 hard, 2 junk.
    assert {name: by["q_0"] for name, by in found.scores.items() if "AP" in name} == {
        "AP_official_easy": pytest.approx((0 / 1 + 1 / 2) / 2),  # 4 [0] 5 3
        "AP_easy": pytest.approx(1 / 2),
        "AP_official_medium": pytest.approx(((0 / 1 + 1 / 2) + (1 / 3 + 2 / 4)) / 2 / 2),  # 4 [0] 5 [1] 3
        "AP_medium": pytest.approx((1 / 2 + 2 / 4) / 2),
        "AP_official_hard": pytest.approx((0 / 2 + 1 / 3) / 2),  # 4 5 [1] 3
        "AP_hard": pytest.approx(1 / 3),
    }
    assert found.scores["P_revisited@10_medium"]["q_0"] == pytest.approx(2 / 4)
    assert found.scores["P_revisited@1_easy"]["q_0"] == 0
    assert found.map == pytest.approx(np.mean(list(found.scores["AP_official_medium"].values())))


def test_a_query_without_an_answer_is_left_out_of_that_setup_alone(tmp_path: Path) -> None:
    truth = read_revisited(revisited(tmp_path))
    order = ids(*(f"im_{n}" for n in range(6)))
    found = evaluate(
        truth, lambda _: Ranking(order, np.zeros(6), 1.0), measures=("AP",), headline="AP_medium"
    )  # fmt: skip
    assert {name: sorted(by) for name, by in found.scores.items()} == {
        "AP_easy": ["q_0", "q_1"], "AP_medium": ["q_0", "q_1"], "AP_hard": ["q_0"],
    }  # fmt: skip


def test_pictures_of_all_queries_are_removed_and_boxes_are_for_crops_alone(tmp_path: Path) -> None:
    reading = revisited(tmp_path)
    whole, cut = read_revisited(reading), read_revisited(replace(reading, crop=True))
    assert all(query.removed == set(ids("q_0", "q_1")) for query in whole.queries)
    assert [query.box for query in whole.queries] == [None, None]
    assert [query.box for query in cut.queries] == [(10, 20, 100.5, 50), (0, 0, 5, 5)]
    assert [query.item for query in cut.queries] == ids("q_0", "q_1")


def test_a_run_file_alone_is_judged_by_the_names_of_the_file(tmp_path: Path) -> None:
    truth = read_revisited(replace(revisited(tmp_path), items=None))
    assert truth.queries[0].judgements["medium"].relevant == {"im_0", "im_1"}


def test_places_may_be_arrays_of_any_number_type(tmp_path: Path) -> None:
    reading, content = revisited(tmp_path), revisited_content()
    for dtype in (np.uint16, np.int64, ">i4", np.float64):
        for entry in content["gnd"]:
            entry |= {key: np.array(entry[key], dtype) for key in ("easy", "hard", "junk")}
            entry["bbx"] = np.array(entry["bbx"])
        (tmp_path / "gnd.pkl").write_bytes(pickle.dumps(content | {"imlist": np.array(content["imlist"])}))
        assert read_revisited(reading).queries[0].judgements["easy"].relevant == set(ids("im_0"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("qimlist"), "holds no dictionary of the lists gnd, imlist and qimlist"),
        (lambda c: c.update(gnd={}), "holds no dictionary of the lists"),
        (lambda c: c["qimlist"].pop(), "qimlist has 1 pictures, gnd 2 queries"),
        (lambda c: c["imlist"].append("im_0"), r"imlist\[6\]: im_0 is there twice"),
        (lambda c: c["qimlist"].append(7), r"qimlist\[2\]: 7 is no name of a picture"),
        (lambda c: c["gnd"][1].pop("hard"), r"gnd\[1\] has not the lists bbx, easy, hard and junk"),
        (lambda c: c["gnd"][1].update(bbx=[0, 0, 0, 5]), r"gnd\[1\]: bbx \[0, 0, 0, 5\] is not x1, y1, x2, y2"),
        (lambda c: c["gnd"][1].update(bbx=[0, 0, 5]), r"gnd\[1\]: bbx"),
        (lambda c: c["gnd"][0]["hard"].append(6), r"gnd\[0\], hard: 6 is no place in imlist, which has 0 to 5"),
        (lambda c: c["gnd"][0]["hard"].append(-1), r"gnd\[0\], hard: -1 is no place"),
        (lambda c: c["gnd"][0]["hard"].append("im_3"), r"gnd\[0\], hard: 'im_3' is no place"),
        (lambda c: c["gnd"][0]["hard"].append(1.5), r"1.5 is no place"),
        (lambda c: c["gnd"][0]["junk"].append(0), r"gnd\[0\]: im_0 is in easy and again in junk"),
    ],
)
def test_a_wrong_file_says_what_is_wrong_and_where(tmp_path: Path, change: Change, message: str) -> None:
    reading, content = revisited(tmp_path), revisited_content()
    change(content)
    (tmp_path / "gnd.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(InvalidArgument, match=message):
        read_revisited(reading)
