"""The approximate index: what it holds, and what a search finds with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from pixkin_proto.descriptors import MEASURES, Descriptor, Kind
from pixkin_proto.errors import InvalidArgument
from pixkin_scoring.examples import QueryVector
from pixkin_scoring.filters import parse_filter
from pixkin_scoring.items import Item
from pixkin_scoring.measures import MEASURES as REGISTRY
from pixkin_scoring.measures import Better, values
from pixkin_scoring.plan import DescriptorChoice, Plan
from pixkin_scoring.query import ScoringQuery
from pixkin_scoring.search import search
from pixkin_scoring.stores import open_store
from pixkin_scoring.stores.layout import IndexLayout
from pixkin_scoring.stores.opensearch.neighbours import neighbour, space_of
from pixkin_scoring.stores.opensearch.store import OpenSearchStore
from pixkin_server.opensearch_node.node import Node

ROWS, DIM = 2000, 16


def descriptor(measure: str) -> Descriptor:
    mass = MEASURES[measure] is Kind.MASS
    return Descriptor(measure.replace("_", "-"), DIM, non_negative=mass, default_measure=measure)


def rows(measure: str) -> np.ndarray:
    """Vectors with clusters, as real ones have; signed where the measure permits that."""
    draw = np.random.default_rng(3)
    centres = draw.gamma(0.5, size=(40, DIM))
    near = centres[draw.integers(0, 40, ROWS)] * draw.gamma(8, 1 / 8, size=(ROWS, DIM))
    signed = near if MEASURES[measure] is Kind.MASS else near - near.mean(axis=0)
    return signed.astype(np.float32)


def soon() -> float:
    return time.monotonic() + 120


@pytest.mark.parametrize("measure", MEASURES)
def test_every_measure_has_a_map_under_which_its_neighbours_are_near(measure: str) -> None:
    found = space_of(descriptor(measure))
    assert measure in found.measures
    stored = np.array([neighbour(descriptor(measure), row) for row in rows(measure)])
    query = rows(measure)[0]
    exact = values(measure, query, rows(measure))
    best = np.argsort(exact if REGISTRY[measure].better is Better.LOW else -exact)[:10]
    near = np.argsort(((stored - stored[0]) ** 2).sum(axis=1))[:100]
    assert len(set(best) & set(near)) >= 9


def test_a_zero_vector_has_no_place_where_the_map_divides_by_its_size() -> None:
    zero = np.zeros(DIM, np.float32)
    assert [neighbour(descriptor(measure), zero) is None for measure in ("euclidean", "cosine", "chi2", "kl")] == [
        False, True, True, True,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def near(nodes: Callable[[str], Node]) -> Iterator[OpenSearchStore]:
    """A collection with one descriptor for each measure, all with approximate indices, and a zero item."""
    with closing(open_store(nodes("2.19.1").url)) as store:
        if "near" in store.list():
            store.drop("near")
        store.create("near", [descriptor(measure) for measure in MEASURES], layout=IndexLayout(ann=True))
        vectors = {descriptor(measure).name: rows(measure) for measure in MEASURES}
        items = [
            Item(f"{i:05}", {name: rows[i] for name, rows in vectors.items()}, labels=frozenset({f"{i % 10}"}))
            for i in range(ROWS)
        ]
        items.append(Item("zero", {name: np.zeros(DIM, np.float32) for name in vectors}))
        assert {result.state for result in store.add("near", items, deadline=soon())} == {"added"}
        yield store
        store.drop("near")


@pytest.mark.slow
@pytest.mark.parametrize("measure", MEASURES)
def test_the_neighbours_hold_nearly_all_of_the_exact_ranking_with_the_same_values(
    near: OpenSearchStore, measure: str
) -> None:
    name = descriptor(measure).name
    shared = 0
    for row in range(20):
        query = ScoringQuery(name, measure, rows(measure)[row].astype(np.float64))
        exact = near.candidates("near", query, depth=20, filters=())
        found = near.candidates("near", query, depth=200, filters=(), shortlist=200)
        value = dict(zip(exact.ids, exact.values, strict=True))
        both = [item for item in found.ids[:20] if item in value]
        assert [value[item] for item in both] == [found.values[found.ids.index(item)] for item in both]
        shared += len(both)
    assert shared >= 0.97 * 20 * 20


@pytest.mark.slow
def test_a_filter_and_an_excluded_id_hold_for_neighbours_too(near: OpenSearchStore) -> None:
    query = ScoringQuery("chi2", "chi2", rows("chi2")[7].astype(np.float64), exclude=frozenset({"00007"}))
    found = near.candidates("near", query, depth=50, filters=parse_filter(["label=7"]), shortlist=50)
    assert len(found.ids) == 50
    assert {int(item) % 10 for item in found.ids} == {7}
    assert "00007" not in found.ids


@pytest.mark.slow
def test_the_plan_says_that_neighbours_were_asked(near: OpenSearchStore) -> None:
    plan = Plan(descriptors=(DescriptorChoice("kl"),), candidates="approximate:depth=300", size=5)
    result = search(near, "near", [QueryVector(id="00003")], plan)
    assert result.plan.candidates == "approximate:depth=300"
    assert len(result.hits) == 5
    assert "00003" not in [hit.id for hit in result.hits]
    auto = search(near, "near", [QueryVector(id="00003")], replace(plan, candidates="auto"))
    assert auto.plan.candidates == "exact:depth=100"


@pytest.mark.slow
def test_more_dimensions_than_the_index_takes_are_refused_at_once(near: OpenSearchStore) -> None:
    with pytest.raises(InvalidArgument, match="16,000"):
        near.create("wide", [Descriptor("wide", 20_000)], layout=IndexLayout(ann=True))
    assert "wide" not in near.list()


@pytest.mark.slow
def test_a_descriptor_made_again_with_other_dimensions_is_told_to_wait_for_a_new_index(
    nodes: Callable[[str], Node],
) -> None:
    with closing(open_store(nodes("2.19.1").url)) as store:
        store.create("again", [Descriptor("plain", 2)], layout=IndexLayout(ann=True))
        blocks = [(["a"], np.ones((1, 3), np.float32))]
        try:
            assert [each.error for each in store.add("again", [Item("a", {"plain": np.ones(2, np.float32)})],
                                                     deadline=soon())] == [None]  # fmt: skip
            store.add_descriptor("again", Descriptor("white", 3), blocks, deadline=soon())
            store.remove_descriptor("again", "white", deadline=soon())
            assert store.verify("again").problems == ()
            wider = Descriptor("white", 4), [(["a"], np.ones((1, 4), np.float32))]
            with pytest.raises(InvalidArgument, match="keeps neighbours of 3 dimensions"):
                store.add_descriptor("again", *wider, deadline=soon())
            store.reindex("again", lambda layout: layout)
            store.add_descriptor("again", *wider, deadline=soon())
            assert store.fetch("again", "white", ["a"]).shape == (1, 4)
        finally:
            store.drop("again")
