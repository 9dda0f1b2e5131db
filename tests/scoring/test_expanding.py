"""Searches with an expanded query, against the two passes written in numpy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_scoring.examples import QueryVector
from pixkin_scoring.expansion import EXPANSIONS
from pixkin_scoring.measures import MEASURES, Better, values
from pixkin_scoring.plan import Plan
from pixkin_scoring.search import search
from pixkin_scoring.stores import Store

from tests.scoring.collections_of_vectors import COLOURS, items
from tests.scoring.conftest import MANY
from tests.scoring.plans import BOTH, CHI2, COSINE

Floats = NDArray[np.float64]
ITEMS = items(MANY)
IDS = [item.id for item in ITEMS]
ROWS = {name: np.array([item.vectors[name] for item in ITEMS], np.float64) for name in ("signed", "mass")}
WHOLE = {"size": MANY}


def order_of(found: Floats, measure: str) -> list[int]:
    """Return the places of all items, best first, ties by id."""
    sign = 1 if MEASURES[measure].better is Better.LOW else -1
    return sorted(range(MANY), key=lambda at: (sign * found[at], IDS[at]))


def units(rows: Floats, measure: str) -> Floats:
    sizes = rows.sum(-1, keepdims=True) if measure == "chi2" else np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows / np.where(sizes > 0, sizes, 1)


def likeness(query: Floats, rows: Floats, measure: str) -> Floats:
    """The cosine, or of distributions the sum of Bhattacharyya; not below 0."""
    one, other = (
        (np.sqrt(units(each, measure)) if measure == "chi2" else units(each, measure)) for each in (query, rows)
    )
    return np.maximum(other @ one, 0)


def second_query(query: Floats, name: str, measure: str, *, n: int, a: float, own: set[str]) -> Floats:
    """Return the query and its n best answers beside its own items, averaged by likeness to the a."""
    rows = ROWS[name]
    best = [at for at in order_of(values(measure, query, rows), measure) if IDS[at] not in own][:n]
    weights = likeness(query, rows[best], measure) ** a
    parts = np.concatenate([units(query, measure)[np.newaxis], weights[:, np.newaxis] * units(rows[best], measure)])
    return parts.sum(axis=0)


def expected(query: Floats, name: str, measure: str, *, n: int, a: float, own: set[str]) -> tuple[list[str], Floats]:
    found = values(measure, second_query(query, name, measure, n=n, a=a, own=own), ROWS[name])
    order = order_of(found, measure)
    return [IDS[at] for at in order], found[order]


@pytest.mark.parametrize(
    ("expand", "n", "a"), [("average:n=5", 5, 0), ("alpha:n=7,a=2.5", 7, 2.5), ("alpha:a=0", 10, 0)]
)
@pytest.mark.parametrize(("plan", "name", "measure"), [(COSINE, "signed", "cosine"), (CHI2, "mass", "chi2")])
@pytest.mark.parametrize("place", [3, 9, 640])
def test_the_mean_of_the_query_and_its_answers_ranks_the_whole_collection(
    searched: Store, plan: Plan, name: str, measure: str, expand: str, n: int, a: float, place: int
) -> None:
    query = QueryVector({name: ROWS[name][place].astype(np.float32)})
    hits = search(searched, "many", [query], replace(plan, expand=expand, **WHOLE)).hits
    ids, found = expected(ROWS[name][place], name, measure, n=n, a=a, own=set())
    np.testing.assert_allclose(hits.values, found, rtol=0, atol=2e-7)
    assert agree(list(hits.ids), ids, found)


def agree(ids: list[str], other: list[str], found: Floats) -> bool:
    """Whether two orders differ at most where values are within rounding of the float32 likeness."""
    places = {item: at for at, item in enumerate(other)}
    return all(abs(found[places[item]] - found[at]) < 1e-6 for at, item in enumerate(ids))


@pytest.mark.parametrize("shortlist", [0, MANY])
@pytest.mark.parametrize("include_self", [True, False])
def test_the_items_of_the_query_never_join_it(searched: Store, shortlist: int, include_self: bool) -> None:  # noqa: FBT001 (a case)
    own = [IDS[8], IDS[9], IDS[300]]  # the first two are copies of each other
    plan = replace(COSINE, expand=f"average:n=5,shortlist={shortlist}", include_self=include_self, size=20)
    hits = search(searched, "many", [QueryVector(id=item) for item in own], plan).hits
    mean = units(ROWS["signed"][[8, 9, 300]], "cosine").sum(axis=0)
    ids, found = expected(mean, "signed", "cosine", n=5, a=0, own=set(own))
    kept = [at for at, item in enumerate(ids) if include_self or item not in own][:20]
    assert hits.ids == [ids[at] for at in kept]
    np.testing.assert_allclose(hits.values, found[kept], rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", EXPANSIONS)
@pytest.mark.parametrize("plan", [COSINE, CHI2, BOTH], ids=["cosine", "chi2", "both"])
def test_a_shortlist_of_everything_is_the_second_pass(searched: Store, plan: Plan, name: str) -> None:
    once, again = (
        search(searched, "many", [QueryVector(id=IDS[5])], replace(plan, expand=f"{name}:shortlist={some}", **WHOLE))
        for some in (MANY, 0)
    )
    assert once.hits.ids == again.hits.ids
    np.testing.assert_allclose(once.hits.scores, again.hits.scores, rtol=0, atol=1e-9)
    np.testing.assert_allclose(once.hits.values, again.hits.values, rtol=0, atol=1e-9)


@pytest.mark.parametrize("plan", [COSINE, CHI2], ids=["cosine", "chi2"])
def test_behind_a_shortlist_the_first_order_goes_on(searched: Store, plan: Plan) -> None:
    query = [QueryVector(id=IDS[77])]
    before = search(searched, "many", query, replace(plan, **WHOLE)).hits
    after = search(searched, "many", query, replace(plan, expand="average:n=5,shortlist=50", **WHOLE)).hits
    assert sorted(after.ids[:50]) == sorted(before.ids[:50])
    assert after.ids[:50] != before.ids[:50]
    assert after.ids[50:] == before.ids[50:]
    assert (np.diff(after.scores) <= 0).all()


def test_only_what_fits_a_filter_joins(searched: Store) -> None:
    plan = replace(COSINE, expand="average:n=3", filter=("label=red",), **WHOLE)
    hits = search(searched, "many", [QueryVector(id=IDS[1])], plan).hits
    red = [at for at, item in enumerate(ITEMS) if COLOURS[0] in item.labels]
    rows = ROWS["signed"]
    first = sorted(red, key=lambda at: (-values("cosine", rows[1], rows)[at], IDS[at]))[:3]
    mean = units(rows[[1, *first]], "cosine").sum(axis=0)
    found = values("cosine", mean, rows)
    assert hits.ids == [IDS[at] for at in sorted(red, key=lambda at: (-found[at], IDS[at]))]


def test_every_descriptor_is_expanded_by_its_own_answers(searched: Store) -> None:
    query = [QueryVector(id=IDS[4])]
    plan = replace(BOTH, fuse="weighted:top=1300", expand="average:n=5", **WHOLE)
    fused = search(searched, "many", query, plan).hits
    total = dict.fromkeys(IDS, 0.0)
    for part, weight in ((COSINE, 2), (CHI2, 1)):
        hits = search(searched, "many", query, replace(part, expand="average:n=5", **WHOLE)).hits
        low, high = hits.scores.min(), hits.scores.max()
        for item, score in zip(hits.ids, hits.scores, strict=True):
            total[item] += weight / 3 * (score - low) / (high - low)
    np.testing.assert_allclose(fused.scores, [total[item] for item in fused.ids], rtol=0, atol=1e-9)
