from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import InvalidArgument
from pixkin_scoring.augmentation import (
    Augmentation,
    State,
    augment,
    augmentation_key,
    state_from_bytes,
    state_to_bytes,
)
from pixkin_scoring.items import Item
from pixkin_scoring.neighbourhoods import digests_of, nearest
from pixkin_scoring.stores import Store, open_store

D = 16
SETTINGS = Augmentation(k=4, alpha=2.0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(str(tmp_path / "store"))
    opened.create("c", [Descriptor("v", D)])
    yield opened
    opened.close()


def soon() -> float:
    return time.monotonic() + 60


def add(store: Store, vectors: dict[str, NDArray[np.float32]]) -> None:
    """Add or replace items, with a value for every descriptor that there is."""
    names = [descriptor.name for descriptor in store.describe("c").descriptors]
    items = [Item(name, vectors=dict.fromkeys(names, vector)) for name, vector in vectors.items()]
    assert all(added.error is None for added in store.add("c", items, deadline=soon()))


def averaged(vectors: dict[str, NDArray[np.float32]], settings: Augmentation) -> dict[str, NDArray[np.float64]]:
    """The definition, in double precision."""
    ids = sorted(vectors)
    rows = np.array([vectors[item] for item in ids], np.float64)
    units = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32).astype(np.float64)
    found = {}
    for at, item in enumerate(ids):
        products = units @ units[at]
        near = [j for j in sorted(range(len(ids)), key=lambda j: (-products[j], ids[j])) if j != at][: settings.k]
        mean = units[at] + sum(max(products[j], 0) ** settings.alpha * units[j] for j in near)
        found[item] = mean / np.linalg.norm(mean)
    return found


def check(store: Store, vectors: dict[str, NDArray[np.float32]], name: str = "near") -> None:
    ids = sorted(vectors)
    expected = averaged(vectors, SETTINGS)
    assert store.fetch("c", name, ids) == pytest.approx(np.array([expected[item] for item in ids]), abs=1e-6)


def drawn(count: int, seed: int, prefix: str = "i") -> dict[str, NDArray[np.float32]]:
    draw = np.random.default_rng(seed)
    return {f"{prefix}{at:04d}": draw.standard_normal(D).astype(np.float32) for at in range(count)}


def test_it_is_the_weighted_mean_with_the_nearest(store: Store) -> None:
    vectors = drawn(200, 0)
    add(store, vectors)
    assert augment(store, store.describe("c"), "v", "near", SETTINGS, deadline=soon()) == 200
    check(store, vectors)
    described = {descriptor.name: descriptor for descriptor in store.describe("c").descriptors}
    assert (described["near"].dim, described["near"].norm) == (D, "l2")
    assert store.fetch("c", "v", ["i0000"])[0].tolist() == vectors["i0000"].tolist()


def test_after_200_random_adds_changes_and_removes_it_is_what_a_run_from_the_start_gives(store: Store) -> None:
    draw = np.random.default_rng(1)
    vectors = drawn(400, 1) | {name: drawn(1, 9)["i0000"] for name in ("same a", "same b", "same c")}
    add(store, vectors)
    augment(store, store.describe("c"), "v", "near", SETTINGS, deadline=soon())
    for step in range(10):
        gone = draw.choice(sorted(vectors), 8, replace=False).tolist()
        store.remove("c", gone, deadline=soon())
        vectors = {item: vector for item, vector in vectors.items() if item not in gone}
        fresh = drawn(11, 100 + step, f"n{step} ") | {str(draw.choice(sorted(vectors))): drawn(1, 200 + step)["i0000"]}
        add(store, fresh)
        vectors |= fresh
        written = augment(store, store.describe("c"), "v", "near", SETTINGS, deadline=soon())
        assert 12 <= written < len(vectors)
    check(store, vectors)
    augment(store, store.describe("c"), "v", "whole", SETTINGS, deadline=soon())
    ids = sorted(vectors)
    assert store.fetch("c", "near", ids).tolist() == store.fetch("c", "whole", ids).tolist()


def test_a_second_run_writes_nothing_and_other_settings_everything(store: Store) -> None:
    add(store, drawn(50, 2))
    for settings, written in ((SETTINGS, 50), (SETTINGS, 0), (Augmentation(k=3), 50), (Augmentation(k=3), 0)):
        assert augment(store, store.describe("c"), "v", "near", settings, deadline=soon()) == written


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_collection_smaller_than_the_neighbourhood_is_averaged_whole(store: Store, count: int) -> None:
    vectors = drawn(count, 3)
    add(store, vectors)
    augment(store, store.describe("c"), "v", "near", SETTINGS, deadline=soon())
    check(store, vectors)


def test_a_zero_vector_has_no_direction_and_hurts_nobody(store: Store) -> None:
    vectors = drawn(30, 4) | {"zero": np.zeros(D, np.float32)}
    add(store, vectors)
    augment(store, store.describe("c"), "v", "near", SETTINGS, deadline=soon())
    assert np.isfinite(store.fetch("c", "near", sorted(vectors))).all()


def test_the_name_of_another_descriptor_and_impossible_settings_are_refused(store: Store) -> None:
    add(store, drawn(5, 5))
    with pytest.raises(InvalidArgument, match="has a descriptor v already"):
        augment(store, store.describe("c"), "v", "v", SETTINGS, deadline=soon())
    for settings in ({"k": 0}, {"k": 1001}, {"alpha": -1.0}, {"alpha": float("nan")}):
        with pytest.raises(InvalidArgument, match=next(iter(settings))):
            Augmentation(**settings)  # type: ignore[arg-type]  # what a user may write


def test_neighbours_do_not_depend_on_how_many_are_looked_at_together() -> None:
    units = np.array([*drawn(300, 6).values()])
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    units[7] = units[8] = units[9]
    together = nearest(units, np.arange(300), 5)
    alone = np.concatenate([nearest(units, np.array([row]), 5) for row in range(300)])
    assert (together == alone).all()
    assert together[7][:2].tolist() == [8, 9]


def test_what_is_kept_is_read_again_and_damage_is_told() -> None:
    vectors = np.array([*drawn(3, 7).values()])
    state = State("v", "", SETTINGS, ("a", "b", "ç"), digests_of(vectors), np.full((3, 4), -1, np.int32))
    again = state_from_bytes(state_to_bytes(state), augmentation_key("near"))
    assert (again.source, again.settings, again.ids) == (state.source, state.settings, state.ids)
    assert again.digests.tolist() == state.digests.tolist()
    for damaged in (b"", b"nothing", state_to_bytes(state)[:-30]):
        with pytest.raises(InvalidArgument, match="augmented:near is damaged"):
            state_from_bytes(damaged, augmentation_key("near"))
