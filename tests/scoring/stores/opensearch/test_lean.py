"""A lean index keeps no vectors in its source: everything that pixkin does keeps them all the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import UnknownItem
from pixkin_scoring.filters import parse_filter
from pixkin_scoring.items import AddResult, Item, ItemUpdate
from pixkin_scoring.query import ScoringQuery
from pixkin_scoring.stores import open_store
from pixkin_scoring.stores.layout import IndexLayout
from pixkin_scoring.stores.opensearch.store import OpenSearchStore
from pixkin_server.opensearch_node.node import Node

from tests.scoring.stores.opensearch.conftest import HUES, Maker, items, making, soon

COUNT = 300
ITEMS = {item.id: item for item in items(COUNT)}
EDGES = Descriptor("edges", 3)
LEAN = IndexLayout(lean=True)


@pytest.fixture
def store(opensearch: Node) -> Iterator[OpenSearchStore]:
    with closing(open_store(opensearch.url)) as store:
        yield store


@pytest.fixture
def make(store: OpenSearchStore) -> Iterator[Maker]:
    with making(store) as make:
        yield make


@pytest.fixture
def name(make: Maker) -> str:
    """A lean collection."""
    return make(COUNT, layout=LEAN)


def bits(store: OpenSearchStore, name: str, descriptor: Descriptor = HUES) -> dict[str, bytes]:
    """Return every vector of a collection."""
    return {
        item: vector.tobytes()
        for ids, vectors in store.scan(name, descriptor.name, block=77)
        for item, vector in zip(ids, vectors, strict=True)
    }


def source(store: OpenSearchStore, name: str, item: str) -> dict[str, object]:
    index = store.describe(name).layout["index"]
    found: dict[str, object] = store.connection.ask("GET", f"/{index}/_doc/{item}")["_source"]
    return found


VECTORS = {item.id: item.vectors[HUES.name].tobytes() for item in ITEMS.values()}


def test_what_was_added_is_read_though_the_source_has_no_vectors(store: OpenSearchStore, name: str) -> None:
    assert "vectors" not in source(store, name, "00003")
    assert store.describe(name).layout["source"] == "lean"
    assert bits(store, name) == VECTORS
    some = ["00200", "00003", "00007"]
    whole = store.get(name, [*some, "none"], thumbnails=True, vectors=True)
    assert [*whole] == some
    for item in some:
        assert whole[item].vectors[HUES.name].tobytes() == VECTORS[item]
        assert replace(whole[item], vectors={}) == replace(ITEMS[item], vectors={})
    assert [vector.tobytes() for vector in store.fetch(name, HUES.name, some)] == [VECTORS[item] for item in some]
    with pytest.raises(UnknownItem):
        store.fetch(name, HUES.name, ["none"])
    assert store.verify(name).problems == ()


def test_it_is_searched_as_a_whole_one_is(store: OpenSearchStore, name: str, make: Maker) -> None:
    other = make(COUNT)
    query = ScoringQuery(HUES.name, "kl", np.array([0.4, 0.3, 0.2, 0.1]), exclude=frozenset({"00001"}))
    for where in ([], ["label=label 1"], ["year=2003..2007"]):
        lean, whole = (store.candidates(each, query, depth=50, filters=parse_filter(where)) for each in (name, other))
        assert lean.ids == whole.ids
        assert lean.values.tolist() == whole.values.tolist()


def test_updates_keep_the_vectors(store: OpenSearchStore, name: str) -> None:
    updates = [ItemUpdate(item, labels=frozenset({"new"})) for item in list(ITEMS)[:40]]
    updates += [ItemUpdate("00050", attributes={"year": 1999.0}), ItemUpdate("00051", new_id="renamed")]
    updates += [ItemUpdate("renamed", source="/elsewhere"), ItemUpdate("none", source="/"), ItemUpdate("00060")]
    results = store.update(name, updates, deadline=soon())
    assert [(result.id, result.state) for result in results] == [
        *((update.id, "updated") for update in updates[:43]),
        ("none", "refused"),
    ]
    assert bits(store, name) == {"renamed" if item == "00051" else item: vector for item, vector in VECTORS.items()}
    assert [item.id for item in store.list_items(name, parse_filter(["label=new"]), size=100)] == list(ITEMS)[:40]
    renamed = store.get(name, ["renamed"], thumbnails=True)["renamed"]
    assert (renamed.source, renamed.thumbnail, renamed.labels) == ("/elsewhere", b"jpeg", ITEMS["00051"].labels)
    assert store.verify(name).problems == ()


def test_an_update_right_after_an_add_does_not_bring_old_vectors_back(store: OpenSearchStore, name: str) -> None:
    # The first batch of an add is refreshed and the second is not yet: the vectors of the update come from a search.
    def changed() -> Iterator[Item | None]:
        for item in list(ITEMS.values())[:20]:
            yield replace(item, vectors={HUES.name: np.array([9, 9, 9, 9], dtype=np.float32)})
            yield None

    adding = store.add(name, changed(), deadline=soon())
    for _ in range(15):
        assert next(adding).state == "replaced"
    results = store.update(name, [ItemUpdate("00014", labels=frozenset({"new"}))], deadline=soon())
    assert results == [AddResult("00014", "updated")]
    list(adding)
    assert store.fetch(name, HUES.name, ["00014"]).tolist() == [[9, 9, 9, 9]]


def test_a_descriptor_that_comes_later_leaves_the_others_as_they_are(store: OpenSearchStore, name: str) -> None:
    edges = np.random.default_rng(9).random((COUNT, EDGES.dim), dtype=np.float32)
    store.add_descriptor(name, EDGES, [(list(ITEMS), edges)], deadline=soon())
    assert bits(store, name) == VECTORS
    assert bits(store, name, EDGES) == {item: edge.tobytes() for item, edge in zip(ITEMS, edges, strict=True)}
    store.update(name, [ItemUpdate("00003", labels=frozenset({"new"}))], deadline=soon())
    assert store.get(name, ["00003"], vectors=True)["00003"].vectors.keys() == {HUES.name, EDGES.name}
    assert store.verify(name).problems == ()


def test_a_reindex_to_whole_and_back_keeps_every_vector_bit_for_bit(store: OpenSearchStore, name: str) -> None:
    for lean in (False, True, True):
        store.reindex(name, lambda layout, lean=lean: replace(layout, lean=lean))
        assert bits(store, name) == VECTORS
        assert ("vectors" in source(store, name, "00003")) is not lean
        assert store.get(name, ["00299"], thumbnails=True)["00299"].thumbnail == b"jpeg"
    store.remove_versions(name)
    assert store.verify(name).problems == ()
