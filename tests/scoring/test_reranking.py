"""Rankings after every kind of plan."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pixkin_scoring.examples import QueryVector
from pixkin_scoring.plan import Plan, resolve_plan
from pixkin_scoring.rerankers import RERANKERS
from pixkin_scoring.search import search
from pixkin_scoring.stores import Store, open_store

from tests.scoring.collections_of_vectors import fill, items
from tests.scoring.conftest import MANY
from tests.scoring.plans import COSINE, PLANS

QUERY = [QueryVector(id="i0021")]
PAGES = [(0, 1), (0, 10), (90, 20), (0, 150), (195, 10), (495, 10), (990, 20), (1240, 30), (0, MANY)]
DROPPING = {"collapse"}

every_plan = pytest.mark.parametrize("plan", PLANS.values(), ids=list(PLANS))
growing = {name: plan for name, plan in PLANS.items() if ":" not in plan.candidates}


@pytest.mark.parametrize("plan", growing.values(), ids=list(growing))
def test_a_page_is_a_part_of_the_whole_ranking(searched: Store, plan: Plan) -> None:
    whole = search(searched, "many", QUERY, replace(plan, size=2 * MANY)).hits
    for offset, size in PAGES:
        page = search(searched, "many", QUERY, replace(plan, size=size, offset=offset)).hits
        assert list(page.ids) == list(whole.ids[offset : offset + size])
        np.testing.assert_allclose(page.scores, whole.scores[offset : offset + size], rtol=1e-9)
        assert [hit.rank for hit in page] == list(range(offset + 1, offset + 1 + len(page)))


@every_plan
def test_hits_are_distinct_and_scores_finite_not_negative_and_descending(searched: Store, plan: Plan) -> None:
    result = search(searched, "many", QUERY, replace(plan, size=40))
    assert len(set(result.hits.ids)) == len(result.hits.ids) == 40
    assert np.isfinite(result.hits.scores).all()
    assert np.isfinite(result.hits.values).all()
    assert (result.hits.scores >= 0).all()
    assert (np.diff(result.hits.scores) <= 0).all()
    assert "i0021" not in result.hits.ids


@every_plan
def test_the_plan_of_a_reply_gives_the_same_reply(searched: Store, plan: Plan) -> None:
    first = search(searched, "many", QUERY, replace(plan, size=40))
    again = search(searched, "many", QUERY, first.plan)
    assert again.plan == first.plan == resolve_plan(first.plan, searched.describe("many")).plan
    assert again.hits == first.hits


@pytest.mark.parametrize("entry", RERANKERS.values(), ids=list(RERANKERS))
def test_candidates_behind_those_that_a_stage_looks_at_keep_their_order(searched: Store, entry: object) -> None:
    [name] = [name for name, found in RERANKERS.items() if found is entry]
    [text] = PLANS[f"{name} cosine"].rerank
    limit = ",".join(f"{key}=5" for key in ("k", "k1") if key in RERANKERS[name].options)
    stage = f"{text}{',' if ':' in text else ':'}top=30{',' if limit else ''}{limit}"
    before = search(searched, "many", QUERY, replace(COSINE, size=MANY)).hits
    after = search(searched, "many", QUERY, replace(COSINE, rerank=(stage,), size=MANY)).hits
    kept = len(after.ids) - (len(before.ids) - 30)
    assert list(after.ids[kept:]) == list(before.ids[30:])
    assert set(after.ids[:kept]) <= set(before.ids[:30])
    assert kept == 30 or name in DROPPING
    assert (np.diff(after.scores) <= 0).all()
    values = dict(zip(before.ids, before.values, strict=True))
    np.testing.assert_allclose(after.values, [values[item] for item in after.ids], rtol=0, atol=1e-12)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Store]:
    """A store of its own."""
    with closing(open_store(str(tmp_path / "store"))) as store:
        yield store


@pytest.mark.parametrize("count", [0, 1, 2])
@every_plan
def test_collections_of_almost_nothing_are_searched(small: Store, plan: Plan, count: int) -> None:
    fill(small, "c", count)
    vectors = items(31)[30].vectors
    expand = plan.expand.replace("n=4", "n=1").replace("n=3", "n=1") if count else ""
    plan = replace(plan, expand=expand, rerank=tuple(text.partition(",k1")[0] for text in plan.rerank))
    plan = replace(plan, rerank=tuple(text.replace("top=30", "top=200") for text in plan.rerank))
    found = search(small, "c", [QueryVector(dict(vectors))], plan).hits
    assert sorted(found.ids) == [f"i{number:04}" for number in range(count)]
    if count:
        left = search(small, "c", [QueryVector(id="i0000")], plan).hits
        assert list(left.ids) == ["i0001"][: count - 1]


@every_plan
def test_a_filter_that_nothing_fits_finds_nothing(searched: Store, plan: Plan) -> None:
    result = search(searched, "many", QUERY, replace(plan, filter=("label=none",)))
    assert result.hits == ()


@every_plan
def test_a_removed_item_is_never_found_again(small: Store, plan: Plan) -> None:
    fill(small, "c", 60)
    asked = replace(plan, size=40)
    gone = list(search(small, "c", QUERY, replace(asked, size=5)).hits.ids)
    small.remove("c", gone, deadline=math.inf)
    found = search(small, "c", QUERY, asked).hits.ids
    assert not set(gone) & set(found)
    assert len(found) == 40


@pytest.mark.parametrize("queries", ["vector", "several"])
@every_plan
def test_vectors_and_several_examples_go_through_every_stage(searched: Store, plan: Plan, queries: str) -> None:
    vectors = items(60)[55].vectors
    asked = [QueryVector(dict(vectors))]
    if queries == "several":
        asked += [QueryVector(id="i0003", weight=0.5), QueryVector(id="i0002", weight=-0.3)]
    hits = search(searched, "many", asked, replace(plan, size=30)).hits
    assert len(hits) == 30
    assert {"i0002", "i0003"} & set(hits.ids) == set() or queries == "vector"
