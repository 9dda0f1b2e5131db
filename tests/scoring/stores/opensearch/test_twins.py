"""Neighbours in fewer dimensions: an attached whitening shortens what the approximate index holds of a descriptor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import InvalidArgument, PixkinError, StoreFormat, UnknownDescriptor
from pixkin_proto.whitening import Whitening, whitening_from_bytes, whitening_key, whitening_to_bytes
from pixkin_scoring.fitting import Fit, fit_whitening
from pixkin_scoring.items import Item, ItemUpdate
from pixkin_scoring.query import ScoringQuery
from pixkin_scoring.stores import open_store
from pixkin_scoring.stores.layout import IndexLayout, Twin
from pixkin_scoring.stores.opensearch import twins
from pixkin_scoring.stores.opensearch.store import OpenSearchStore
from pixkin_server.opensearch_node.node import Node

from tests.scoring.stores.opensearch.conftest import Maker, making, soon

pytestmark = pytest.mark.slow

COUNT, DIM, DIMS = 600, 16, 6
PRINT = "ab" * 32
GAP = Descriptor("net.gap", DIM, fingerprint=PRINT)
EDGES = Descriptor("edges", 3)
TWIN = Twin("gap", "pca")
CUT = IndexLayout(ann=True, twins=(TWIN,))


def rows() -> np.ndarray:
    """Vectors whose directions vary more and less."""
    return (np.random.default_rng(3).standard_normal((COUNT, DIM)) * np.geomspace(4, 0.1, DIM)).astype(np.float32)


ROWS = rows()
IDS = [f"{number:05}" for number in range(COUNT)]


def learnt(dims: int = DIMS, *, of: Descriptor = GAP) -> Whitening:
    return fit_whitening([(IDS, ROWS[:, : of.dim])], of, Fit(dims))


@pytest.fixture
def store(nodes: Callable[[str], Node]) -> Iterator[OpenSearchStore]:
    """The node that has the k-NN plugin."""
    with closing(open_store(nodes("2.19.1").url)) as store:
        yield store


@pytest.fixture
def make(store: OpenSearchStore) -> Iterator[Maker]:
    with making(store) as make:
        yield make


@pytest.fixture(params=[False, True], ids=["whole", "lean"])
def cut(request: pytest.FixtureRequest, store: OpenSearchStore, make: Maker) -> str:
    """A collection whose neighbours are those of vectors cut from 16 to 6 dimensions."""
    name = filled(store, make)
    attach(store, name, learnt())
    store.reindex(name, lambda _: replace(CUT, lean=request.param))
    return name


def filled(store: OpenSearchStore, make: Maker) -> str:
    name = make(descriptors=(GAP,))
    items = (Item(item, {GAP.name: row}) for item, row in zip(IDS, ROWS, strict=True))
    assert {result.state for result in store.add(name, items, deadline=soon())} == {"added"}
    return name


def attach(store: OpenSearchStore, name: str, whitening: Whitening, key: str = "pca") -> None:
    store.put_attachment(name, whitening_key(key), whitening_to_bytes(whitening), deadline=soon())


def query(row: np.ndarray, descriptor: Descriptor = GAP) -> ScoringQuery:
    return ScoringQuery(descriptor.name, "cosine", row.astype(np.float64))


def nearest(store: OpenSearchStore, name: str, row: np.ndarray, descriptor: Descriptor = GAP) -> set[str]:
    """The 10 neighbours of which the index of neighbours says that they are nearest."""
    found = store.candidates(name, query(row, descriptor), depth=10, filters=(), shortlist=10)
    return set(found.ids)


def best(vectors: np.ndarray, own: np.ndarray, whitening: Whitening) -> set[str]:
    """Those that whitening itself says are nearest."""
    likeness = whitening.applied(vectors) @ whitening.applied(own)
    return {IDS[place] for place in np.argsort(-likeness)[:10]}


def mapped(store: OpenSearchStore, name: str) -> Any:
    index = store.describe(name).layout["index"]
    return store.connection.ask("GET", f"/{index}/_mapping")[index]["mappings"]["properties"]["ann"]["properties"]


def test_the_field_has_the_dimensions_of_the_whitening_and_describe_says_so(store: OpenSearchStore, cut: str) -> None:
    assert mapped(store, cut)["net:gap"]["dimension"] == DIMS
    described = store.describe(cut).layout
    assert described["twins"].startswith("net.gap by pca to 6 dimensions (")
    assert store.verify(cut).problems == ()
    store.reindex(cut, lambda layout: replace(layout, shards=2))
    assert store.describe(cut).layout["twins"] == described["twins"]
    assert mapped(store, cut)["net:gap"]["dimension"] == DIMS


def test_whole_sources_hold_the_whitened_vector_of_length_1(store: OpenSearchStore, make: Maker) -> None:
    name = filled(store, make)
    attach(store, name, learnt())
    store.reindex(name, lambda _: CUT)
    index = store.describe(name).layout["index"]
    held = store.connection.ask("GET", f"/{index}/_doc/00003")["_source"]["ann"]["net:gap"]
    assert held == pytest.approx(learnt().applied(ROWS[3]), abs=1e-6)
    assert np.linalg.norm(held) == pytest.approx(1)


def test_a_search_whitens_the_query_and_gives_the_values_of_the_whole_vectors(store: OpenSearchStore, cut: str) -> None:
    shared = 0
    for row in ROWS[:20]:
        shared += len(nearest(store, cut, row) & best(ROWS, row, learnt()))
        exact = store.candidates(cut, query(row), depth=COUNT, filters=())
        found = store.candidates(cut, query(row), depth=50, filters=(), shortlist=50)
        values = dict(zip(exact.ids, exact.values, strict=True))
        assert found.values.tolist() == [values[item] for item in found.ids]
    assert shared >= 0.97 * 200


def test_what_is_added_replaced_renamed_and_put_is_found_by_its_whitened_vector(
    store: OpenSearchStore, cut: str
) -> None:
    far = np.zeros((4, DIM), np.float32)
    far[:, :DIMS] = 50 * np.sign(np.random.default_rng(5).standard_normal((4, DIMS)))
    list(store.add(cut, [Item("new", {GAP.name: far[0]}), Item("00001", {GAP.name: far[1]})], deadline=soon()))
    store.put_vectors(cut, GAP.name, [(["00002", "00003"], far[2:])], deadline=soon())
    store.update(cut, [ItemUpdate("new", new_id="renamed", labels=frozenset({"new"}))], deadline=soon())
    for item, row in zip(("renamed", "00001", "00002", "00003"), far, strict=True):
        assert item in nearest(store, cut, row)
    assert store.verify(cut).problems == ()


def test_a_descriptor_that_comes_later_has_neighbours_of_its_own_dimensions(store: OpenSearchStore, cut: str) -> None:
    store.add_descriptor(cut, EDGES, [(IDS, ROWS[:, :3].copy())], deadline=soon())
    assert mapped(store, cut)["edges"]["dimension"] == EDGES.dim
    units = ROWS[:, :3] / np.linalg.norm(ROWS[:, :3], axis=1, keepdims=True)
    expected = {IDS[place] for place in np.argsort(-(units @ units[0]))[:10]}
    assert len(nearest(store, cut, ROWS[0, :3], EDGES) & expected) >= 9
    assert len(nearest(store, cut, ROWS[0]) & best(ROWS, ROWS[0], learnt())) >= 9
    attach(store, cut, learnt(2, of=EDGES), "edges")
    store.reindex(cut, lambda layout: replace(layout, twins=(*layout.twins, Twin("edges", "edges"))))
    assert {name: field["dimension"] for name, field in mapped(store, cut).items()} == {"net:gap": DIMS, "edges": 2}


def test_another_whitening_under_the_name_changes_nothing_until_it_is_named_again(
    store: OpenSearchStore, cut: str
) -> None:
    before = store.describe(cut).layout["twins"]
    attach(store, cut, learnt(4))
    twins._kept.clear()
    assert len(nearest(store, cut, ROWS[7]) & best(ROWS, ROWS[7], learnt())) >= 9
    store.reindex(cut, lambda layout: layout)
    assert store.describe(cut).layout["twins"] == before
    store.reindex(cut, lambda layout: replace(layout, twins=(TWIN,)))
    assert mapped(store, cut)["net:gap"]["dimension"] == 4
    assert len(nearest(store, cut, ROWS[7]) & best(ROWS, ROWS[7], learnt(4))) >= 9
    store.rollback(cut)
    assert mapped(store, cut)["net:gap"]["dimension"] == DIMS
    assert len(nearest(store, cut, ROWS[7]) & best(ROWS, ROWS[7], learnt())) >= 9
    store.reindex(cut, lambda layout: replace(layout, twins=()))
    assert mapped(store, cut)["net:gap"]["dimension"] == DIM
    assert "twins" not in store.describe(cut).layout


def test_a_vector_that_equals_the_mean_can_be_added_and_searched_with(store: OpenSearchStore, cut: str) -> None:
    mean = learnt().mean.astype(np.float32)
    [result] = store.add(cut, [Item("mean", {GAP.name: mean})], deadline=soon())
    assert result.state == "added"
    assert len(store.candidates(cut, query(mean), depth=5, filters=(), shortlist=50).ids) == 5


def test_a_whitening_that_is_gone_is_an_error_of_the_approximate_search_alone(store: OpenSearchStore, cut: str) -> None:
    twins._kept.clear()
    store.connection.ask("DELETE", f"/{cut}.attachments")
    with pytest.raises(StoreFormat, match=f"pixkin index reindex {cut} --twin net.gap=pca"):
        nearest(store, cut, ROWS[0])
    with pytest.raises(StoreFormat, match="is not kept"):
        list(store.add(cut, [Item("new", {GAP.name: ROWS[0]})], deadline=soon()))
    [problem] = store.verify(cut).problems
    assert "is not kept with" in problem
    assert len(store.candidates(cut, query(ROWS[0]), depth=10, filters=()).ids) == 10
    attach(store, cut, learnt())
    store.reindex(cut, lambda layout: replace(layout, twins=(TWIN,)))
    assert store.verify(cut).problems == ()
    assert len(nearest(store, cut, ROWS[0]) & best(ROWS, ROWS[0], learnt())) >= 9


OTHER = Descriptor("net.spoc", DIM, fingerprint=PRINT)
ELSEWHERE = replace(GAP, fingerprint="cd" * 32)
SHORTER = replace(GAP, dim=8)


@pytest.mark.parametrize(
    ("whitening", "named", "error", "said"),
    [
        (learnt(), (Twin("gap", "unknown"),), InvalidArgument, "no whitening 'unknown'; attach it with: pixkin white"),
        (learnt(of=OTHER), (TWIN,), InvalidArgument, "learnt of the descriptor spoc, not of gap"),
        (learnt(of=ELSEWHERE), (TWIN,), InvalidArgument, "of another extractor"),
        (learnt(of=SHORTER), (TWIN,), InvalidArgument, "is for 8 dimensions, and net.gap has 16"),
        (learnt(), (Twin("colours", "pca"),), UnknownDescriptor, "net.gap"),
        (learnt(), (TWIN, Twin("net.gap", "pca")), InvalidArgument, "two twins"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_built(
    store: OpenSearchStore,
    make: Maker,
    whitening: Whitening,
    named: tuple[Twin, ...],
    error: type[PixkinError],
    said: str,
) -> None:
    name = make(3)
    store.drop(name)
    store.create(name, [GAP])
    attach(store, name, whitening)
    with pytest.raises(error, match=said):
        store.reindex(name, lambda _: replace(CUT, twins=named))
    assert store.describe(name).layout["index"] == f"{name}-v0001"
    [added] = store.add(name, [Item("a", {GAP.name: ROWS[0]})], deadline=soon())
    assert added.state == "added"


def test_more_dimensions_than_the_index_takes_need_a_whitening(store: OpenSearchStore, make: Maker) -> None:
    name = make(descriptors=(Descriptor("wide", 20_000),))
    with pytest.raises(InvalidArgument, match="--twin"):
        store.reindex(name, lambda _: IndexLayout(ann=True))
    rows = np.eye(2, 20_000, dtype=np.float32)
    whitening = Whitening(np.zeros(20_000, np.float32), rows, np.ones(2, np.float32), "", "wide")
    attach(store, name, whitening)
    store.reindex(name, lambda _: IndexLayout(ann=True, twins=(Twin("wide", "pca"),)))
    assert mapped(store, name)["wide"]["dimension"] == 2


def test_a_new_collection_has_nothing_to_be_cut_by(store: OpenSearchStore) -> None:
    with pytest.raises(InvalidArgument, match="no whitening"):
        store.create("cut", [GAP], layout=CUT)
    assert "cut" not in store.list()


def test_without_the_plugin_there_is_nothing_to_cut(nodes: Callable[[str], Node]) -> None:
    with closing(open_store(nodes("3.8.0").url)) as store, making(store) as make:
        name = make(descriptors=(GAP,))
        attach(store, name, learnt())
        with pytest.raises(InvalidArgument, match="needs the k-NN plugin"):
            store.reindex(name, lambda _: CUT)


def test_what_is_kept_is_the_file_that_was_attached(store: OpenSearchStore, cut: str) -> None:
    stored = store.get_attachment(cut, whitening_key("pca"))
    assert stored is not None
    index = store._index(cut)
    [twin] = index.schema.layout.twins
    kept = twins.read_twin(store.connection, index, twin)
    assert whitening_to_bytes(kept) == whitening_to_bytes(whitening_from_bytes(stored[0], "pca")) == stored[0]
