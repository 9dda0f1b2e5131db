"""What one search does, stage by stage. Messages, flags and pages map to this one class."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence, Sized
from dataclasses import dataclass, replace

from pixkin_proto.descriptors import MEASURES, Descriptor, Kind
from pixkin_proto.errors import InvalidFilter, InvalidPlan, InvalidSize, MeasureNotApplicable, UnknownMeasure, listed
from pixkin_proto.names import resolve_descriptor

from pixkin_scoring.expansion import EXPANSIONS
from pixkin_scoring.filters import MAX_CONDITIONS, Filter, parse_filter
from pixkin_scoring.fusion import FUSIONS
from pixkin_scoring.items import Collection
from pixkin_scoring.rerankers import RERANKERS
from pixkin_scoring.rerankers.reranker import Phase
from pixkin_scoring.stages import Accepts, Option, Stage, StageRule

DEFAULT_DEPTH = 100
APPROXIMATE_DEPTH = 500
"""So many neighbours hold 99 % of the exact first 100 (kl wants 2000): docs/benchmarks.md."""
DEFAULT_SIZE = 10
MAX_SIZE = 100_000
MOST_EXPLAINED = 1000
MOST_RERANKERS = 16
"""Stages after each other: each has the whole first `top`, and holds the thread that ranks."""
MOST_COMPARED = 100
"""Descriptors that are fused: each is a search of its own."""
EXACT_BUDGET = 100_000_000
"""Components (items × dimensions) up to which `auto` scans: about half a second of painless on two cores."""

CANDIDATE_RULE = StageRule(
    "candidate stage",
    {
        name: Accepts({"depth": Option(int, least=1, most=2 * MAX_SIZE, note="how many candidates there are")}, note)
        for name, note in {
            "auto": "exact until the collection is large, then approximate where it has an index for that",
            "exact": "every item is compared",
            "approximate": "those that an index of neighbours proposes are compared",
        }.items()
    },
)
EXPANSION_RULE = StageRule("expansion", EXPANSIONS)
RERANKER_RULE = StageRule("reranker", RERANKERS)
FUSION_RULE = StageRule("fusion", FUSIONS)
NORMALISE = ("mass", "none")


@dataclass(frozen=True)
class DescriptorChoice:
    """One descriptor to compare; an empty name is the only descriptor, an empty measure the descriptor's default."""

    name: str = ""
    measure: str = ""
    weight: float = 1.0


@dataclass(frozen=True)
class Plan:
    """A search as it was asked for, or, in a result, as it ran.

    `depth` of the candidates is how many items later stages see. It does not depend on the page: offset + size beyond
    a stated depth is refused. Where none is stated it grows with the page, which changes no ranking: how many of the
    candidates a stage looks at is an option of its own.
    """

    descriptors: tuple[DescriptorChoice, ...] = ()
    fuse: str = ""
    candidates: str = "auto"
    expand: str = ""
    rerank: tuple[str, ...] = ()
    filter: tuple[str, ...] = ()
    normalise: str = "mass"
    include_self: bool = False
    fit_deadline: bool = False
    allow_partial: bool = False
    omit_labels: bool = False
    explain: bool = False
    size: int = DEFAULT_SIZE
    offset: int = 0

    @property
    def summary(self) -> str:
        """What is compared and done, on one line for people."""
        chosen = ", ".join(f"{choice.name} {choice.measure}" for choice in self.descriptors)
        return " · ".join(filter(None, (chosen, self.candidates, self.expand, self.fuse, *self.rerank)))


@dataclass(frozen=True)
class Compared:
    """One descriptor that a plan compares.

    approximate: whether its candidates come from an index of neighbours; the same for all of a plan.
    """

    descriptor: Descriptor
    measure: str
    weight: float
    approximate: bool


@dataclass(frozen=True)
class ResolvedPlan:
    """A checked plan with every default filled in, ready to run against one collection.

    depth: how many candidates there are · wanted: how many of them, the best, are asked for; when no stage follows, no
    more than the page shows · vectors: how many of the first later stages look at, with their vectors.
    """

    plan: Plan
    compared: tuple[Compared, ...]
    filters: Filter
    depth: int
    wanted: int
    vectors: int
    fusion: Stage | None
    expansion: Stage | None
    rerankers: tuple[Stage, ...]


def parse_descriptor(text: str) -> DescriptorChoice:
    """Read NAME, NAME:measure=M,weight=W or :measure=M. Raises InvalidPlan."""
    name, _, rest = text.partition(":")
    rule = StageRule("descriptor", {name: Accepts({"measure": Option(str), "weight": Option(float)})})
    options = rule.parse(f"{name}:{rest}").options
    return DescriptorChoice(name, str(options.get("measure", "")), float(options.get("weight", 1.0)))


def may_write(plan: Plan) -> bool:
    """Return whether a stage of a plan may write to the collection. Raises InvalidPlan."""
    return any(RERANKERS[stage.name].writes(stage.options) for stage in map(RERANKER_RULE.parse, plan.rerank))


def check_parts(descriptors: Sized, rerankers: Sized, conditions: Sized) -> None:
    """Raise InvalidPlan or InvalidFilter for more parts than a plan may have, before any of them is read."""
    for part, entries, most, leaf in (
        ("descriptors", descriptors, MOST_COMPARED, InvalidPlan),
        ("re-ranking stages", rerankers, MOST_RERANKERS, InvalidPlan),
        ("conditions in its filter", conditions, MAX_CONDITIONS, InvalidFilter),
    ):
        if len(entries) > most:
            raise leaf(f"a plan has at most {most:,} {part}, this one has {len(entries):,}; leave some out")


def resolve_plan(plan: Plan, collection: Collection) -> ResolvedPlan:
    """Check a plan against a collection, and fill in its defaults.

    Raises InvalidPlan, InvalidSize, InvalidFilter, UnknownDescriptor, UnknownMeasure or MeasureNotApplicable.
    """
    _check_page(plan)
    check_parts(plan.descriptors, plan.rerank, plan.filter)
    if plan.normalise not in NORMALISE:
        raise InvalidPlan(f"normalise is mass or none, not {plan.normalise!r}")
    stage = CANDIDATE_RULE.parse(plan.candidates)
    expansion = EXPANSION_RULE.parse(plan.expand) if plan.expand else None
    rerankers = _rerankers(plan)
    filters = parse_filter(plan.filter)
    compared = _compared(plan, stage, collection)
    _check_explain(plan, compared)
    fusion = _fusion(plan, compared)
    tops = [int(each.options["top"]) for each in rerankers]
    shortlist = int(expansion.options["shortlist"]) if expansion else 0
    whole = [shortlist, *tops, *([int(fusion.options["top"])] if fusion else [])]
    default = APPROXIMATE_DEPTH if compared[0].approximate else DEFAULT_DEPTH
    depth = _depth(stage, plan, items=collection.items, default=max(default, *whole), spare=_spare(rerankers))
    _check_sizes(expansion, rerankers, depth, collection.items)
    name = "approximate" if compared[0].approximate else "exact"
    ran = replace(
        plan,
        descriptors=tuple(DescriptorChoice(each.descriptor.name, each.measure, each.weight) for each in compared),
        candidates=str(Stage(name, {"depth": depth})),
        fuse=str(fusion) if fusion else "",
        expand=str(expansion) if expansion else "",
        rerank=tuple(map(str, rerankers)),
    )
    return ResolvedPlan(
        plan=ran,
        compared=compared,
        filters=filters,
        depth=depth,
        wanted=depth if any(whole) else min(depth, plan.offset + plan.size),
        vectors=min(max(tops, default=0), depth),
        fusion=fusion,
        expansion=expansion,
        rerankers=rerankers,
    )


def check_measure(measure: str, descriptor: Descriptor) -> None:
    """Raise UnknownMeasure, or MeasureNotApplicable when a mass measure meets a descriptor that may be negative."""
    if measure not in MEASURES:
        raise UnknownMeasure(measure, MEASURES)
    if MEASURES[measure] is Kind.MASS and not descriptor.non_negative:
        signed = [name for name, kind in MEASURES.items() if kind is Kind.ANY]
        raise MeasureNotApplicable(measure, descriptor.name, signed)


def _compared(plan: Plan, stage: Stage, collection: Collection) -> tuple[Compared, ...]:
    chosen = [_chosen(choice, collection) for choice in plan.descriptors or (DescriptorChoice(),)]
    approximate = _is_approximate(stage, collection, [descriptor for descriptor, _, _ in chosen])
    return tuple(Compared(*each, approximate) for each in chosen)


def _chosen(choice: DescriptorChoice, collection: Collection) -> tuple[Descriptor, str, float]:
    if not (math.isfinite(choice.weight) and choice.weight > 0):
        raise InvalidPlan(f"the weight of a descriptor is above 0, not {choice.weight}")
    by_name = {descriptor.name: descriptor for descriptor in collection.descriptors}
    descriptor = by_name[resolve_descriptor(choice.name, list(by_name))]
    measure = choice.measure or descriptor.default_measure
    check_measure(measure, descriptor)
    return descriptor, measure, choice.weight


def _check_explain(plan: Plan, compared: Sequence[Compared]) -> None:
    if not plan.explain:
        return
    if not any(MEASURES[each.measure] is Kind.MASS for each in compared):
        mass = [name for name, kind in MEASURES.items() if kind is Kind.MASS]
        raise InvalidPlan(
            f"explain names the bins of a mass measure, and {listed(each.measure for each in compared)} has none; "
            f"compare a non-negative descriptor by {listed(mass)}"
        )
    if plan.size > MOST_EXPLAINED:
        raise InvalidPlan(f"explain is for at most {MOST_EXPLAINED:,} hits, not {plan.size:,}; ask for fewer")


def _fusion(plan: Plan, compared: Sequence[Compared]) -> Stage | None:
    if len(compared) == 1:
        if plan.fuse:
            raise InvalidPlan(f"there is nothing to fuse by {plan.fuse}; name several descriptors")
        return None
    pairs = [(each.descriptor.name, each.measure) for each in compared]
    if len(set(pairs)) < len(pairs):
        raise InvalidPlan(f"a descriptor is compared twice by one measure: {', '.join(map(' '.join, pairs))}")
    return FUSION_RULE.parse(plan.fuse or next(iter(FUSIONS)))


def _rerankers(plan: Plan) -> tuple[Stage, ...]:
    found = [RERANKER_RULE.parse(text) for text in plan.rerank]
    if len(plan.descriptors) > 1 and any(RERANKERS[stage.name].phase is Phase.SPACE for stage in found):
        raise InvalidPlan("reranker whiten compares one descriptor; search with one, or leave it out")
    if any(stage.options.get("graph") == "kept" for stage in found):
        _check_kept(plan, found)
    for before, after in itertools.pairwise(found):
        if RERANKERS[after.name].phase < RERANKERS[before.name].phase:
            raise InvalidPlan(f"reranker {after.name} undoes {before.name} before it; put {before.name} last")
    return tuple(found)


def _check_kept(plan: Plan, rerankers: Sequence[Stage]) -> None:
    if len(plan.descriptors) > 1:
        raise InvalidPlan("reranker diffusion: a kept graph is of one descriptor, and several are fused; leave it out")
    if any(RERANKERS[stage.name].phase is Phase.SPACE for stage in rerankers):
        raise InvalidPlan(
            "reranker diffusion: a kept graph is of the vectors as they are stored, and whiten changes them; leave it "
            "out, or search with a whitened descriptor (pixkin index derive) that keeps a graph of its own"
        )


def _check_sizes(expansion: Stage | None, rerankers: Sequence[Stage], depth: int, items: int) -> None:
    if expansion and int(expansion.options["n"]) > items:
        raise InvalidPlan(
            f"expansion {expansion.name} takes {expansion.options['n']} answers of {items} items; lower n"
        )
    if expansion and 0 < int(expansion.options["shortlist"]) < int(expansion.options["n"]):
        raise InvalidPlan(f"expansion {expansion.name} takes more answers (n) than its shortlist has; raise shortlist")
    for stage in rerankers:
        seen = min(int(stage.options["top"]), depth)
        for key in ("k", "k1", "k2"):
            if int(stage.options.get(key, 0)) > seen:
                raise InvalidPlan(
                    f"reranker {stage.name} looks for {key}={stage.options[key]} neighbours among {seen} candidates; "
                    f"lower {key}, or raise top and the depth of the candidates"
                )


def _is_approximate(stage: Stage, collection: Collection, descriptors: Sequence[Descriptor]) -> bool:
    if stage.name == "exact" or collection.approximate is None:
        # A store that scans fast enough answers `approximate` exactly too; the reply says what ran.
        return False
    missing = [descriptor.name for descriptor in descriptors if descriptor.name not in collection.approximate]
    if stage.name == "auto":
        return not missing and collection.items * max(each.dim for each in descriptors) > EXACT_BUDGET
    if missing:
        raise InvalidPlan(
            f"{collection.name} has no approximate index for {missing[0]}; search with --candidates exact, or "
            "make an index on a cluster with the k-NN plugin (opensearch-knn): "
            f"pixkin index reindex {collection.name} --ann"
        )
    return True


def _check_page(plan: Plan) -> None:
    if not 1 <= plan.size <= MAX_SIZE:
        raise InvalidSize(f"size is 1 to {MAX_SIZE:,}, not {plan.size}")
    if not 0 <= plan.offset <= MAX_SIZE:
        raise InvalidSize(f"offset is 0 to {MAX_SIZE:,}, not {plan.offset}")


def _spare(rerankers: Sequence[Stage]) -> int:
    """Return how many candidates stages may leave out, so that a page is full all the same."""
    return sum(int(stage.options["top"]) for stage in rerankers if RERANKERS[stage.name].phase is Phase.CHOOSE)


def _depth(stage: Stage, plan: Plan, *, items: int, default: int, spare: int) -> int:
    needed = min(plan.offset + plan.size, items)
    depth = int(stage.options.get("depth", max(default, needed + spare)))
    if depth < needed:
        raise InvalidPlan(
            f"offset {plan.offset} + size {plan.size} reaches beyond the {depth} candidates; "
            f"ask for a smaller page or write --candidates {stage.name}:depth={needed}"
        )
    return depth
