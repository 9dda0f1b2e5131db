"""What operators do to an index by hand: it is noticed, named, or harmless."""

from __future__ import annotations

import base64
import contextlib
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from pixkin_proto.errors import (
    InvalidName,
    PixkinError,
    ScriptsMissing,
    StoreFormat,
    StoreReadOnly,
    StoreUnavailable,
    UnknownCollection,
    UnknownItem,
)
from pixkin_scoring.filters import parse_filter
from pixkin_scoring.items import ItemUpdate
from pixkin_scoring.measures import MEASURES
from pixkin_scoring.painless import script_id
from pixkin_scoring.query import CandidateSearch, ScoringQuery
from pixkin_scoring.stores import open_store
from pixkin_scoring.stores.layout import IndexLayout
from pixkin_scoring.stores.opensearch.scripts import BELIEVED_SECONDS, register_scripts
from pixkin_scoring.stores.opensearch.store import FRESH_SECONDS, OpenSearchStore
from pixkin_server.opensearch_node.node import Node

from tests.scoring.stores.opensearch.conftest import HUES, Maker, items, making, soon

pytestmark = pytest.mark.slow

COUNT = 20
IDS = [item.id for item in items(COUNT)]
VECTORS = {item.id: item.vectors[HUES.name].tolist() for item in items(COUNT)}


@pytest.fixture
def store(opensearch: Node) -> Iterator[OpenSearchStore]:
    with closing(open_store(opensearch.url)) as store:
        yield store


@pytest.fixture
def make(store: OpenSearchStore) -> Iterator[Maker]:
    """Make a collection of so many items; returns its name."""
    with making(store) as make:
        yield make


@pytest.fixture
def scripts(store: OpenSearchStore) -> Iterator[None]:
    """Puts the scripts back at the end."""
    yield
    register_scripts(store.connection)


def by_hand(store: OpenSearchStore, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """Ask the cluster past the store."""
    return store.connection.ask(method, path, body=body, params={"refresh": True} if "/_doc/" in path else None)


def query(measure: str = "chi2") -> ScoringQuery:
    return ScoringQuery(HUES.name, measure, np.array([0.4, 0.3, 0.2, 0.1]))


def found(store: OpenSearchStore, name: str, measure: str = "chi2") -> list[str]:
    return store.candidates(name, query(measure), depth=100, filters=()).ids


def encoded(*components: float) -> str:
    return base64.b64encode(np.array(components, dtype="<f4").tobytes()).decode()


def test_a_field_that_was_added_does_no_harm_and_is_named(store: OpenSearchStore, make: Maker) -> None:
    name = make(COUNT)
    before = found(store, name)
    by_hand(store, "PUT", f"/{name}-v0001/_mapping", {"properties": {"colour": {"type": "keyword"}}})
    by_hand(store, "POST", f"/{name}-v0001/_update/00003", {"doc": {"colour": "red"}})
    assert found(store, name) == before
    assert store.get(name, ["00003"], vectors=True)["00003"].vectors[HUES.name].tolist() == VECTORS["00003"]
    [problem] = store.verify(name).problems
    assert "fields that pixkin does not know: colour" in problem


def test_a_mapping_that_takes_anything_is_named(store: OpenSearchStore, make: Maker) -> None:
    name = make(COUNT)
    by_hand(store, "PUT", f"/{name}-v0001/_mapping", {"dynamic": True})
    assert len(found(store, name)) == COUNT
    [problem] = store.verify(name).problems
    assert "`dynamic` is not strict" in problem


@pytest.mark.parametrize(
    ("meta", "says"),
    [
        ({}, "no collection of pixkin"),
        ({"pixkin": {"schema": 99}}, "newer pixkin .schema 99"),
        ({"pixkin": {"schema": 1}}, "changed by hand"),
        ({"pixkin": {"schema": 1, "descriptors": [{"name": "hues"}]}}, "changed by hand"),
        ({"pixkin": "x"}, "no collection of pixkin"),
    ],
)
def test_a_declaration_that_was_changed_is_refused_by_name(
    meta: dict[str, Any], says: str, store: OpenSearchStore, make: Maker
) -> None:
    name = make(COUNT)
    before = by_hand(store, "GET", f"/{name}-v0001/_mapping")[f"{name}-v0001"]["mappings"]["_meta"]
    by_hand(store, "PUT", f"/{name}-v0001/_mapping", {"_meta": meta})
    time.sleep(FRESH_SECONDS)
    for call in (
        lambda: found(store, name),
        lambda: store.describe(name),
        lambda: store.list_items(name, (), size=1),
        lambda: list(store.add(name, items(1), deadline=soon())),
        lambda: store.create(name, [HUES]),
    ):
        with pytest.raises(StoreFormat, match=says):
            call()
    by_hand(store, "PUT", f"/{name}-v0001/_mapping", {"_meta": before})
    assert len(found(store, name)) == COUNT


@pytest.mark.usefixtures("scripts")
def test_a_script_that_was_deleted_is_missed_by_the_next_search(store: OpenSearchStore, make: Maker) -> None:
    name = make(COUNT)
    found(store, name, "chi2")
    by_hand(store, "DELETE", f"/_scripts/{script_id('chi2', 'value')}")
    with pytest.raises(ScriptsMissing, match="pixkin scripts register"):
        found(store, name, "chi2")
    assert any("chi2" in problem for problem in store.verify(name).problems)
    register_scripts(store.connection)
    assert len(found(store, name, "chi2")) == COUNT


@pytest.mark.usefixtures("scripts")
def test_a_script_that_was_edited_is_noticed_within_seconds(store: OpenSearchStore, make: Maker) -> None:
    name = make(COUNT)
    before = found(store, name, "chi2")
    script = {"script": {"lang": "painless", "source": "return 1.0;"}}
    by_hand(store, "PUT", f"/_scripts/{script_id('chi2', 'value')}", script)
    edited = time.monotonic()
    assert any("edited by hand" in problem for problem in store.verify(name).problems)
    while time.monotonic() < edited + BELIEVED_SECONDS:
        with contextlib.suppress(ScriptsMissing):
            found(store, name, "chi2")
        time.sleep(0.2)
    with pytest.raises(ScriptsMissing, match="edited by hand"):
        found(store, name, "chi2")
    assert len(found(store, name, "manhattan")) == COUNT
    register_scripts(store.connection)
    assert found(store, name, "chi2") == before


@pytest.mark.parametrize("source", ["whole", "lean"])
def test_a_label_that_was_updated_costs_the_vector_in_a_lean_index_alone(
    source: str, store: OpenSearchStore, make: Maker
) -> None:
    name = make(COUNT, layout=IndexLayout(lean=source == "lean"))
    by_hand(store, "POST", f"/{name}-v0001/_update/00003", {"doc": {"labels": ["by hand"]}})
    by_hand(store, "POST", f"/{name}-v0001/_refresh")
    assert [item.id for item in store.list_items(name, parse_filter(["label=by hand"]), size=5)] == ["00003"]
    if source == "whole":
        assert store.fetch(name, HUES.name, ["00003"]).tolist() == [VECTORS["00003"]]
        assert store.verify(name).problems == ()
        return
    assert sorted(found(store, name)) == [item for item in IDS if item != "00003"]
    with pytest.raises(UnknownItem):
        store.fetch(name, HUES.name, ["00003"])
    [problem] = store.verify(name).problems
    assert "no vector of hues for: 00003" in problem
    list(store.add(name, items(COUNT), deadline=soon()))
    assert store.verify(name).problems == ()


def test_a_copy_that_was_made_by_hand_is_no_collection_and_no_version(store: OpenSearchStore, make: Maker) -> None:
    name = make(COUNT)
    for copy in ("copied-v0001", f"{name}-v0002"):
        by_hand(store, "POST", "/_reindex", {"source": {"index": name}, "dest": {"index": copy}})
    try:
        assert "copied" not in store.list()
        with pytest.raises(UnknownCollection):
            store.describe("copied")
        assert store.verify(name).problems == ()
        with pytest.raises(InvalidName, match=f"{name}-v0002 cannot be made"):
            store.reindex(name, lambda layout: layout)
        assert by_hand(store, "GET", f"/{name}-v0002/_count")["count"] in range(COUNT + 1)
        assert {result.state for result in store.add(name, items(COUNT), deadline=soon())} == {"replaced"}
        with pytest.raises(InvalidName, match="copied-v0001 cannot be made"):
            store.create("copied", [HUES])
    finally:
        by_hand(store, "DELETE", f"/copied-v0001,{name}-v0002")


DAMAGED: dict[str, dict[str, Any]] = {
    "no vector": {"id": "no vector"},
    "short": {"id": "short", "vectors": {"hues": encoded(1, 2, 3)}},
    "long": {"id": "long", "vectors": {"hues": encoded(1, 2, 3, 4, 5)}},
    "odd": {"id": "odd", "vectors": {"hues": base64.b64encode(b"odd").decode()}},
    "empty": {"id": "empty", "vectors": {"hues": ""}},
    "nan": {"id": "nan", "vectors": {"hues": encoded(math.nan, 1, 1, 1)}},
    "infinite": {"id": "infinite", "vectors": {"hues": encoded(math.inf, 1, 1, 1)}},
    "no id": {"vectors": {"hues": encoded(0.4, 0.3, 0.2, 0.1)}},
}
"""Documents as a careless hand writes them."""


@pytest.mark.parametrize("candidates", ["exact", "approximate"])
def test_documents_without_a_sound_vector_or_id_fail_no_search_and_are_left_out(
    candidates: str, store: OpenSearchStore, opensearch: Node, make: Maker
) -> None:
    approximate = candidates == "approximate"
    if approximate and opensearch.version != "2.19.1":
        pytest.skip("OpenSearch 3.8.0 is run without the k-NN plugin")
    shortlist = 100 if approximate else 0
    name = make(COUNT, layout=IndexLayout(ann=approximate))
    whole = {measure: found(store, name, measure) for measure in MEASURES}
    for damage, document in DAMAGED.items():
        by_hand(store, "PUT", f"/{name}-v0001/_doc/{damage.replace(' ', '-')}", document)
    searches = [CandidateSearch(name, query(measure), 100, (), shortlist) for measure in MEASURES]
    batch = store.candidates_batch(searches)
    for measure, together in zip(MEASURES, batch, strict=True):
        assert not isinstance(together, PixkinError), together
        assert together.ids == whole[measure], measure
        assert np.isfinite(together.values).all()
        alone = store.candidates(name, query(measure), depth=100, filters=(), shortlist=shortlist)
        assert alone.ids == whole[measure], measure


def test_damaged_documents_are_named_and_the_others_can_be_read(store: OpenSearchStore, make: Maker) -> None:
    name = make(COUNT)
    for damage, document in DAMAGED.items():
        by_hand(store, "PUT", f"/{name}-v0001/_doc/{damage.replace(' ', '-')}", document)
    problems = " ".join(store.verify(name).problems)
    assert "no vector of hues for: no-vector" in problems
    assert "documents without an id were written by hand: no-id" in problems
    assert "has another length or is not finite for: empty, infinite, long, nan, odd and 1 more" in problems
    assert store.fetch(name, HUES.name, IDS).tolist() == [VECTORS[item] for item in IDS]
    assert set(store.get(name, IDS, vectors=True)) == set(IDS)
    with pytest.raises(StoreFormat, match="pixkin index verify"):
        list(store.scan(name, HUES.name))
    assert len(store.labels(name)) == COUNT + len(DAMAGED) - 1
    removed = store.remove(name, [*DAMAGED, "no-vector", "no-id"], deadline=soon())
    assert set(removed) == {"short", "long", "odd", "empty", "nan", "infinite", "no-vector", "no-id"}
    assert store.verify(name).problems == ()
    assert len(next(iter(store.scan(name, HUES.name)))[0]) == COUNT


def test_an_alias_over_two_indices_is_refused_by_name(store: OpenSearchStore, make: Maker) -> None:
    name, other = make(COUNT), make(COUNT)
    by_hand(store, "POST", "/_aliases", {"actions": [{"add": {"index": f"{other}-v0001", "alias": name}}]})
    time.sleep(FRESH_SECONDS)
    for call in (
        lambda: found(store, name),
        lambda: store.remove(name, IDS, deadline=soon()),
        lambda: store.describe(name),
    ):
        with pytest.raises(StoreFormat, match=f"the alias {name} names several indices .made-"):
            call()
    assert len(found(store, other)) == COUNT
    by_hand(store, "POST", "/_aliases", {"actions": [{"remove": {"index": f"{other}-v0001", "alias": name}}]})
    assert len(found(store, name)) == COUNT


def test_an_alias_that_is_gone_is_put_back_by_what_the_error_says(store: OpenSearchStore, make: Maker) -> None:
    name = make(COUNT)
    by_hand(store, "POST", "/_aliases", {"actions": [{"remove": {"index": f"{name}-v0001", "alias": name}}]})
    for call in (
        lambda: found(store, name),
        lambda: store.remove(name, IDS, deadline=soon()),
        lambda: store.create(name, [HUES]),
    ):
        with pytest.raises(StoreFormat, match=f"alias {name} is gone, .* pixkin index rollback {name}"):
            call()
    assert store.rollback(name).items == COUNT
    assert len(found(store, name)) == COUNT


def test_the_alias_for_writing_is_put_back_by_the_next_writer(store: OpenSearchStore, make: Maker) -> None:
    name = make(COUNT)
    gone = {"actions": [{"remove": {"index": f"{name}-v0001", "alias": f"{name}-v0001.writes"}}]}
    by_hand(store, "POST", "/_aliases", gone)
    assert store.remove(name, IDS[:2], deadline=soon()) == IDS[:2]
    by_hand(store, "POST", "/_aliases", gone)
    [problem] = store.verify(name).problems
    assert "it is there again" in problem
    assert store.verify(name).problems == ()


@pytest.mark.parametrize("repairs", ["add", "verify"])
def test_a_refresh_that_was_left_off_is_put_back(repairs: str, store: OpenSearchStore, make: Maker) -> None:
    name = make(COUNT)
    by_hand(store, "PUT", f"/{name}-v0001/_settings", {"index": {"refresh_interval": "-1"}})
    if repairs == "add":
        list(store.add(name, items(1), deadline=soon()))
    else:
        [problem] = store.verify(name).problems
        assert "was not refreshed any more" in problem
    settings = by_hand(store, "GET", f"/{name}-v0001/_settings")[f"{name}-v0001"]["settings"]["index"]
    assert settings.get("refresh_interval") != "-1"
    assert store.verify(name).problems == ()


def test_an_index_with_the_name_of_a_collection_is_refused_by_name(store: OpenSearchStore) -> None:
    by_hand(store, "PUT", "/plain")
    try:
        assert "plain" not in store.list()
        for call in (lambda: store.describe("plain"), lambda: store.create("plain", [HUES])):
            with pytest.raises(StoreFormat, match="plain is an index, and a collection is an alias"):
                call()
        with pytest.raises(UnknownCollection):
            store.drop("plain")
        assert "plain" in by_hand(store, "GET", "/plain")
    finally:
        by_hand(store, "DELETE", "/plain")


def test_a_foreign_index_called_like_a_version_is_left_alone(store: OpenSearchStore) -> None:
    by_hand(store, "PUT", "/logs-v0001")
    try:
        assert "logs" not in store.list()
        with pytest.raises(InvalidName, match=r"logs-v0001 cannot be made: .*; delete or rename"):
            store.create("logs", [HUES])
        with pytest.raises(UnknownCollection):
            store.drop("logs")
        assert "logs-v0001" in by_hand(store, "GET", "/logs-v0001")
    finally:
        by_hand(store, "DELETE", "/logs-v0001")


def test_a_collection_that_is_dropped_under_its_writer_does_not_come_back_as_something_else(
    store: OpenSearchStore, opensearch: Node, make: Maker
) -> None:
    def write(name: str) -> PixkinError:
        with closing(open_store(opensearch.url)) as other:
            try:
                while True:
                    list(other.add(name, items(COUNT), deadline=soon()))
                    label = frozenset({str(time.monotonic())})
                    other.update(name, [ItemUpdate("00003", labels=label)], deadline=soon())
            except PixkinError as error:
                return error

    with ThreadPoolExecutor(1) as pool:
        for turn in range(5):
            name = make(COUNT)
            writer = pool.submit(write, name)
            time.sleep(0.3 + 0.05 * turn)
            store.drop(name)
            assert isinstance(writer.result(60), UnknownCollection | StoreUnavailable | StoreReadOnly)
            assert by_hand(store, "GET", f"/{name}*") == {}
            store.create(name, [HUES])
