"""The kept graph of neighbours in every store: what makes it old, and what a search then does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import InvalidArgument, InvalidPlan
from pixkin_scoring.examples import QueryVector
from pixkin_scoring.geometry import unit_vectors
from pixkin_scoring.items import Item, ItemUpdate
from pixkin_scoring.neighbour_graph import graph_from_bytes, graph_key, graph_to_bytes, keep_graph
from pixkin_scoring.plan import DescriptorChoice, Plan
from pixkin_scoring.search import SearchRequest, search, search_batch
from pixkin_scoring.stores import Store, open_store

V = Descriptor("v", 12)
MASS = Descriptor("mass", 6, non_negative=True, default_measure="chi2")
NAME = "graphed"
COUNT = 80
QUERY = [QueryVector(id="i0003")]
KEPT = Plan(descriptors=(DescriptorChoice("v"),), rerank=("diffusion:k=5,graph=kept",), size=COUNT)
RENEWED = replace(KEPT, rerank=("diffusion:k=5,graph=kept,stale=rebuild",))
OLD = replace(KEPT, rerank=("diffusion:k=5,graph=kept,stale=use",))
CANDIDATES = replace(KEPT, rerank=("diffusion:k=5",))


def item(number: int, seed: int = 0) -> Item:
    draw = np.random.default_rng([seed, number])
    signed, mass = draw.standard_normal(V.dim), draw.random(MASS.dim)
    return Item(f"i{number:04}", {"v": signed.astype(np.float32), "mass": mass.astype(np.float32)})


def soon() -> float:
    return time.monotonic() + 60


@pytest.fixture(
    params=[
        "embedded",
        pytest.param("3.8.0", marks=pytest.mark.slow),
        pytest.param("2.19.1", marks=pytest.mark.slow),
    ]
)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store with a collection of 80 items that keeps a graph of each descriptor."""
    kind = request.param
    place = str(tmp_path / "store") if kind == "embedded" else request.getfixturevalue("nodes")(kind).url
    with closing(open_store(place)) as store:
        if NAME in store.list():
            store.drop(NAME)
        store.create(NAME, [V, MASS])
        list(store.add(NAME, map(item, range(COUNT)), deadline=soon()))
        made(store)
        keep_graph(store, NAME, MASS, "chi2", 20, deadline=soon())
        yield store
        store.drop(NAME)


def made(store: Store, k: int = 20) -> int:
    """Make the graph or bring it up to date; returns how many items were looked at."""
    return keep_graph(store, NAME, V, "cosine", k, deadline=soon())[1]


def ids(store: Store, plan: Plan) -> list[str]:
    return list(search(store, NAME, QUERY, plan).hits.ids)


def scores(store: Store, plan: Plan) -> NDArray[np.float64]:
    found: NDArray[np.float64] = search(store, NAME, QUERY, plan).hits.scores
    return found


def refused(store: Store) -> bool:
    [outcome] = search_batch(store, [SearchRequest(NAME, QUERY, KEPT)])
    if not isinstance(outcome, InvalidPlan):
        return False
    assert "older than the vectors" in outcome.message
    assert f"pixkin index graph {NAME} --descriptor v --measure cosine --k 20" in outcome.message
    return True


def test_where_all_are_candidates_it_ranks_as_without_it(store: Store) -> None:
    made(store, COUNT - 1)
    mass = Plan(descriptors=(DescriptorChoice("mass", "intersection"),), size=COUNT)
    for name, k in (("v", 5), ("v", 20), ("mass", 5)):
        plan = replace(KEPT if name == "v" else mass, rerank=(f"diffusion:k={k},graph=kept",), include_self=True)
        other = replace(plan, rerank=(f"diffusion:k={k}",))
        assert ids(store, plan) == ids(store, other)
        np.testing.assert_allclose(scores(store, plan), scores(store, other), rtol=0, atol=1e-5)


CHANGES: dict[str, Callable[[Store], object]] = {
    "added": lambda store: list(store.add(NAME, [item(100)], deadline=soon())),
    "replaced": lambda store: list(store.add(NAME, [replace(item(7, 1), id="i0007")], deadline=soon())),
    "removed": lambda store: store.remove(NAME, ["i0009"], deadline=soon()),
    "the last removed": lambda store: store.remove(NAME, [f"i{COUNT - 1:04}"], deadline=soon()),
    "renamed": lambda store: store.update(NAME, [ItemUpdate("i0009", new_id="x")], deadline=soon()),
    "put": lambda store: store.put_vectors(
        NAME, "v", [(["i0004"], item(4, 2).vectors["v"][np.newaxis])], deadline=soon()
    ),
    "one removed, one added": lambda store: (
        store.remove(NAME, ["i0009"], deadline=soon()),
        list(store.add(NAME, [item(101)], deadline=soon())),
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_a_graph_older_than_the_vectors_is_refused_used_or_made_anew_as_the_stage_says(
    store: Store, change: Callable[[Store], object]
) -> None:
    assert not refused(store)
    change(store)
    assert refused(store)
    there = [found.id for found in store.list_items(NAME, (), size=200)]
    assert sorted(ids(store, OLD)) == [each for each in there if each != "i0003"]
    assert refused(store)
    renewed = ids(store, RENEWED)
    assert not refused(store)
    assert renewed == ids(store, KEPT)
    assert made(store) == 0


def test_a_damaged_graph_is_told_and_made_from_the_start(store: Store) -> None:
    before = ids(store, KEPT)
    store.put_attachment(NAME, graph_key("v", "cosine"), b"damaged", deadline=soon())
    with pytest.raises(InvalidArgument, match="make it again with: pixkin index graph"):
        search(store, NAME, QUERY, KEPT)
    assert made(store) == COUNT
    assert ids(store, KEPT) == before


def test_a_run_after_changes_is_a_run_from_the_start(store: Store) -> None:
    for change in CHANGES.values():
        change(store)
    assert 1 <= made(store) < COUNT
    stored = store.get_attachment(NAME, graph_key("v", "cosine"))
    made(store, 19)
    assert made(store) == store.describe(NAME).items
    again = store.get_attachment(NAME, graph_key("v", "cosine"))
    assert stored is not None
    assert again is not None
    found, expected = (graph_from_bytes(each[0], "graph") for each in (stored, again))
    assert found.near.ids == expected.near.ids
    assert found.near.neighbours.tolist() == expected.near.neighbours.tolist()
    assert found.likeness.tolist() == expected.likeness.tolist()


def test_labels_make_it_old_only_where_the_store_cannot_tell(store: Store) -> None:
    store.update(NAME, [ItemUpdate("i0005", labels=frozenset({"new"}))], deadline=soon())
    assert refused(store) is not store.scans_here
    assert made(store) == 0
    assert not refused(store)


def test_attachments_and_graphs_of_other_descriptors_do_not_make_it_old(store: Store) -> None:
    store.put_attachment(NAME, "other", b"bytes", deadline=soon())
    keep_graph(store, NAME, MASS, "chi2", 7, deadline=soon())
    assert not refused(store)


def test_an_old_graph_serves_what_came_later_by_its_neighbours_among_the_candidates(store: Store) -> None:
    fresh = [replace(item(number, 5), id=f"n{number:04}") for number in range(COUNT)]
    store.remove(NAME, [f"i{number:04}" for number in range(COUNT) if number != 3], deadline=soon())
    list(store.add(NAME, fresh, deadline=soon()))
    assert ids(store, OLD) == ids(store, CANDIDATES)


def test_neighbours_and_likeness_are_exact(store: Store) -> None:
    for descriptor, measure in ((V, "cosine"), (MASS, "chi2")):
        stored = store.get_attachment(NAME, graph_key(descriptor.name, measure))
        assert stored is not None
        graph = graph_from_bytes(stored[0], "graph")
        assert graph_to_bytes(graph) == stored[0]
        rows = unit_vectors(np.array([item(number).vectors[descriptor.name] for number in range(COUNT)]), measure)
        products = rows.astype(np.float64) @ rows.T
        np.fill_diagonal(products, -1)
        expected = np.argsort(-products, axis=1, kind="stable")[:, :20]
        assert graph.near.neighbours.tolist() == expected.tolist()
        np.testing.assert_allclose(graph.likeness, np.take_along_axis(products, expected, axis=1), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (replace(KEPT, rerank=("diffusion:k=21,graph=kept",)), "has 20 neighbours, not k=21"),
        (replace(KEPT, descriptors=(DescriptorChoice("v"), DescriptorChoice("mass"))), "several are fused"),
        (replace(KEPT, rerank=("whiten:name=w", *KEPT.rerank)), "whiten changes them"),
        (replace(KEPT, rerank=("diffusion:graph=old",)), "one of candidates, kept"),
        (replace(KEPT, rerank=("diffusion:graph=kept,stale=maybe",)), "one of refuse, use, rebuild"),
    ],
)
def test_what_cannot_be_is_an_invalid_plan_that_says_why(store: Store, plan: Plan, said: str) -> None:
    with pytest.raises(InvalidPlan, match=said):
        search(store, NAME, QUERY, plan)


def test_a_graph_that_was_never_made_is_an_invalid_plan_with_the_command(store: Store) -> None:
    store.create(f"{NAME}-bare", [V])
    try:
        with pytest.raises(InvalidArgument, match="has no items"):
            keep_graph(store, f"{NAME}-bare", V, "cosine", 5, deadline=soon())
        list(store.add(f"{NAME}-bare", [Item("i0003", {"v": item(3).vectors["v"]})], deadline=soon()))
        for plan in (KEPT, OLD, RENEWED):
            with pytest.raises(InvalidPlan, match=f"pixkin index graph {NAME}-bare --descriptor v --measure cosine"):
                search(store, f"{NAME}-bare", QUERY, replace(plan, include_self=True, rerank=(
                    plan.rerank[0].replace("k=5", "k=1"),)))  # fmt: skip
        for k in (0, 1001):
            with pytest.raises(InvalidArgument, match="k is 1 to 1,000"):
                keep_graph(store, f"{NAME}-bare", V, "cosine", k, deadline=soon())
    finally:
        store.drop(f"{NAME}-bare")
