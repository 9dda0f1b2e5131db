"""Re-indexing, going back, and what a layout becomes in the cluster."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import (
    InvalidArgument,
    InvalidPlan,
    PixkinError,
    StoreFormat,
    StoreReadOnly,
    StoreUnavailable,
)
from pixkin_scoring.items import FileFacts, Item, ItemUpdate
from pixkin_scoring.query import ScoringQuery
from pixkin_scoring.stores import open_store
from pixkin_scoring.stores.layout import IndexLayout
from pixkin_scoring.stores.opensearch import versions
from pixkin_scoring.stores.opensearch.store import OpenSearchStore
from pixkin_server.opensearch_node.node import Node

pytestmark = pytest.mark.slow

COLOURS = Descriptor("hsv.colours", 4, non_negative=True, default_measure="chi2")
Nodes = Callable[[str], Node]


@pytest.fixture
def store(opensearch: Node) -> Iterator[OpenSearchStore]:
    """A store with a collection `photos` of 300 items with labels, attributes, thumbnails and file facts."""
    with closing(open_store(opensearch.url)) as store:
        for name in store.list():
            store.drop(name)
        store.create("photos", [COLOURS])
        results = store.add("photos", items(300), deadline=soon())
        assert {result.state for result in results} == {"added"}
        yield store
        store.drop("photos")


def items(count: int) -> Iterator[Item]:
    draw = np.random.default_rng(7)
    for number in range(count):
        yield Item(
            f"{number:04}.jpg",
            {COLOURS.name: draw.random(4, dtype=np.float32)},
            labels=frozenset({f"label {number % 3}"}),
            attributes={"year": 2000 + number % 20, "camera.make": "X=100"},
            source=f"/photos/{number:04}.jpg",
            root="/photos",
            file=FileFacts(number, number, bytes([number % 256]) * 32),
            width=640,
            height=480,
            thumbnail=b"jpeg",
        )


def soon() -> float:
    return time.monotonic() + 60


def everything(store: OpenSearchStore) -> list[tuple[Item, bytes]]:
    """All items with the bytes of their vectors."""
    ids = [item.id for item in store.list_items("photos", (), size=1000)]
    whole = store.get("photos", ids, thumbnails=True, vectors=True).values()
    return [(replace(item, vectors={}), item.vectors[COLOURS.name].tobytes()) for item in whole]


def index_of(store: OpenSearchStore) -> str:
    return store.describe("photos").layout["index"]


def settings(store: OpenSearchStore) -> dict[str, Any]:
    name = index_of(store)
    return store.connection.ask("GET", f"/{name}/_settings")[name]["settings"]["index"]


def test_a_layout_becomes_the_settings_of_the_index(store: OpenSearchStore) -> None:
    store.reindex("photos", lambda _: IndexLayout(shards=3, replicas=0, slices=2))
    found = settings(store)
    assert (found["number_of_shards"], found["number_of_replicas"]) == ("3", "0")
    assert found["search"]["concurrent"]["max_slice_count"] == "2"
    assert found["search"]["concurrent_segment_search"]["mode"] == "all"
    assert "refresh_interval" not in found
    assert found["max_result_window"] == "100000"
    assert store.describe("photos").layout["shards"] == "3"
    with pytest.raises(InvalidArgument, match=r"shards is 1 to"):
        store.create("none", [COLOURS], layout=IndexLayout(shards=0))


def test_a_reindex_keeps_everything_and_a_rollback_goes_back(store: OpenSearchStore) -> None:
    before, generation = everything(store), store.generation("photos")
    told: list[tuple[int, int]] = []
    described = store.reindex(
        "photos", lambda layout: replace(layout, shards=2), told=lambda *progress: told.append(progress)
    )
    assert (described.layout["index"], described.items) == ("photos-v0002", 300)
    assert told[-1] == (300, 300)
    assert everything(store) == before
    assert store.generation("photos") > generation
    generation = store.generation("photos")
    assert store.verify("photos").problems == ()
    store.update("photos", [ItemUpdate("0000.jpg", labels=frozenset({"new"}))], deadline=soon())
    assert store.rollback("photos").layout["index"] == "photos-v0001"
    assert everything(store) == before
    assert store.generation("photos") > generation
    [problem] = store.verify("photos").problems
    assert "photos-v0002 is not in use" in problem
    assert "pixkin index prune photos" in problem
    assert next(store.add("photos", items(1), deadline=soon())).state == "replaced"
    with pytest.raises(InvalidArgument, match="no version before photos-v0001"):
        store.rollback("photos")


def test_versions_that_are_not_in_use_can_be_removed(store: OpenSearchStore) -> None:
    store.reindex("photos", lambda layout: layout)
    store.reindex("photos", lambda layout: layout)
    assert store.unused_versions("photos") == ["photos-v0001", "photos-v0002"]
    assert store.remove_versions("photos") == ["photos-v0001", "photos-v0002"]
    assert index_of(store) == "photos-v0003"
    assert store.verify("photos").problems == ()


def test_a_collection_answers_searches_and_refuses_writes_while_it_is_reindexed(store: OpenSearchStore) -> None:
    query = ScoringQuery(COLOURS.name, "chi2", np.ones(4))
    expected = store.candidates("photos", query, depth=300, filters=()).ids
    answers: list[list[str]] = []
    refusals: list[type[PixkinError]] = []

    def meanwhile(done: int, _: int) -> None:
        if done < 300:
            answers.append(store.candidates("photos", query, depth=300, filters=()).ids)
            try:
                list(store.add("photos", items(1), deadline=time.monotonic()))
            except PixkinError as error:
                refusals.append(type(error))

    store.reindex("photos", lambda layout: layout, told=meanwhile)
    assert answers == [expected]
    assert refusals == [StoreReadOnly]
    assert store.candidates("photos", query, depth=300, filters=()).ids == expected
    assert {result.state for result in store.add("photos", items(1), deadline=soon())} == {"replaced"}


def test_a_writer_that_a_reindex_overtakes_is_told_and_loses_nothing(store: OpenSearchStore) -> None:
    started, go_on = threading.Event(), threading.Event()

    def slow() -> Iterator[Item | None]:
        yield Item("first", {COLOURS.name: np.ones(4, np.float32)})
        yield None
        started.set()
        go_on.wait(30)
        yield Item("second", {COLOURS.name: np.ones(4, np.float32)})

    states: list[str] = []

    def write() -> None:
        with pytest.raises(StoreReadOnly):
            states.extend(result.state for result in store.add("photos", slow(), deadline=time.monotonic()))
        states.append("refused")

    writer = threading.Thread(target=write)
    writer.start()
    assert started.wait(30)
    store.reindex("photos", lambda layout: layout)
    go_on.set()
    writer.join(60)
    assert states == ["added", "refused"]
    assert set(store.get("photos", ["first", "second"])) == {"first"}


def test_a_reindex_that_fails_leaves_the_collection_as_it_was(
    store: OpenSearchStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(store)

    def fail(*_: object) -> None:
        raise StoreUnavailable("gone")

    with monkeypatch.context() as broken:
        broken.setattr(versions, "_swap", fail)
        with pytest.raises(StoreUnavailable):
            store.reindex("photos", lambda layout: layout)
    assert index_of(store) == "photos-v0001"
    assert store.verify("photos").problems == ()
    assert next(store.add("photos", items(1), deadline=soon())).state == "replaced"
    assert everything(store) == before


def test_a_collection_whose_alias_is_gone_is_named_and_put_back(store: OpenSearchStore) -> None:
    before = everything(store)
    actions = [{"remove": {"index": "photos-v0001", "alias": "photos"}}]
    store.connection.ask("POST", "/_aliases", body={"actions": actions})
    with pytest.raises(StoreFormat, match=r"alias photos is gone, .* pixkin index rollback photos"):
        store.verify("photos")
    store.rollback("photos")
    assert everything(store) == before


def test_several_slices_find_the_same_as_one(store: OpenSearchStore) -> None:
    query = ScoringQuery(COLOURS.name, "jensen_shannon", np.arange(1.0, 5.0))
    found = []
    for slices in (1, 2, 8):
        store.reindex("photos", lambda layout, slices=slices: replace(layout, slices=slices, shards=2))
        best = store.candidates("photos", query, depth=100, filters=())
        found.append((best.ids, best.values.tolist()))
    assert found[0] == found[1] == found[2]


def test_an_approximate_index_is_refused_without_the_plugin_by_name(nodes: Nodes) -> None:
    with closing(open_store(nodes("3.8.0").url)) as store:
        with pytest.raises(InvalidArgument, match=r"k-NN plugin \(opensearch-knn\)"):
            store.create("near", [COLOURS], layout=IndexLayout(ann=True))
        assert "near" not in store.list()


def test_a_search_for_neighbours_without_their_index_is_an_invalid_plan(store: OpenSearchStore) -> None:
    query = ScoringQuery(COLOURS.name, "chi2", np.ones(4))
    with pytest.raises(InvalidPlan, match="--candidates exact"):
        store.candidates("photos", query, depth=10, filters=(), shortlist=10)


def test_a_merge_leaves_as_many_segments_as_threads_and_the_same_answers(store: OpenSearchStore) -> None:
    store.reindex("photos", lambda layout: replace(layout, slices=2))
    for number in range(6):  # each makes a segment
        list(store.add("photos", [Item(f"new {number}", {COLOURS.name: np.ones(4, np.float32)})], deadline=soon()))
    before = everything(store)
    assert store.merge("photos").items == 306
    segments = store.connection.ask("GET", "/photos/_segments")["indices"]["photos-v0002"]["shards"]["0"][0]["segments"]
    assert len([about for about in segments.values() if about["search"]]) <= 2
    assert everything(store) == before
