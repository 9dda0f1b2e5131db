"""What others have added to an index is carried, or named; it never goes in silence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import InvalidArgument
from pixkin_scoring.stores import open_store
from pixkin_scoring.stores.opensearch.store import OpenSearchStore

from tests.scoring.stores.opensearch.conftest import Maker, items, making, soon

pytestmark = pytest.mark.slow

ADDED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "field title": ("PUT", "/{index}/_mapping", {"properties": {"title": {"type": "text"}}}),
    "field price": ("PUT", "/{index}/_mapping", {"properties": {"price": {"type": "float"}}}),
    "field root.words": (
        "PUT", "/{index}/_mapping",
        {"properties": {"root": {"type": "keyword", "fields": {"words": {"type": "text"}}}}},
    ),
    "mapping dynamic=false": ("PUT", "/{index}/_mapping", {"dynamic": False}),
    "setting search.slowlog.threshold.query.warn=1s": (
        "PUT", "/{index}/_settings", {"index.search.slowlog.threshold.query.warn": "1s"}
    ),
    "setting refresh_interval=30s": ("PUT", "/{index}/_settings", {"index.refresh_interval": "30s"}),
    "setting max_result_window=200000": ("PUT", "/{index}/_settings", {"index.max_result_window": 200_000}),
    "alias {name}-shop": ("PUT", "/{index}/_alias/{name}-shop", {}),
}  # fmt: skip
"""What an operator adds, as it is named, and the request for it."""


@pytest.fixture
def store(nodes: Callable[..., Any]) -> Iterator[OpenSearchStore]:
    with closing(open_store(nodes("3.8.0").url)) as store:
        yield store


@pytest.fixture
def make(store: OpenSearchStore) -> Iterator[Maker]:
    with making(store) as make:
        yield make


def added(store: OpenSearchStore, name: str, what: str, version: int = 1) -> str:
    method, path, body = ADDED[what]
    index = f"{name}-v{version:04}"
    store.connection.ask(method, path.format(index=index, name=name), body=body)
    return what.format(name=name)


def test_a_reindex_that_would_drop_what_others_have_added_names_it_all_and_changes_nothing(
    store: OpenSearchStore, make: Maker
) -> None:
    name = make(3)
    names = [added(store, name, what) for what in ADDED]
    meta = {"_meta": {**store._index(name).schema.meta(), "owner": "shop"}}
    store.connection.ask("PUT", f"/{name}-v0001/_mapping", body=meta)
    with pytest.raises(InvalidArgument, match="--leave-behind") as refused:
        store.reindex(name, lambda layout: layout)
    assert [what for what in [*names, "_meta.owner"] if what not in refused.value.message] == []
    assert list(store.connection.ask("GET", f"/{name}-v*")) == [f"{name}-v0001"]
    assert {result.state for result in store.add(name, items(1), deadline=soon())} == {"replaced"}
    assert store.reindex(name, lambda layout: layout, leave_behind=True).items == 3
    assert store.additions(name) == []


@pytest.mark.parametrize("what", ADDED)
def test_each_thing_that_others_have_added_is_a_reason_of_its_own(
    what: str, store: OpenSearchStore, make: Maker
) -> None:
    name = make(1)
    said = added(store, name, what)
    assert store.additions(name) == [said]


def test_a_rollback_to_a_version_without_what_others_have_added_names_it(store: OpenSearchStore, make: Maker) -> None:
    name = make(3)
    store.reindex(name, lambda layout: layout)
    added(store, name, "field title", version=2)
    with pytest.raises(InvalidArgument, match="field title"):
        store.rollback(name)
    assert store.describe(name).layout["index"] == f"{name}-v0002"
    added(store, name, "field title", version=1)
    assert store.rollback(name).layout["index"] == f"{name}-v0001"


def test_what_a_template_gives_to_every_index_is_carried(store: OpenSearchStore, make: Maker) -> None:
    setting = {"index.search.slowlog.threshold.query.warn": "2s"}
    template = {"index_patterns": ["made-*"], "template": {"settings": setting}}
    store.connection.ask("PUT", "/_index_template/for-made", body=template)
    try:
        name = make(1)
        assert store.additions(name) == ["setting search.slowlog.threshold.query.warn=2s"]
        assert store.reindex(name, lambda layout: layout).layout["index"] == f"{name}-v0002"
    finally:
        store.connection.ask("DELETE", "/_index_template/for-made")


def test_what_others_keep_in_the_declaration_survives_a_new_descriptor(store: OpenSearchStore, make: Maker) -> None:
    name = make(0)
    meta = {"_meta": {**store._index(name).schema.meta(), "owner": "shop"}}
    store.connection.ask("PUT", f"/{name}-v0001/_mapping", body=meta)
    store.add_descriptor(name, Descriptor("more", 2), [], deadline=soon())
    assert store.additions(name) == ["_meta.owner"]


def test_an_index_that_nobody_has_touched_has_no_additions(store: OpenSearchStore, make: Maker) -> None:
    name = make(3)
    assert store.additions(name) == []
    store.reindex(name, lambda layout: layout)
    assert store.additions(name) == []
