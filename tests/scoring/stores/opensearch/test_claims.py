"""Two commands on one collection at the same time: the second meets the first, and nothing acknowledged is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import InvalidArgument, PixkinError, StoreReadOnly, UnknownCollection
from pixkin_scoring.items import Item, ItemUpdate
from pixkin_scoring.stores import open_store
from pixkin_scoring.stores.layout import IndexLayout
from pixkin_scoring.stores.opensearch import claims, versions
from pixkin_scoring.stores.opensearch.store import OpenSearchStore

from tests.scoring.stores.opensearch.conftest import HUES, Maker, making, soon

pytestmark = pytest.mark.slow

Call = Callable[[OpenSearchStore, str], object]
Blocks = Iterator[tuple[list[str], NDArray[np.float32]]]
SHAPES, EDGES = Descriptor("shapes", 2), Descriptor("edges", 2)


@pytest.fixture
def store(nodes: Callable[..., object]) -> Iterator[OpenSearchStore]:
    with closing(open_store(nodes("3.8.0").url)) as store:
        yield store


@pytest.fixture
def make(store: OpenSearchStore) -> Iterator[Maker]:
    with making(store) as make:
        yield make


@pytest.fixture
def other(store: OpenSearchStore) -> Iterator[OpenSearchStore]:
    """The same store as another process has it."""
    with closing(open_store(store.name)) as other:
        yield other


def same(layout: IndexLayout) -> IndexLayout:
    return layout


def ids(store: OpenSearchStore, name: str) -> set[str]:
    return {item.id for item in store.list_items(name, (), size=1000)}


def new_item(name: str) -> Item:
    return Item(name, {HUES.name: np.ones(HUES.dim, np.float32)})


def add(store: OpenSearchStore, name: str) -> object:
    return list(store.add(name, [new_item("late")], deadline=time.monotonic()))


def blocks(store: OpenSearchStore, name: str) -> Blocks:
    there = sorted(ids(store, name))
    yield there, np.ones((len(there), 2), np.float32)


WRITES: dict[str, Call] = {
    "add": add,
    "update": lambda store, name: store.update(
        name, [ItemUpdate("00001", labels=frozenset({"late"}))], deadline=time.monotonic()
    ),
    "remove": lambda store, name: store.remove(name, ["00001"], deadline=time.monotonic()),
    "add_descriptor": lambda store, name: store.add_descriptor(name, SHAPES, blocks(store, name), deadline=soon()),
    "put_vectors": lambda store, name: store.put_vectors(
        name, HUES.name, [(["00001"], np.ones((1, 4), np.float32))], deadline=soon()
    ),
    "merge": lambda store, name: store.merge(name),
    "reindex": lambda store, name: store.reindex(name, same),
    "rollback": lambda store, name: store.rollback(name),
    "prune": lambda store, name: store.remove_versions(name),
}
"""What changes a collection, or the indices behind it."""


@pytest.mark.parametrize("call", WRITES)
def test_what_comes_while_a_reindex_runs_is_refused_and_told_by_what(
    call: str, store: OpenSearchStore, other: OpenSearchStore, make: Maker
) -> None:
    name = make(3)
    store.reindex(name, same)  # so that there is a version to go back to
    refusals: list[PixkinError] = []

    def meanwhile(*_: int) -> None:
        with pytest.raises(StoreReadOnly) as refused:
            WRITES[call](other, name)
        refusals.append(refused.value)

    assert store.reindex(name, same, told=meanwhile).layout["index"] == f"{name}-v0003"
    assert "is held by `index reindex` (process " in refusals[0].message
    assert f"pixkin index unlock {name}" in refusals[0].message
    assert ids(other, name) == {"00000", "00001", "00002"}
    assert {result.state for result in add(other, name)} == {"added"}  # type: ignore[attr-defined]
    assert [problem for problem in store.verify(name).problems if "held" in problem or "writes" in problem] == []


def test_a_collection_that_is_dropped_while_it_is_reindexed_leaves_nothing(
    store: OpenSearchStore, other: OpenSearchStore, make: Maker
) -> None:
    name = make(3)
    with pytest.raises(PixkinError):
        store.reindex(name, same, told=lambda *_: other.drop(name))
    assert store.connection.ask("GET", f"/{name}*") == {}
    with pytest.raises(UnknownCollection):
        store.describe(name)


def test_a_collection_that_is_dropped_and_made_again_while_it_is_reindexed_is_left_alone(
    store: OpenSearchStore, other: OpenSearchStore, make: Maker
) -> None:
    name = make(3)

    def again(*_: int) -> None:
        other.drop(name)
        other.create(name, [HUES])
        list(other.add(name, [new_item("new")], deadline=soon()))

    with pytest.raises(PixkinError):
        store.reindex(name, same, told=again)
    assert ids(other, name) == {"new"}
    assert other.verify(name).problems == ()


def killed(store: OpenSearchStore, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Re-index until all is copied, and go no further, as a process that is killed."""

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dead:
        for module, what in ((versions, "_swap"), (versions, "_abandon"), (claims, "give_back")):
            dead.setattr(module, what, stop)
        dead.setattr(versions, "_unblock_held", stop)
        with pytest.raises(KeyboardInterrupt):
            store.reindex(name, same)


def test_what_a_killed_reindex_has_left_is_named_and_ended_by_unlock(
    store: OpenSearchStore, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = make(3)
    killed(store, name, monkeypatch)
    for call in ("add", "reindex", "prune"):
        with pytest.raises(StoreReadOnly, match=f"pixkin index unlock {name}"):
            WRITES[call](store, name)
    assert any(f"pixkin index unlock {name}" in problem for problem in store.verify(name).problems)
    said = " ".join(store.unlock(name))
    assert f"{name}-v0002, which was being built, is gone" in said
    assert "the claim of `index reindex`" in said
    assert store.unlock(name) == []
    assert store.verify(name).problems == ()
    add(store, name)
    assert store.reindex(name, same).items == 4


def test_a_reindex_that_was_unlocked_while_it_ran_fails_and_what_was_written_since_stays(
    store: OpenSearchStore, other: OpenSearchStore, make: Maker
) -> None:
    name = make(3)

    def unlocked(*_: int) -> None:
        other.unlock(name)
        add(other, name)

    with pytest.raises(PixkinError):
        store.reindex(name, same, told=unlocked)
    assert ids(other, name) == {"00000", "00001", "00002", "late"}
    assert other.verify(name).problems == ()


def test_a_reindex_that_was_unlocked_does_not_touch_the_one_that_came_after(
    store: OpenSearchStore, other: OpenSearchStore, make: Maker
) -> None:
    name = make(300)

    def overtaken(done: int, _: int) -> None:
        if done < 300:
            other.unlock(name)
            other.remove(name, ["00001"], deadline=soon())
            assert other.reindex(name, same).items == 299

    with pytest.raises(PixkinError):
        store.reindex(name, same, told=overtaken)
    assert other.describe(name).layout["index"] == f"{name}-v0002"
    assert "00001" not in ids(other, name)
    assert {result.state for result in add(other, name)} == {"added"}  # type: ignore[attr-defined]


def test_a_version_that_comes_into_use_while_others_are_pruned_is_not_deleted(
    store: OpenSearchStore, other: OpenSearchStore, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = make(3)
    store.reindex(name, same)
    listed = versions.other_versions

    def overtaken(connection: object, index: object) -> object:
        found = listed(connection, index)  # type: ignore[arg-type]
        monkeypatch.setattr(versions, "other_versions", listed)
        other.rollback(name)
        return found

    monkeypatch.setattr(versions, "other_versions", overtaken)
    with pytest.raises(StoreReadOnly, match="meanwhile"):
        store.remove_versions(name)
    assert other.describe(name).layout["index"] == f"{name}-v0001"
    assert len(ids(other, name)) == 3


def test_a_writer_that_a_rollback_overtakes_is_told(
    store: OpenSearchStore, other: OpenSearchStore, make: Maker
) -> None:
    name = make(3)
    store.reindex(name, same)

    def slow() -> Iterator[Item | None]:
        yield new_item("first")
        yield None
        other.rollback(name)
        yield new_item("second")

    acknowledged = []
    with pytest.raises(StoreReadOnly):
        acknowledged.extend(result.id for result in store.add(name, slow(), deadline=soon()))
    assert acknowledged == ["first"]
    assert ids(other, name) == {"00000", "00001", "00002"}  # what a rollback leaves behind was written before it
    assert {result.state for result in add(other, name)} == {"added"}  # type: ignore[attr-defined]


def test_two_descriptors_that_are_added_at_the_same_time_are_both_there(
    store: OpenSearchStore, other: OpenSearchStore, make: Maker
) -> None:
    name = make(3)

    def meanwhile() -> Blocks:
        other.add_descriptor(name, SHAPES, blocks(other, name), deadline=soon())
        yield from blocks(other, name)

    store.add_descriptor(name, EDGES, meanwhile(), deadline=soon())
    assert {each.name for each in store.describe(name).descriptors} == {"hues", "shapes", "edges"}
    assert store.verify(name).problems == ()


def test_of_two_descriptors_of_one_name_the_second_is_refused(
    store: OpenSearchStore, other: OpenSearchStore, make: Maker
) -> None:
    name = make(3)

    def meanwhile() -> Blocks:
        other.add_descriptor(name, SHAPES, blocks(other, name), deadline=soon())
        yield from blocks(other, name)

    with pytest.raises(InvalidArgument, match="choose another name"):
        store.add_descriptor(name, SHAPES, meanwhile(), deadline=soon())
    assert [each.name for each in store.describe(name).descriptors] == ["hues", "shapes"]


def test_a_descriptor_is_not_added_to_a_version_that_a_reindex_has_replaced(
    store: OpenSearchStore, other: OpenSearchStore, make: Maker
) -> None:
    name = make(0)

    def meanwhile() -> Blocks:
        other.reindex(name, same)
        yield [], np.empty((0, 2), np.float32)

    with pytest.raises(StoreReadOnly, match="meanwhile"):
        store.add_descriptor(name, SHAPES, meanwhile(), deadline=soon())


def test_a_claim_that_needed_seconds_is_taken_over_when_it_is_old(store: OpenSearchStore, make: Maker) -> None:
    name = make(3)
    index = f"{name}-v0001"
    for what in ("declare", "rollback"):
        old = f"{index}.claim.{what}.1700000000.123.host.abc"
        acts = [{"remove": {"index": index, "alias": f"{index}.free"}}, {"add": {"index": index, "alias": old}}]
        store.connection.ask("POST", "/_aliases", body={"actions": acts})
        assert any(f"pixkin index unlock {name}" in problem for problem in store.verify(name).problems)
        store.add_descriptor(name, SHAPES if what == "declare" else EDGES, blocks(store, name), deadline=soon())
        assert store.verify(name).problems == ()


def test_a_collection_without_the_alias_for_claims_gets_it(store: OpenSearchStore, make: Maker) -> None:
    """As pixkin 0.1.0 made them."""
    name = make(3)
    for call in ("add", "reindex", "add_descriptor"):
        index = store.describe(name).layout["index"]
        store.connection.ask("DELETE", f"/{index}/_alias/{index}.free")
        WRITES[call](store, name)
        assert store.verify(name).problems == ()
    with suppress(PixkinError):
        store.rollback(name)
    assert store.describe(name).layout["index"] == f"{name}-v0001"


def test_a_new_collection_has_no_attachments_of_one_that_was_dropped(store: OpenSearchStore, make: Maker) -> None:
    name = make(0)
    store.put_attachment(name, "graph", b"old", deadline=soon())
    store.connection.ask("DELETE", f"/{name}-v0001")
    store.create(name, [HUES])
    assert store.get_attachment(name, "graph") is None
