"""Full rankings with many exact ties are ordered by id, whatever the order of rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pixkin_proto.descriptors import Descriptor
from pixkin_scoring.items import Item
from pixkin_scoring.measures import MEASURES, Better
from pixkin_scoring.plan import DescriptorChoice, Plan
from pixkin_scoring.query import ScoringQuery
from pixkin_scoring.scan import FORMULA_ROWS, Columns, top
from pixkin_scoring.search import QueryVector, search
from pixkin_scoring.stores import Store, open_store

LEVELS = 4
MANY = FORMULA_ROWS + 300


def by_level(levels: list[int], *, names: int = 8) -> Columns:
    """Two dimensions, equal for all rows of a level; ids in another order than the rows."""
    vectors = np.array([(LEVELS - level, 1 + level) for level in levels], np.float32)
    order = np.random.default_rng(names).permutation(len(levels))
    return Columns.of([f"{number:05}" for number in order], vectors)


def reference(columns: Columns, levels: list[int], without: frozenset[str]) -> list[str]:
    """Ids by level, then by id."""
    rows = [row for row, item in enumerate(columns.ids) if item not in without]
    return [columns.ids[row] for row in sorted(rows, key=lambda row: (levels[row], columns.ids[row]))]


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("rows", [FORMULA_ROWS - 200, MANY])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), excluded=st.integers(0, 5), depth=st.sampled_from([10, 400, MANY, 2 * MANY]))
def test_ties_are_ordered_by_id_at_any_depth(measure: str, rows: int, seed: int, excluded: int, depth: int) -> None:
    draw = np.random.default_rng(seed)
    levels = draw.integers(0, LEVELS, rows).tolist()
    columns = by_level(levels, names=seed)
    without = frozenset(draw.choice(columns.ids, excluded, replace=False).tolist())
    found = top(columns, ScoringQuery("", measure, np.array([LEVELS, 1.0]), exclude=without), depth)
    expected = reference(columns, levels, without)
    assert found.ids == expected[:depth]
    costs = found.values if MEASURES[measure].better is Better.LOW else -found.values
    assert (np.diff(costs) >= 0).all()
    assert len(set(found.values)) <= LEVELS


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store with one collection of two dimensions."""
    store = open_store(str(tmp_path / "store"))
    store.create("c", [Descriptor("v", 2)])
    yield store
    store.close()


def add(store: Store, levels: dict[str, int]) -> None:
    items = (Item(name, {"v": np.array([LEVELS - level, 1 + level], np.float32)}) for name, level in levels.items())
    assert {result.state for result in store.add("c", items, deadline=math.inf)} == {"added"}


def ranked(store: Store, item: str) -> list[str]:
    plan = Plan(descriptors=(DescriptorChoice("v", "euclidean"),), size=2 * MANY)
    return list(search(store, "c", [QueryVector(id=item)], plan).hits.ids)


def test_an_item_that_was_removed_and_added_again_keeps_its_place_among_its_equals(store: Store) -> None:
    levels = {f"{number:05}": number % LEVELS for number in np.random.default_rng(1).permutation(MANY)}
    add(store, levels)
    first = sorted(levels, key=lambda item: (levels[item], item))
    assert ranked(store, "00000") == first[1:]
    back = ["00000", "00004", "00101"]
    store.remove("c", back, deadline=math.inf)
    assert ranked(store, "00008") == [item for item in first if item not in {*back, "00008"}]
    add(store, {item: levels[item] for item in back})
    assert ranked(store, "00000") == first[1:]
    assert ranked(store, "00004") == [item for item in first if item != "00004"]
