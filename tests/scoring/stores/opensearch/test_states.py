"""Every state that somebody may leave an index or an alias in has a line in the list and an error by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from pixkin_proto.errors import PixkinError, StoreFormat, StoreFull, StoreReadOnly, StoreUnavailable
from pixkin_scoring.query import ScoringQuery
from pixkin_scoring.stores import open_store
from pixkin_scoring.stores.opensearch.store import OpenSearchStore

from tests.scoring.stores.opensearch.conftest import HUES, Maker, items, making, soon

pytestmark = pytest.mark.slow

Hand = tuple[str, str, Any]
ALIASES = "/_aliases"
READS: dict[str, Callable[[OpenSearchStore, str], object]] = {
    "describe": lambda store, name: store.describe(name),
    "candidates": lambda store, name: store.candidates(
        name, ScoringQuery(HUES.name, "chi2", np.ones(4)), depth=10, filters=()
    ),
    "list_items": lambda store, name: store.list_items(name, (), size=10),
    "get": lambda store, name: store.get(name, ["00000"]),
    "labels": lambda store, name: store.labels(name),
    "verify": lambda store, name: store.verify(name),
}


def _alias(**more: Any) -> Hand:
    return "POST", ALIASES, {"actions": [{"add": {"index": "{index}", "alias": "{name}", **more}}]}


def _block(which: str) -> Hand:
    return "PUT", "/{index}/_settings", {f"index.blocks.{which}": True}


UNREADABLE: dict[str, tuple[Hand, type[PixkinError], str]] = {
    "closed": (("POST", "/{index}/_close", None), StoreUnavailable, "is closed .* POST /{index}/_open"),
    "read block": (_block("read"), StoreReadOnly, "index read"),
    "metadata block": (_block("metadata"), StoreReadOnly, "index metadata"),
    "filtered alias": (_alias(filter={"term": {"labels": "label 1"}}), StoreFormat, "was given filter by hand"),
    "routed alias": (_alias(routing="1"), StoreFormat, "was given index_routing, search_routing by hand"),
    "alias gone": (
        ("POST", ALIASES, {"actions": [{"remove": {"index": "{index}", "alias": "{name}"}}]}),
        StoreFormat, "alias {name} is gone.*pixkin index rollback {name}",
    ),
    "damaged declaration": (
        ("PUT", "/{index}/_mapping", {"_meta": {"pixkin": {"schema": 1}}}), StoreFormat, "was changed by hand"
    ),
    "newer declaration": (
        ("PUT", "/{index}/_mapping", {"_meta": {"pixkin": {"schema": 99}}}), StoreFormat, "made by a newer pixkin"
    ),
}  # fmt: skip
"""What somebody does, and what reading the collection says then."""
READABLE: dict[str, Hand] = {
    "hidden": ("PUT", "/{index}/_settings", {"index.hidden": True}),
    "write block": _block("write"),
    "read-only": _block("read_only"),
    "disk full": _block("read_only_allow_delete"),
    "hidden alias": _alias(is_hidden=True),
    "write index": _alias(is_write_index=True),
}


@pytest.fixture
def store(nodes: Callable[..., Any]) -> Iterator[OpenSearchStore]:
    with closing(open_store(nodes("3.8.0").url)) as store:
        yield store


@pytest.fixture
def make(store: OpenSearchStore) -> Iterator[Maker]:
    with making(store) as make:
        yield make


@pytest.fixture
def name(store: OpenSearchStore, make: Maker) -> Iterator[str]:
    """A collection of three items; every block is lifted in the end, so that it can be dropped."""
    name = make(3)
    yield name
    for block in ("metadata", "read_only", "read_only_allow_delete", "read"):  # each by itself, as the cluster wants it
        store.connection.ask("PUT", f"/{name}-v0001/_settings", body={f"index.blocks.{block}": None})


def by_hand(store: OpenSearchStore, name: str, hand: Hand) -> None:
    def filled(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace("{index}", f"{name}-v0001").replace("{name}", name)
        if isinstance(value, dict):
            return {key: filled(each) for key, each in value.items()}
        return [filled(each) for each in value] if isinstance(value, list) else value

    method, path, body = hand
    store.connection.ask(method, filled(path), body=filled(body))
    store._forget(name)


@pytest.mark.parametrize("state", UNREADABLE)
def test_a_collection_that_cannot_be_read_is_listed_and_every_read_says_why(
    state: str, store: OpenSearchStore, name: str
) -> None:
    hand, leaf, says = UNREADABLE[state]
    by_hand(store, name, hand)
    assert name in store.list()
    for call, read in READS.items():
        if (state, call) == ("read block", "describe"):
            continue  # its numbers may be had
        with pytest.raises(leaf, match=says.format(name=name, index=f"{name}-v0001")):
            read(store, name)


@pytest.mark.parametrize("state", READABLE)
def test_a_collection_in_any_other_state_is_listed_and_read_as_before(
    state: str, store: OpenSearchStore, name: str
) -> None:
    by_hand(store, name, READABLE[state])
    assert name in store.list()
    assert store.describe(name).items == 3
    assert len(store.list_items(name, (), size=10)) == 3
    problems = store.verify(name).problems
    blocked = state in {"write block", "read-only", "disk full"}
    assert any("takes no writes" in problem for problem in problems) is blocked
    if blocked:
        with pytest.raises(StoreFull if state == "disk full" else StoreReadOnly):
            list(store.add(name, items(1), deadline=soon(1)))
    else:
        assert {result.state for result in store.add(name, items(1), deadline=soon())} == {"replaced"}


def test_one_index_that_may_not_be_looked_at_hides_no_other(store: OpenSearchStore, make: Maker, name: str) -> None:
    other = make(1)
    by_hand(store, name, _block("metadata"))
    assert {name, other} <= set(store.list())


def test_a_closed_collection_can_be_dropped_and_a_closed_version_pruned(store: OpenSearchStore, make: Maker) -> None:
    name, other = make(1), make(1)
    store.connection.ask("POST", f"/{name}-v0001/_close")
    store.drop(name)
    assert name not in store.list()
    store.reindex(other, lambda layout: layout)
    store.connection.ask("POST", f"/{other}-v0001/_close")
    with pytest.raises(StoreUnavailable, match=f"{other}-v0001, .* is closed"):
        store.rollback(other)
    assert store.remove_versions(other) == [f"{other}-v0001"]
    assert store.describe(other).items == 1


def test_a_collection_none_of_whose_shards_is_there_is_listed_and_said_to_be_so(
    store: OpenSearchStore, name: str
) -> None:
    index = f"{name}-v0001"
    about = store.connection.ask("GET", f"/{index}")[index]
    store.connection.ask("DELETE", f"/{index}")
    nowhere = {"index.routing.allocation.require._name": "nowhere"}
    body = {"mappings": about["mappings"], "aliases": about["aliases"], "settings": nowhere}
    store.connection.ask("PUT", f"/{index}", body=body, params={"wait_for_active_shards": 0})
    store._forget(name)
    assert name in store.list()
    answers = {call: _outcome(read, store, name) for call, read in READS.items()}
    assert {call: type(found) for call, found in answers.items()} == dict.fromkeys(READS, StoreUnavailable)


def _outcome(read: Callable[[OpenSearchStore, str], object], store: OpenSearchStore, name: str) -> object:
    try:
        return read(store, name)
    except PixkinError as error:
        return error
