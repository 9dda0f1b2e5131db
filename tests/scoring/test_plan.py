from __future__ import annotations

import pytest
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import (
    InvalidFilter,
    InvalidPlan,
    InvalidSize,
    MeasureNotApplicable,
    PixkinError,
    UnknownDescriptor,
    UnknownMeasure,
)
from pixkin_scoring.items import Collection
from pixkin_scoring.plan import DescriptorChoice, Plan, parse_descriptor, resolve_plan

MASS = Descriptor("hsv.histogram", 405, non_negative=True, default_measure="chi2")
SIGNED = Descriptor("lite0.logits", 1000)


def holding(items: int, *descriptors: Descriptor, approximate: frozenset[str] | None = None) -> Collection:
    return Collection("photos", descriptors or (MASS,), items=items, approximate=approximate)


def test_defaults_are_filled_in_and_said() -> None:
    resolved = resolve_plan(Plan(), holding(1000))
    assert resolved.plan.descriptors == (DescriptorChoice("hsv.histogram", "chi2"),)
    assert resolved.plan.candidates == "exact:depth=100"
    assert (resolved.descriptor, resolved.measure, resolved.depth) == (MASS, "chi2", 100)


def test_an_unstated_depth_grows_with_the_page_and_a_stated_one_does_not() -> None:
    assert resolve_plan(Plan(size=400, offset=100), holding(10_000)).depth == 500
    assert resolve_plan(Plan(size=400, candidates="exact:depth=400"), holding(10_000)).depth == 400
    with pytest.raises(InvalidPlan, match="exact:depth=401"):
        resolve_plan(Plan(size=400, offset=1, candidates="exact:depth=400"), holding(10_000))


def test_a_page_beyond_the_collection_is_no_error() -> None:
    assert resolve_plan(Plan(size=5000, candidates="exact:depth=120"), holding(100)).depth == 120
    assert resolve_plan(Plan(size=10, offset=5000), holding(0)).depth == 100


def test_approximate_runs_as_exact_where_there_is_no_index() -> None:
    resolved = resolve_plan(Plan(candidates="approximate:depth=300"), holding(10))
    assert (resolved.plan.candidates, resolved.approximate) == ("exact:depth=300", False)


def test_no_more_candidates_are_asked_for_than_the_page_shows_when_no_stage_follows() -> None:
    resolved = resolve_plan(Plan(candidates="exact:depth=300", size=10, offset=20), holding(1000))
    assert (resolved.depth, resolved.wanted) == (300, 30)
    assert resolve_plan(Plan(size=10), holding(3)).wanted == 10  # others may be added meanwhile


def test_approximate_is_refused_where_the_store_has_indices_but_none_for_the_descriptor() -> None:
    with pytest.raises(InvalidPlan, match=r"k-NN plugin .* pixkin index reindex photos --ann"):
        resolve_plan(Plan(candidates="approximate"), holding(10, approximate=frozenset()))


def test_auto_is_approximate_only_where_that_can_be_had_and_a_scan_would_take_long() -> None:
    indexed = frozenset({MASS.name})
    for items, approximate, expected in (
        (1_000_000, indexed, "approximate:depth=500"),
        (1_000_000, frozenset(), "exact:depth=100"),
        (1_000_000, None, "exact:depth=100"),
        (1000, indexed, "exact:depth=100"),
    ):
        assert resolve_plan(Plan(), holding(items, approximate=approximate)).plan.candidates == expected


@pytest.mark.parametrize(
    ("plan", "error"),
    [
        (Plan(size=0), InvalidSize),
        (Plan(size=-1), InvalidSize),
        (Plan(size=100_001), InvalidSize),
        (Plan(offset=-1), InvalidSize),
        (Plan(candidates="magic"), InvalidPlan),
        (Plan(candidates="exact:depth"), InvalidPlan),
        (Plan(candidates="exact:depth=many"), InvalidPlan),
        (Plan(candidates="exact:depth=0", descriptors=(DescriptorChoice("histogram"),)), InvalidPlan),
        (Plan(candidates="exact:depth=-5", descriptors=(DescriptorChoice("histogram"),)), InvalidPlan),
        (Plan(candidates="exact:width=5"), InvalidPlan),
        (Plan(expand="average:n=5"), InvalidPlan),
        (Plan(rerank=("diffusion",)), InvalidPlan),
        (Plan(fuse="rrf"), InvalidPlan),
        (Plan(normalise="l7"), InvalidPlan),
        (Plan(filter=("label",)), InvalidFilter),
        (Plan(descriptors=(DescriptorChoice("none"),)), UnknownDescriptor),
        (Plan(descriptors=(DescriptorChoice("histogram"), DescriptorChoice("logits"))), InvalidPlan),
        (Plan(descriptors=(DescriptorChoice("histogram", weight=float("nan")),)), InvalidPlan),
        (Plan(descriptors=(DescriptorChoice("histogram", weight=0),)), InvalidPlan),
        (Plan(descriptors=(DescriptorChoice("histogram", "hamming"),)), UnknownMeasure),
        (Plan(descriptors=(DescriptorChoice("logits", "chi2"),)), MeasureNotApplicable),
        (Plan(), UnknownDescriptor),
    ],
)
def test_a_bad_plan_is_refused_by_name(plan: Plan, error: type[PixkinError]) -> None:
    with pytest.raises(error):
        resolve_plan(plan, holding(1000, MASS, SIGNED))


def test_a_descriptor_is_read_with_its_options() -> None:
    assert parse_descriptor("gap") == DescriptorChoice("gap")
    assert parse_descriptor("hsv.histogram:measure=kl,weight=0.3") == DescriptorChoice("hsv.histogram", "kl", 0.3)
    assert parse_descriptor(":measure=kl") == DescriptorChoice("", "kl")
    with pytest.raises(InvalidPlan, match="weight is a number"):
        parse_descriptor("gap:weight=heavy")
    with pytest.raises(InvalidPlan, match="measure, weight"):
        parse_descriptor("gap:colour=red")
