"""The searches of an evaluation: whole rankings, strictly by the plan, without what a ranking does not need."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pixkin_proto.errors import InvalidArgument
from pixkin_scoring.evaluation.judgements import JudgedQuery
from pixkin_scoring.plan import DescriptorChoice, Plan
from pixkin_scoring.results import Hit, Hits
from pixkin_server.api import Query
from pixkin_server.evaluation.examples import Examples
from pixkin_server.evaluation.searching import Searching
from pixkin_server.evaluation.task import Settings, read_task, search_task

GAP = Plan(descriptors=(DescriptorChoice("gap"),))


def test_a_plan_that_may_skip_stages_or_shards_is_run_without_that(service: Any) -> None:
    lenient = replace(GAP, fit_deadline=True, allow_partial=True, size=3, offset=2, include_self=True)
    task = read_task(service, "labels", "photos", (), Settings())
    outcome = search_task(service, task, lenient)
    assert len(service.plans) == len(outcome.evaluation.per_query) == 24
    for plan in (*service.plans, outcome.plan):
        assert (plan.fit_deadline, plan.allow_partial, plan.include_self, plan.omit_labels) == (
            False,
            False,
            False,
            True,
        )
        assert (plan.size, plan.offset) == (24, 0)
    assert outcome.evaluation.per_query == search_task(service, task, GAP).evaluation.per_query
    assert outcome.evaluation.measures["1-NN accuracy"] == 1


@pytest.mark.parametrize("include_self", [False, True])
def test_a_ranking_is_whole_and_has_the_query_as_the_protocol_says(service: Any, *, include_self: bool) -> None:
    search = Searching(service, "photos", GAP, Examples(service, "photos"), include_self=include_self)
    ranking = search(JudgedQuery("q", {}, item="red/1.jpg"))
    everything = {item.id for item in service.list_items("photos")}
    assert set(ranking.ids) == everything - (set() if include_self else {"red/1.jpg"})
    assert len(ranking.values) == len(ranking.ids)
    assert (np.diff(ranking.values) <= 0).all()
    assert ranking.ms > 0
    assert search.ran.candidates == "exact:depth=100"


def test_hits_without_labels_are_the_same_hits(service: Any) -> None:
    query = [Query(id="grey/0.jpg")]
    whole = replace(GAP, size=24)
    labelled, bare = (service.search("photos", query, replace(whole, omit_labels=omit)).hits for omit in (False, True))
    assert isinstance(bare, Hits)
    assert {hit.labels for hit in labelled} == {
        (name,) for name in ("blue", "green", "grey", "red", "violet", "yellow")
    }
    assert tuple(bare) == tuple(replace(hit, labels=()) for hit in labelled)
    assert bare[-1] == Hit(23, bare.ids[22], bare.scores[22], bare.values[22])
    page = service.search("photos", query, replace(whole, omit_labels=True, size=4, offset=5)).hits
    assert page == bare[5:9]
    assert page[0].rank == 6


def test_a_picture_is_encoded_once_by_every_extractor_however_often_it_is_searched(service: Any, photos: Path) -> None:
    asked = JudgedQuery("q", {}, picture=str(photos / "red" / "2.jpg"), box=(0, 0, 40, 40))
    kept, fresh = (Examples(service, "photos", keep=keep) for keep in (True, False))
    for name in ("gap", "histogram"):
        plan = Plan(descriptors=(DescriptorChoice(name),))
        rankings = [Searching(service, "photos", plan, examples)(asked) for examples in (kept, kept, fresh)]
        for ranking in rankings[1:]:
            assert list(ranking.ids) == list(rankings[0].ids)
            assert ranking.values.tolist() == rankings[0].values.tolist()
    assert service.embedded == ["efficientnet-lite0", "hsv-histogram"]


def test_a_picture_is_found_by_its_name_below_a_folder(service: Any, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "v07.jpg").write_bytes((photos / "red" / "2.jpg").read_bytes())
    there, nowhere = (Examples(service, "vectors", images=images) for images in (tmp_path, None))
    boxed = JudgedQuery("q", {}, item="v07", box=(0, 0, 9, 9))
    assert there.file(boxed) == tmp_path / "deep" / "v07.jpg"
    assert nowhere.file(boxed) is None
    with pytest.raises(InvalidArgument, match=r"the picture of query q is not at hand.*--images.*--area whole"):
        nowhere.query(boxed)


def test_distractors_are_checked_before_anything_is_searched(service: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"vectors has no descriptor efficientnet-lite0.gap"):
        Searching(service, "photos", GAP, Examples(service, "photos"), distractors=["vectors"])
    assert service.plans == []
