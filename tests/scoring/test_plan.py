from __future__ import annotations

from dataclasses import replace

import pytest
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import (
    AmbiguousName,
    InvalidFilter,
    InvalidPlan,
    InvalidSize,
    MeasureNotApplicable,
    PixkinError,
    UnknownDescriptor,
    UnknownMeasure,
)
from pixkin_scoring.expansion import EXPANSIONS
from pixkin_scoring.fusion import FUSIONS
from pixkin_scoring.items import Collection
from pixkin_scoring.plan import Compared, DescriptorChoice, Plan, parse_descriptor, resolve_plan
from pixkin_scoring.rerankers import RERANKERS
from pixkin_scoring.rerankers.reranker import Phase

from tests.scoring.collections_of_vectors import text_of

MASS = Descriptor("hsv.histogram", 405, non_negative=True, default_measure="chi2")
SIGNED = Descriptor("lite0.logits", 1000)
BOTH = (DescriptorChoice("histogram"), DescriptorChoice("logits", weight=0.5))


def holding(items: int, *descriptors: Descriptor, approximate: frozenset[str] | None = None) -> Collection:
    return Collection("photos", descriptors or (MASS,), items=items, approximate=approximate)


def test_defaults_are_filled_in_and_said() -> None:
    resolved = resolve_plan(Plan(), holding(1000))
    assert resolved.plan.descriptors == (DescriptorChoice("hsv.histogram", "chi2"),)
    assert resolved.plan.candidates == "exact:depth=100"
    assert resolved.compared == (Compared(MASS, "chi2", 1.0, approximate=False),)
    assert (resolved.depth, resolved.wanted, resolved.vectors) == (100, 10, 0)
    assert (resolved.fusion, resolved.expansion, resolved.rerankers) == (None, None, ())


@pytest.mark.parametrize(
    ("plan", "error", "said"),
    [
        (Plan(rerank=("nonsense",) * 17), InvalidPlan, "at most 16 re-ranking stages, this one has 17"),
        (Plan(descriptors=(DescriptorChoice("none"),) * 101), InvalidPlan, "at most 100 descriptors, this one has 101"),
        (Plan(filter=("",) * 10_001), InvalidFilter, "at most 10,000 conditions in its filter, this one has 10,001"),
    ],
)
def test_parts_of_a_plan_are_counted_before_they_are_read(plan: Plan, error: type[PixkinError], said: str) -> None:
    with pytest.raises(error, match=said):
        resolve_plan(plan, holding(10))


def test_as_many_stages_as_a_plan_may_have_run() -> None:
    assert len(resolve_plan(Plan(rerank=("mmr",) * 16), holding(1000)).rerankers) == 16


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
    assert (resolved.plan.candidates, resolved.compared[0].approximate) == ("exact:depth=300", False)


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
        (Plan(normalise="l7"), InvalidPlan),
        (Plan(filter=("label",)), InvalidFilter),
        (Plan(descriptors=(DescriptorChoice("none"),)), UnknownDescriptor),
        (Plan(descriptors=(DescriptorChoice("histogram", weight=float("nan")),)), InvalidPlan),
        (Plan(descriptors=(DescriptorChoice("histogram", weight=0),)), InvalidPlan),
        (Plan(descriptors=(DescriptorChoice("histogram", "hamming"),)), UnknownMeasure),
        (Plan(descriptors=(DescriptorChoice("logits", "chi2"),)), MeasureNotApplicable),
        (Plan(), AmbiguousName),
    ],
)
def test_a_bad_plan_is_refused_by_name(plan: Plan, error: type[PixkinError]) -> None:
    with pytest.raises(error):
        resolve_plan(plan, holding(1000, MASS, SIGNED))


STAGES = [
    *(Plan(expand=name) for name in EXPANSIONS),
    *(Plan(expand=f"{name}:shortlist=200") for name in EXPANSIONS),
    *(Plan(rerank=(text_of(entry),)) for entry in RERANKERS.values()),
    *(Plan(fuse=name, descriptors=BOTH) for name in FUSIONS),
    Plan(descriptors=BOTH),
    Plan(descriptors=BOTH, expand="alpha", fuse="rrf", rerank=("k-reciprocal", "diffusion", "collapse", "mmr")),
]


@pytest.mark.parametrize("plan", STAGES, ids=str)
def test_the_plan_that_ran_states_every_option_and_resolves_to_itself(plan: Plan) -> None:
    plan = replace(plan, descriptors=plan.descriptors or (DescriptorChoice("histogram"),))
    collection = holding(3000, MASS, SIGNED)
    ran = resolve_plan(plan, collection).plan
    assert resolve_plan(ran, collection).plan == ran
    registries = ((ran.expand, EXPANSIONS), (ran.fuse, FUSIONS), *((text, RERANKERS) for text in ran.rerank))
    for text, registry in ((text, registry) for text, registry in registries if text):
        name, _, options = text.partition(":")
        assert [part.partition("=")[0] for part in options.split(",")] == list(registry[name].options)


@pytest.mark.parametrize("plan", STAGES, ids=str)
def test_a_stage_sees_as_many_candidates_on_every_page(plan: Plan) -> None:
    plan = replace(plan, descriptors=plan.descriptors or (DescriptorChoice("histogram"),))
    first, last = (
        resolve_plan(replace(plan, size=size, offset=offset), holding(3000, MASS, SIGNED))
        for size, offset in ((1, 0), (500, 2400))
    )
    assert first.vectors == last.vectors
    assert first.depth >= max(first.vectors, 100)
    assert last.depth >= 2900
    assert first.expansion == last.expansion
    assert first.rerankers == last.rerankers


def test_several_descriptors_are_fused_by_the_first_of_the_fusions() -> None:
    resolved = resolve_plan(Plan(descriptors=BOTH), holding(10, MASS, SIGNED))
    assert resolved.plan.fuse.partition(":")[0] == next(iter(FUSIONS)) == "weighted"
    assert [each.weight for each in resolved.compared] == [1.0, 0.5]
    twice = (DescriptorChoice("histogram", "chi2"), DescriptorChoice("histogram", "kl"))
    assert len(resolve_plan(Plan(descriptors=twice), holding(10)).compared) == 2


def test_all_descriptors_of_a_plan_come_from_an_index_of_neighbours_or_none() -> None:
    plan = Plan(descriptors=BOTH)
    for indexed, name in (({MASS.name, SIGNED.name}, "approximate"), ({SIGNED.name}, "exact"), (set(), "exact")):
        collection = holding(150_000, MASS, SIGNED, approximate=frozenset(indexed))
        resolved = resolve_plan(plan, collection)
        assert resolved.plan.candidates.partition(":")[0] == name
        assert {each.approximate for each in resolved.compared} == {name == "approximate"}
        assert resolve_plan(resolved.plan, collection).plan == resolved.plan
    with pytest.raises(InvalidPlan, match=r"no approximate index for hsv\.histogram"):
        resolve_plan(
            replace(plan, candidates="approximate"), holding(10, MASS, SIGNED, approximate=frozenset({SIGNED.name}))
        )


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (Plan(expand="average:n=51"), "expansion average takes 51 answers of 50 items"),
        (Plan(expand="alpha:n=51"), "expansion alpha takes 51 answers of 50 items"),
        (Plan(expand="average:n=20,shortlist=19"), "expansion average takes more answers .* raise shortlist"),
        (Plan(rerank=("k-reciprocal:k1=201",)), "reranker k-reciprocal looks for k1=201 neighbours among 200"),
        (Plan(rerank=("k-reciprocal:k2=300",)), "reranker k-reciprocal looks for k2=300 neighbours among 200"),
        (Plan(rerank=("k-reciprocal:top=10",)), "reranker k-reciprocal looks for k1=20 neighbours among 10"),
        (Plan(rerank=("k-reciprocal",), candidates="exact:depth=19"), "k1=20 neighbours among 19 candidates"),
        (Plan(rerank=("diffusion:top=8,k=9",)), "reranker diffusion looks for k=9 neighbours among 8"),
        (Plan(rerank=("mmr", "k-reciprocal")), "reranker k-reciprocal undoes mmr before it; put mmr last"),
        (Plan(rerank=("diffusion", "collapse", "diffusion")), "reranker diffusion undoes collapse"),
        (Plan(fuse="rrf"), "nothing to fuse by rrf"),
        (Plan(fuse="weighted:top=5"), "nothing to fuse by weighted"),
        (
            Plan(descriptors=(*BOTH, DescriptorChoice("hsv.histogram", "chi2", 2))),
            "compared twice .*hsv.histogram chi2",
        ),
        (Plan(descriptors=BOTH, fuse="median"), "there is no fusion 'median'; choose one of adaptive, rrf, weighted"),
        (Plan(descriptors=BOTH, size=41, candidates="exact:depth=40"), "exact:depth=41"),
    ],
)
def test_stages_that_make_no_sense_are_refused_by_name(plan: Plan, said: str) -> None:
    plan = replace(plan, descriptors=plan.descriptors or (DescriptorChoice("histogram"),))
    with pytest.raises(InvalidPlan, match=said) as refused:
        resolve_plan(plan, holding(50, MASS, SIGNED))
    assert "\n" not in refused.value.message


def test_a_space_is_changed_before_anything_is_judged_and_only_for_one_descriptor() -> None:
    changing = [entry for entry in RERANKERS.values() if entry.phase is Phase.SPACE]
    for entry in changing:
        with pytest.raises(InvalidPlan, match=f"reranker {entry.name}"):
            resolve_plan(Plan(rerank=("diffusion", text_of(entry))), holding(2000))
        with pytest.raises(InvalidPlan, match=entry.name):
            resolve_plan(Plan(descriptors=BOTH, rerank=(text_of(entry),)), holding(2000, MASS, SIGNED))
        assert resolve_plan(Plan(rerank=(text_of(entry), "diffusion", "mmr")), holding(2000)).rerankers
    assert changing


def test_a_descriptor_is_read_with_its_options() -> None:
    assert parse_descriptor("gap") == DescriptorChoice("gap")
    assert parse_descriptor("hsv.histogram:measure=kl,weight=0.3") == DescriptorChoice("hsv.histogram", "kl", 0.3)
    assert parse_descriptor(":measure=kl") == DescriptorChoice("", "kl")
    with pytest.raises(InvalidPlan, match="weight is a number"):
        parse_descriptor("gap:weight=heavy")
    with pytest.raises(InvalidPlan, match="measure, weight"):
        parse_descriptor("gap:colour=red")
