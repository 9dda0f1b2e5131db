"""Explanations: their terms add up to the value, for every mass measure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_proto.axes import Axis, Outline
from pixkin_proto.descriptors import MEASURES as KINDS
from pixkin_proto.descriptors import Descriptor, Kind
from pixkin_proto.errors import InvalidPlan
from pixkin_scoring.examples import QueryVector
from pixkin_scoring.explaining import MOST_BINS, explained
from pixkin_scoring.items import Item
from pixkin_scoring.measures import MEASURES, values
from pixkin_scoring.plan import MOST_EXPLAINED, DescriptorChoice, Plan
from pixkin_scoring.query import ScoringQuery
from pixkin_scoring.results import SearchResult
from pixkin_scoring.search import SearchRequest, search, search_batch
from pixkin_scoring.stores import Store, open_store

MASS = [name for name, kind in KINDS.items() if kind is Kind.MASS]
HALF = (Outline(0, 0, 0.5, 1), Outline(0.5, 0, 0.5, 1))
AXES = (Axis("region", ("left", "right"), HALF), Axis("hue", tuple(f"hue {number}" for number in range(10))))
every_mass_measure = pytest.mark.parametrize("measure", MASS)


def rows(count: int, dim: int = 20) -> NDArray[np.float32]:
    return np.random.default_rng(7).random((count, dim)).astype(np.float32)


def test_the_measures_with_terms_are_the_mass_measures() -> None:
    assert [name for name, measure in MEASURES.items() if measure.terms] == MASS


@every_mass_measure
@pytest.mark.parametrize("normalise", [True, False])
def test_the_terms_add_up_to_the_value(measure: str, *, normalise: bool) -> None:
    query, *others = rows(5)
    for other in others:
        asked = ScoringQuery("d", measure, query.astype(np.float64), normalise=normalise)
        found = explained(asked, other, AXES)
        [value] = values(measure, query, other[np.newaxis], normalise=normalise)
        assert (-math.log(found.sum) if measure == "bhattacharyya" else found.sum) == pytest.approx(value, abs=1e-12)
        assert sum(region.contribution for region in found.regions) == pytest.approx(found.sum, abs=1e-12)
        sizes = [abs(each.contribution) for each in found.bins]
        assert sizes == sorted(sizes, reverse=True)
        assert len(found.bins) == MOST_BINS


def test_a_bin_is_named_by_its_place_and_shows_what_both_have() -> None:
    query, item = np.zeros(20), np.zeros(20, np.float32)
    query[13], item[13], item[2] = 1, 1, 3
    found = explained(ScoringQuery("d", "intersection", query), item, AXES)
    [only] = found.bins
    assert (only.bin, only.name) == (13, "right, hue 3")
    assert (only.query, only.item, only.contribution) == (1.0, 0.25, 0.25)
    assert [(each.name, each.contribution, each.outline) for each in found.regions] == [
        ("right", 0.25, HALF[1]),
        ("left", 0.0, HALF[0]),
    ]


def test_without_axes_there_are_bins_without_names_and_no_regions() -> None:
    query, item = rows(2)
    found = explained(ScoringQuery("d", "chi2", query.astype(np.float64)), item)
    assert {each.name for each in found.bins} == {""}
    assert found.regions == ()


@every_mass_measure
def test_a_zero_vector_has_nothing_to_name(measure: str) -> None:
    found = explained(ScoringQuery("d", measure, np.ones(20)), np.zeros(20, np.float32), AXES)
    assert (found.sum, found.bins, found.regions) == (0.0, (), ())


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Store]:
    """A store with 30 histograms and 30 signed vectors."""
    store = open_store(str(tmp_path / "store"))
    store.create("c", [Descriptor("mass", 20, non_negative=True, default_measure="chi2"), Descriptor("any", 4)])
    signed = np.random.default_rng(2).normal(size=(30, 4)).astype(np.float32)
    items = [
        Item(f"i{at:02}", {"mass": row, "any": other})
        for at, (row, other) in enumerate(zip(rows(30), signed, strict=True))
    ]
    assert {result.state for result in store.add("c", items, deadline=math.inf)} == {"added"}
    yield store
    store.close()


def _plan(*descriptors: str, **parts: object) -> Plan:
    return Plan(tuple(map(DescriptorChoice, descriptors)), explain=True, **parts)  # type: ignore[arg-type]  # fields by name


def test_every_hit_of_a_search_is_explained(filled: Store) -> None:
    request = SearchRequest("c", [QueryVector(id="i03")], _plan("mass", size=5, offset=2), {"mass": AXES})
    [result] = search_batch(filled, [request])
    assert isinstance(result, SearchResult)
    for hit, [explanation] in zip(result.hits, result.explanations, strict=True):
        assert (explanation.descriptor, explanation.measure) == ("mass", "chi2")
        assert explanation.sum == pytest.approx(hit.value, abs=1e-9)
        assert {region.name for region in explanation.regions} == {"left", "right"}


def test_of_several_descriptors_those_with_bins_are_explained(filled: Store) -> None:
    result = search(filled, "c", [QueryVector(id="i03")], _plan("mass", "any"))
    assert {tuple(each.descriptor for each in hit) for hit in result.explanations} == {("mass",)}


def test_nothing_is_explained_unasked(filled: Store) -> None:
    assert search(filled, "c", [QueryVector(id="i03")], Plan((DescriptorChoice("mass"),))).explanations == ()


def test_a_measure_without_bins_and_too_many_hits_are_refused(filled: Store) -> None:
    with pytest.raises(InvalidPlan, match="cosine has none; compare a non-negative descriptor by bhattacharyya, chi2"):
        search(filled, "c", [QueryVector(id="i03")], _plan("any"))
    with pytest.raises(InvalidPlan, match="at most 1,000 hits, not 1,001"):
        search(filled, "c", [QueryVector(id="i03")], _plan("mass", size=MOST_EXPLAINED + 1))
