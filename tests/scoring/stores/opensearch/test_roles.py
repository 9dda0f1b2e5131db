"""The two roles of docs/opensearch-security.md, as they stand there, on a node with the real security plugin.

Somebody else has a collection in the same cluster all the time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import PixkinError, StoreDenied, UnknownCollection
from pixkin_scoring.filters import parse_filter
from pixkin_scoring.items import ItemUpdate
from pixkin_scoring.query import CandidateSearch, ScoringQuery
from pixkin_scoring.stores import open_store
from pixkin_scoring.stores.copying import copy
from pixkin_scoring.stores.layout import IndexLayout
from pixkin_scoring.stores.opensearch.scripts import delete_script, list_scripts, register_scripts, verify_scripts
from pixkin_scoring.stores.opensearch.settings import variable
from pixkin_scoring.stores.opensearch.store import OpenSearchStore
from pixkin_server.engine import Engine

from tests.conftest import QUICK_START
from tests.scoring.stores.opensearch.conftest import HUES, items, soon
from tests.scoring.stores.opensearch.secured_node import SecuredNode, start_secured_node

pytestmark = pytest.mark.slow

DOCUMENT = Path(__file__).parents[4] / "docs" / "opensearch-security.md"
MANAGE, SEARCH, NARROW = "pixkin-manage", "pixkin-search", "narrow"
COUNT = 12
IDS = [item.id for item in items(COUNT)]
MORE = Descriptor("more", 2)
QUERY = ScoringQuery(HUES.name, "chi2", np.array([0.4, 0.3, 0.2, 0.1]))
OURS = "pixkin-none"
NO_SCRIPT = {"script": {"lang": "painless", "source": "0"}}
Call = Callable[[OpenSearchStore, str], object]
As = Callable[..., OpenSearchStore]


def found(store: OpenSearchStore, name: str, **how: Any) -> object:
    """Return the candidates of one search as values that `==` compares."""
    answer = store.candidates(name, QUERY, depth=5, filters=parse_filter(["year=2000.."]), **how)
    return answer.ids, answer.values.tolist()


def found_together(store: OpenSearchStore, name: str) -> object:
    """Return those of two searches in one request, or raise the error of the first that has one."""
    answers = store.candidates_batch([CandidateSearch(name, QUERY, 5), CandidateSearch(name, QUERY, 3)])
    for answer in answers:
        if isinstance(answer, PixkinError):
            raise answer
    return [answer.ids for answer in answers if not isinstance(answer, PixkinError)]


def vectors(store: OpenSearchStore, name: str) -> object:
    """Return labels and vectors of some items."""
    whole = store.get(name, IDS[:5], vectors=True, thumbnails=True).values()
    return [(item.id, item.labels, item.thumbnail, item.vectors[HUES.name].tolist()) for item in whole]


READS: dict[str, Call] = {
    "describe": lambda store, name: replace(store.describe(name), bytes={}),
    "generation": lambda store, name: store.generation(name),
    "list_items": lambda store, name: store.list_items(name, parse_filter(["label=label 1"]), size=5),
    "get": vectors,
    "labels": lambda store, name: store.labels(name, IDS[:5]),
    "all labels": lambda store, name: store.labels(name),
    "fetch": lambda store, name: store.fetch(name, HUES.name, IDS[:5]).tolist(),
    "scan": lambda store, name: [(ids, rows.tolist()) for ids, rows in store.scan(name, HUES.name, block=7)],
    "candidates": found,
    "approximate candidates": lambda store, name: found(store, name, shortlist=10),
    "candidates_batch": found_together,
    "get_attachment": lambda store, name: store.get_attachment(name, "graph"),
}
WRITES: dict[str, Call] = {
    "add": lambda store, name: list(store.add(name, items(COUNT), deadline=soon())),
    "update": lambda store, name: store.update(name, [ItemUpdate(IDS[0], labels=frozenset({"n"}))], deadline=soon()),
    "rename": lambda store, name: store.update(name, [ItemUpdate(IDS[0], new_id="zz")], deadline=soon()),
    "remove": lambda store, name: store.remove(name, IDS[:3], deadline=soon()),
    "add_descriptor": lambda store, name: store.add_descriptor(
        name, MORE, [(IDS, np.ones((COUNT, 2), np.float32))], deadline=soon()
    ),
    "put_attachment": lambda store, name: store.put_attachment(name, "graph", b"new", deadline=soon()),
    "verify": lambda store, name: store.verify(name),  # it refreshes
    "reindex": lambda store, name: store.reindex(name, lambda layout: layout),
    "merge": lambda store, name: store.merge(name),
    "rollback": lambda store, name: store.rollback(name),
    "remove_versions": lambda store, name: store.remove_versions(name),
    "drop": lambda store, name: store.drop(name),
    "create": lambda store, name: store.create(f"{name}-v2", [HUES]),
}
SCRIPTS: dict[str, Call] = {
    "register a script": lambda store, _: store.connection.ask("PUT", f"/_scripts/{OURS}", body=NO_SCRIPT),
    "delete a script": lambda store, _: delete_script(store.connection, OURS),
}
CALLS = {**READS, **WRITES, **SCRIPTS}


@pytest.fixture(scope="module")
def roles() -> dict[str, dict[str, Any]]:
    """The roles of the document by name."""
    text = DOCUMENT.read_text(encoding="utf-8")
    named = re.findall(r"`PUT _plugins/_security/api/roles/([\w-]+)`\n```json\n(.*?)```", text, re.DOTALL)
    return {name: json.loads(role) for name, role in named}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, roles: dict[str, dict[str, Any]]) -> Iterator[SecuredNode]:
    """A node on which each role is that of a user of its name, and `narrow` may search without listing."""
    narrow = {**roles[SEARCH], "index_permissions": roles[SEARCH]["index_permissions"][:1]}
    with start_secured_node(tmp_path_factory.mktemp("secured"), java_options=QUICK_START) as node:
        for name, role in {**roles, NARROW: narrow}.items():
            node.grant(name, role)
        yield node


@pytest.fixture(scope="module")
def known_as(node: SecuredNode) -> Iterator[As]:
    """A store as a user sees it; the administrator has no name."""
    with ExitStack() as opened:

        @cache
        def store(*user: str) -> OpenSearchStore:
            with pytest.MonkeyPatch.context() as environment:
                for name, value in asdict(node.settings(*user)).items():
                    environment.setenv(variable(name), value)
                return opened.enter_context(closing(OpenSearchStore(node.url)))

        yield store


@pytest.fixture(scope="module", autouse=True)
def other(known_as: As) -> None:
    """Somebody else's collection `other`, and an index that only looks like one."""
    store = known_as()
    fill(store, "other")
    store.connection.ask("PUT", "/logs-v0001", body={"aliases": {"logs": {}}})


@pytest.fixture(scope="module")
def photos(known_as: As) -> None:
    """A collection `photos` in its second version, with the first one kept, that the manager has made."""
    fill(known_as(MANAGE), "photos", IndexLayout(ann=True))
    known_as(MANAGE).reindex("photos", lambda layout: layout)


def fill(store: OpenSearchStore, name: str, layout: IndexLayout | None = None) -> None:
    """Make a collection with items and an attachment."""
    store.create(name, [HUES], layout=layout)
    assert {result.state for result in store.add(name, items(COUNT), deadline=soon())} == {"added"}
    store.put_attachment(name, "graph", b"old", deadline=soon())


@pytest.fixture(scope="module")
def lenient(node: SecuredNode) -> Iterator[None]:
    """The cluster leaves out what a role may not see, where it would refuse the whole answer."""
    node.leave_out_forbidden(on=True)
    yield
    node.leave_out_forbidden(on=False)


@pytest.mark.parametrize(
    "layout", [IndexLayout(), IndexLayout(lean=True), IndexLayout(ann=True)], ids=["plain", "lean", "ann"]
)
def test_the_manager_may_make_change_rebuild_copy_and_drop_a_collection(
    layout: IndexLayout, known_as: As, tmp_path: Path
) -> None:
    store = known_as(MANAGE)
    fill(store, "photos", layout)
    changes = [ItemUpdate(IDS[0], attributes={"size": 1.0, "kind": "new"}), ItemUpdate(IDS[1], new_id="renamed")]
    assert [result.state for result in store.update("photos", changes, deadline=soon())] == ["updated", "updated"]
    assert store.remove("photos", IDS[2:4], deadline=soon()) == IDS[2:4]
    left = sorted({*IDS, "renamed"} - set(IDS[1:4]))
    store.add_descriptor("photos", MORE, [(left, np.ones((len(left), 2), np.float32))], deadline=soon())
    store.put_attachment("photos", "graph", b"new", deadline=soon())
    assert store.reindex("photos", lambda kept: replace(kept, shards=2)).layout["index"] == "photos-v0002"
    assert store.merge("photos").items == len(left)
    assert store.verify("photos").problems == ()
    assert store.rollback("photos").layout["index"] == "photos-v0001"
    assert store.remove_versions("photos") == ["photos-v0002"]
    with closing(open_store(str(tmp_path))) as embedded:
        assert copy(store, embedded, "photos", deadline=soon()).written == len(left)
        store.drop("photos")
        assert copy(embedded, store, "photos", deadline=soon()).written == len(left)
    assert [item.id for item in store.list_items("photos", (), size=COUNT)] == left
    store.drop("photos")
    with pytest.raises(UnknownCollection):
        store.describe("photos")


def test_the_manager_may_delete_and_register_scripts(known_as: As) -> None:
    connection = known_as(MANAGE).connection
    register_scripts(connection)
    gone = list_scripts(connection)[0].id
    delete_script(connection, gone)
    assert [each.id for each in register_scripts(connection)] == [gone]
    assert not list(verify_scripts(connection))


@pytest.mark.parametrize("user", [SEARCH, NARROW])
@pytest.mark.parametrize("call", READS)
def test_the_searcher_reads_what_the_manager_reads(call: str, user: str, known_as: As, photos: None) -> None:
    expected = READS[call](known_as(MANAGE), "photos")
    assert expected
    assert READS[call](known_as(user), "photos") == expected


@pytest.mark.parametrize("call", [*WRITES, *SCRIPTS])
def test_the_searcher_changes_nothing(call: str, known_as: As, photos: None) -> None:
    before = known_as().generation("photos")
    with pytest.raises(StoreDenied, match=r"no permissions for \["):
        CALLS[call](known_as(SEARCH), "photos")
    assert known_as().generation("photos") == before
    assert known_as(SEARCH).describe("photos").layout["index"] == "photos-v0002"


@pytest.mark.parametrize("user", [MANAGE, SEARCH])
@pytest.mark.parametrize("call", [*READS, *WRITES])
def test_a_collection_of_somebody_else_is_denied(call: str, user: str, known_as: As, photos: None) -> None:
    with pytest.raises(StoreDenied, match=r"no permissions for \["):
        CALLS[call](known_as(user), "other")


@pytest.mark.parametrize("call", CALLS)
def test_a_wrong_password_is_denied(call: str, known_as: As, photos: None) -> None:
    with pytest.raises(StoreDenied, match="PIXKIN_OPENSEARCH_USER"):
        CALLS[call](known_as(MANAGE, "hunter2"), "photos")


def test_collections_are_listed_by_name_where_the_role_may_see_names(known_as: As, photos: None) -> None:
    assert known_as().list() == ["other", "photos"]
    for user in (MANAGE, SEARCH):  # what may not be looked at may be a collection
        assert known_as(user).list() == ["logs", "other", "photos"]
    with pytest.raises(StoreDenied, match=r"no permissions for \[indices:admin/resolve/index]"):
        known_as(NARROW).list()


def test_a_server_of_the_search_role_starts_and_shows_what_it_may_read(
    known_as: As, photos: None, tmp_path: Path
) -> None:
    with Engine(known_as(SEARCH), extractors=tmp_path, device="cpu") as engine:
        engine.warm_up()
        assert [collection.name for collection in engine.collections()] == ["photos"]


def test_a_collection_that_is_not_there_is_unknown_to_a_role_that_may_not_list(known_as: As, photos: None) -> None:
    with pytest.raises(UnknownCollection, match="there is no collection 'photos-v'"):
        known_as(NARROW).describe("photos-v")


def test_a_cluster_that_leaves_out_what_is_forbidden_lists_the_rest(known_as: As, photos: None, lenient: None) -> None:
    for user in (NARROW, SEARCH):
        assert "photos" in known_as(user).list()
    assert known_as(NARROW).list() == ["photos"]


@pytest.mark.parametrize("call", READS)
def test_a_cluster_that_leaves_out_what_is_forbidden_denies_what_was_asked_for(
    call: str, known_as: As, photos: None, lenient: None
) -> None:
    assert READS[call](known_as(NARROW), "photos")
    with pytest.raises(StoreDenied, match=r"no permissions for \["):
        READS[call](known_as(NARROW), "other")
