"""Searches with several descriptors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pixkin_scoring.examples import QueryVector
from pixkin_scoring.fusing import fused
from pixkin_scoring.fusion import FUSIONS
from pixkin_scoring.measures import values
from pixkin_scoring.plan import FUSION_RULE, Plan
from pixkin_scoring.query import CandidateSearch, ScoringQuery
from pixkin_scoring.search import search
from pixkin_scoring.stores import Store, open_store

from tests.scoring.collections_of_vectors import fill, items
from tests.scoring.conftest import MANY
from tests.scoring.plans import BOTH, CHI2, COSINE

ITEMS = {item.id: item for item in items(MANY)}
QUERY = [QueryVector(id="i0021")]
every_fusion = pytest.mark.parametrize("name", FUSIONS)


def ranked(store: Store, plan: Plan, **parts: object) -> list[str]:
    return list(search(store, "many", QUERY, replace(plan, size=MANY, **parts)).hits.ids)  # type: ignore[arg-type]  # fields by name


@every_fusion
@pytest.mark.parametrize("top", [1, 30, 1300])
def test_the_first_of_each_descriptor_are_fused_by_their_true_scores_and_the_others_follow(
    searched: Store, name: str, top: int
) -> None:
    parts = [search(searched, "many", QUERY, replace(plan, size=MANY)).hits for plan in (COSINE, CHI2)]
    union = sorted({item for hits in parts for item in hits.ids[:top]})
    scores = [dict(zip(hits.ids, hits.scores, strict=True)) for hits in parts]
    rows = np.array([[each[item] for item in union] for each in scores])
    total = FUSIONS[name].fuse(rows, np.array([2 / 3, 1 / 3]), FUSION_RULE.parse(name).options)
    ranks = [{item: rank for rank, item in enumerate(hits.ids)} for hits in parts]
    behind = sorted(ITEMS.keys() - {*union, "i0021"}, key=lambda item: (min(each[item] for each in ranks), item))
    hits = search(searched, "many", QUERY, replace(BOTH, fuse=f"{name}:top={top}", size=MANY)).hits
    assert list(hits.ids) == [union[at] for at in np.argsort(-total, kind="stable")] + behind
    np.testing.assert_allclose(hits.scores[: len(union)], np.sort(total)[::-1], rtol=0, atol=1e-9)
    assert (np.diff(hits.scores) <= 0).all()
    assert (hits.scores >= 0).all()
    assert hits.values.tolist() == hits.scores.tolist()


@every_fusion
def test_copies_stay_in_the_order_of_their_ids(searched: Store, name: str) -> None:
    found = ranked(searched, BOTH, fuse=name)
    places = {item: at for at, item in enumerate(found)}
    copies = [(f"i{n - 1:04}", f"i{n:04}") for n in range(9, MANY, 10)]
    assert all(places[first] < places[second] for first, second in copies)


def test_a_weight_moves_the_ranking_towards_its_descriptor(searched: Store) -> None:
    alone = ranked(searched, COSINE)[:10]
    shared = []
    for weight in (1e-4, 1, 1e4):
        choices = (replace(BOTH.descriptors[0], weight=weight), BOTH.descriptors[1])
        shared.append(len(set(alone) & set(ranked(searched, BOTH, descriptors=choices, fuse="weighted:top=1300")[:10])))
    assert shared == sorted(shared)
    assert shared[0] < shared[-1] == 10


def test_weights_count_in_proportion_alone(searched: Store) -> None:
    for name in FUSIONS:
        for scale in (1e6, 1e308, 1e-308):
            large = tuple(replace(each, weight=scale) for each in BOTH.descriptors)
            same = tuple(replace(each, weight=1.0) for each in BOTH.descriptors)
            scaled = ranked(searched, BOTH, fuse=name, descriptors=large)
            assert ranked(searched, BOTH, fuse=name, descriptors=same) == scaled


def test_later_stages_see_the_weighted_mean_of_the_likenesses(searched: Store) -> None:
    searches = [
        CandidateSearch("many", ScoringQuery(name, measure, ITEMS["i0021"].vectors[name].astype(np.float64)), 50)
        for name, measure in (("signed", "cosine"), ("mass", "chi2"))
    ]
    found = [
        searched.candidates("many", each.query, depth=50, filters=(), vectors=vectors)
        for each, vectors in zip(searches, (50, 0), strict=True)
    ]
    ranking = fused(searched, searches, found, [3, 1], FUSION_RULE.parse("rrf"), 50, 20, math.inf)
    assert len(ranking.vectors) == 20
    rows = [[ITEMS[item].vectors[name] for item in ranking.ids[:20]] for name in ("signed", "mass")]
    for at in range(20):
        cosine = values("cosine", rows[0][at], np.array(rows[0]))
        overlap = np.exp(-values("bhattacharyya", rows[1][at], np.array(rows[1])))
        np.testing.assert_allclose(ranking.vectors @ ranking.vectors[at], (3 * cosine + overlap) / 4, atol=1e-6)
    assert np.linalg.norm(ranking.query) == pytest.approx(1)


def test_labels_of_all_hits_come_along(searched: Store) -> None:
    hits = search(searched, "many", QUERY, replace(BOTH, size=40)).hits
    assert [frozenset(hit.labels) for hit in hits] == [ITEMS[hit.id].labels for hit in hits]


@pytest.mark.parametrize("rerank", [(), ("mmr",)])
def test_items_that_are_removed_while_a_search_runs_are_left_out_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rerank: tuple[str, ...]
) -> None:
    with closing(open_store(str(tmp_path / "store"))) as store:
        fill(store, "many", 60)
        plan = replace(BOTH, fuse="weighted:top=20", rerank=rerank, size=60)
        gone = search(store, "many", QUERY, plan).hits.ids[:55:2]
        found = store.candidates_batch

        def candidates_batch(searches: Sequence[CandidateSearch], **options: float) -> object:
            answers = found(searches, **options)
            store.remove("many", gone, deadline=math.inf)
            return answers

        monkeypatch.setattr(store, "candidates_batch", candidates_batch)
        hits = search(store, "many", QUERY, plan).hits
    assert set(hits.ids) >= {item.id for item in items(60)} - {"i0021", *gone}
    assert (np.diff(hits.scores) <= 0).all()
