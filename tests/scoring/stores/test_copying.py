"""Copies between stores of either kind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pixkin_proto.descriptors import Descriptor, Norm
from pixkin_proto.errors import CollectionExists, InvalidArgument, UnknownCollection
from pixkin_scoring.filters import Filter
from pixkin_scoring.items import FileFacts, Item, ItemUpdate
from pixkin_scoring.stores import Store, copying, open_store
from pixkin_scoring.stores.copying import Copied, copy
from pixkin_scoring.stores.layout import IndexLayout
from pixkin_server.opensearch_node.node import Node

DESCRIPTORS = (
    Descriptor("net.gap", 3, Norm.L2, fingerprint="ab" * 32),
    Descriptor("colours", 4, non_negative=True, default_measure="chi2"),
)
KINDS = ("embedded", "opensearch")
_numbers = count()

Copier = Callable[..., Copied]


@pytest.fixture
def name() -> str:
    """A collection name that no other test uses: all share a cluster."""
    return f"copied{next(_numbers)}"


@pytest.fixture
def cluster(nodes: Callable[[str], Node]) -> str:
    """The URL of a cluster with k-NN."""
    return nodes("2.19.1").url


@pytest.fixture
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str, str], Store]]:
    """Open a store of a kind; directories are told apart by `place`."""
    with ExitStack() as stack:
        yield lambda kind, place: stack.enter_context(
            closing(open_store(str(tmp_path / place) if kind == "embedded" else request.getfixturevalue("cluster")))
        )


@pytest.fixture(params=[(a, b) for a in KINDS for b in KINDS], ids=lambda pair: f"from-{pair[0]}-to-{pair[1]}")
def pair(request: pytest.FixtureRequest, opened: Callable[[str, str], Store], name: str) -> tuple[Store, Store]:
    """A store with a collection of 600 items, and another store."""
    source, target = opened(request.param[0], "a"), opened(request.param[1], "b")
    fill(source, name, 600)
    return source, target


@pytest.fixture
def stores(opened: Callable[[str, str], Store], name: str) -> tuple[Store, Store]:
    """A directory with a collection of 30 items, and another directory."""
    source, target = opened("embedded", "a"), opened("embedded", "b")
    fill(source, name, 30)
    return source, target


def fill(store: Store, name: str, items: int) -> None:
    store.create(name, DESCRIPTORS)
    results = store.add(name, [item(number) for number in range(items)], deadline=soon())
    assert {result.state for result in results} == {"added"}


def item(number: int) -> Item:
    draw = np.random.default_rng(number)
    return Item(
        f"{number:04} ünï.jpg",
        {"net.gap": draw.normal(size=3).astype(np.float32), "colours": draw.random(4).astype(np.float32)},
        labels=frozenset({"all", f"l{number % 7}"}),
        attributes={"place": "here=there", "year.of": 1990.5 + number},
        source=f"/pictures/{number}.jpg",
        root="/pictures",
        file=FileFacts(1000 + number, 10**18 + number, draw.bytes(32)),
        width=640,
        height=480,
        thumbnail=draw.bytes(50),
    )


def soon() -> float:
    return time.monotonic() + 60


def whole(store: Store, name: str) -> dict[str, Item]:
    ids = [each.id for each in store.list_items(name, (), size=10_000)]
    return store.get(name, ids, thumbnails=True, vectors=True)


def same(one: dict[str, Item], other: dict[str, Item]) -> bool:
    return list(one) == list(other) and all(copying._equal(one[key], other[key]) for key in one)


def test_a_copy_has_everything_that_its_original_has(pair: tuple[Store, Store], name: str) -> None:
    source, target = pair
    told: list[int] = []
    copied = copy(source, target, name, new_name=f"{name}-copy", told=told.append, deadline=soon())
    assert (copied.written, copied.equal, copied.refused, copied.others) == (600, 0, [], 0)
    assert sum(told) == 600
    assert same(whole(source, name), whole(target, f"{name}-copy"))
    original = source.describe(name)
    assert copied.collection.descriptors == original.descriptors
    assert (copied.collection.items, copied.collection.roots) == (600, ("/pictures",))
    assert target.verify(f"{name}-copy").problems == ()


def test_an_interrupted_copy_goes_on_and_writes_only_what_differs(pair: tuple[Store, Store], name: str) -> None:
    source, target = pair
    copy_name = f"{name}-copy"

    def stop(_: int, left: list[int] = [300]) -> None:  # noqa: B006  # counts down over the calls
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy(source, target, name, new_name=copy_name, told=stop, deadline=soon())
    there = target.describe(copy_name).items
    assert 256 <= there < 600
    target.update(copy_name, [ItemUpdate(item(3).id, labels=frozenset({"changed"}))], deadline=soon())
    copied = copy(source, target, name, new_name=copy_name, resume=True, deadline=soon())
    assert copied.equal == 600 - copied.written
    assert 600 - there + 1 <= copied.written < 600
    assert same(whole(source, name), whole(target, copy_name))
    again = copy(source, target, name, new_name=copy_name, resume=True, deadline=soon())
    assert (again.written, again.equal, again.others) == (0, 600, 0)


def test_another_vector_of_the_same_facts_is_copied_again(stores: tuple[Store, Store], name: str) -> None:
    source, target = stores
    copy(source, target, name, deadline=soon())
    other = item(5)
    vectors = {**other.vectors, "colours": np.ones(4, dtype=np.float32)}
    list(target.add(name, [Item(**{**vars(other), "vectors": vectors})], deadline=soon()))
    copied = copy(source, target, name, resume=True, deadline=soon())
    assert (copied.written, copied.equal) == (1, 29)
    assert same(whole(source, name), whole(target, name))


def test_a_collection_that_is_there_is_not_filled_unasked(stores: tuple[Store, Store], name: str) -> None:
    source, target = stores
    target.create(name, DESCRIPTORS)
    with pytest.raises(CollectionExists, match="--resume"):
        copy(source, target, name, deadline=soon())
    assert target.describe(name).items == 0
    assert copy(source, target, name, resume=True, deadline=soon()).written == 30


@pytest.mark.parametrize(
    "other", [{"descriptors": DESCRIPTORS[:1]}, {"thumbnails": False}], ids=["descriptors", "thumbnails"]
)
def test_a_collection_of_another_make_is_never_filled(
    stores: tuple[Store, Store], name: str, other: dict[str, Any]
) -> None:
    source, target = stores
    target.create(name, **{"descriptors": DESCRIPTORS, **other})
    with pytest.raises(CollectionExists, match="no copy of this one"):
        copy(source, target, name, resume=True, deadline=soon())
    assert target.describe(name).items == 0


def test_items_that_the_original_has_not_are_counted(stores: tuple[Store, Store], name: str) -> None:
    source, target = stores
    copy(source, target, name, deadline=soon())
    list(target.add(name, [item(77), item(78)], deadline=soon()))
    assert copy(source, target, name, resume=True, deadline=soon()).others == 2


def test_a_refused_item_is_reported_and_the_others_are_copied(stores: tuple[Store, Store], name: str) -> None:
    source, target = stores
    target.create(name, DESCRIPTORS)
    stranger = Item(**{**vars(item(4)), "root": "/elsewhere"})
    list(target.add(name, [stranger], deadline=soon()))
    copied = copy(source, target, name, resume=True, deadline=soon())
    assert [(result.id, result.error.reason) for result in copied.refused if result.error] == [
        (stranger.id, "INVALID_ID")
    ]
    assert copied.written == 29


def test_a_copy_within_a_store_needs_another_name(stores: tuple[Store, Store], name: str) -> None:
    source, _ = stores
    with pytest.raises(InvalidArgument, match="cannot be copied to itself"):
        copy(source, source, name, deadline=soon())
    assert copy(source, source, name, new_name=f"{name}-2", deadline=soon()).written == 30


def test_a_collection_that_is_not_there_makes_no_copy(stores: tuple[Store, Store]) -> None:
    source, target = stores
    with pytest.raises(UnknownCollection):
        copy(source, target, "nobody", deadline=soon())
    assert target.list() == []


def test_a_directory_refuses_a_layout(stores: tuple[Store, Store], name: str) -> None:
    source, target = stores
    with pytest.raises(InvalidArgument, match="belong to an index of OpenSearch"):
        copy(source, target, name, layout=IndexLayout(shards=2), deadline=soon())
    assert target.list() == []


def test_a_copy_in_a_cluster_has_the_layout_that_was_asked_for(
    stores: tuple[Store, Store], opened: Callable[[str, str], Store], name: str
) -> None:
    source, target = stores[0], opened("opensearch", "")
    layout = IndexLayout(shards=2, ann=True, lean=True)
    made = copy(source, target, name, layout=layout, deadline=soon()).collection
    assert layout.described().items() <= dict(made.layout).items()
    assert made.approximate == frozenset({"net.gap", "colours"})
    assert same(whole(source, name), whole(target, name))
    assert copy(source, target, name, layout=layout, resume=True, deadline=soon()).equal == 30
    with pytest.raises(InvalidArgument, match="begun with another layout"):
        copy(source, target, name, layout=IndexLayout(), resume=True, deadline=soon())


def test_pages_hold_few_items_of_large_vectors(
    stores: tuple[Store, Store], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = stores
    sizes: list[int] = []
    real = source.list_items

    def listed(collection: str, filters: Filter, *, size: int, after: str) -> list[Item]:
        sizes.append(size)
        return real(collection, filters, size=size, after=after)

    monkeypatch.setattr(source, "list_items", listed)
    monkeypatch.setattr(copying, "PAGE_BYTES", 5 * 28 + 27)
    assert copy(source, target, name, deadline=soon()).written == 30
    assert set(sizes) == {5}
