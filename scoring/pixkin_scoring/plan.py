"""What one search does, stage by stage. Messages, flags and pages map to this one class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pixkin_proto.descriptors import MEASURES, Descriptor, Kind
from pixkin_proto.errors import InvalidPlan, InvalidSize, MeasureNotApplicable, UnknownMeasure
from pixkin_proto.names import resolve_descriptor

from pixkin_scoring.filters import Filter, parse_filter
from pixkin_scoring.items import Collection
from pixkin_scoring.stages import Stage, StageRule

DEFAULT_DEPTH = 100
APPROXIMATE_DEPTH = 500
"""So many neighbours hold 99 % of the exact first 100 (kl wants 2000): docs/benchmarks.md."""
DEFAULT_SIZE = 10
MAX_SIZE = 100_000
EXACT_BUDGET = 100_000_000
"""Components (items × dimensions) up to which `auto` scans: about half a second of painless on two cores."""

CANDIDATES = StageRule(
    "candidate stage", {"auto": {"depth": int}, "exact": {"depth": int}, "approximate": {"depth": int}}
)
EXPANSIONS = StageRule("expansion", {})
RERANKERS = StageRule("reranker", {})
FUSIONS = StageRule("fusion", {})
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
    a stated depth is refused. Where none is stated and no stage follows, it grows with the page, which changes no
    ranking.
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
    size: int = DEFAULT_SIZE
    offset: int = 0


@dataclass(frozen=True)
class ResolvedPlan:
    """A checked plan with every default filled in, ready to run against one collection.

    depth: how many candidates there are · wanted: how many of them, the best, are asked for; when no stage follows, no
    more than the page shows.
    """

    plan: Plan
    descriptor: Descriptor
    measure: str
    filters: Filter
    depth: int
    wanted: int
    approximate: bool


def parse_descriptor(text: str) -> DescriptorChoice:
    """Read NAME, NAME:measure=M,weight=W or :measure=M. Raises InvalidPlan."""
    name, _, rest = text.partition(":")
    rule = StageRule("descriptor", {name: {"measure": str, "weight": float}})
    options = rule.parse(f"{name}:{rest}").options
    return DescriptorChoice(name, str(options.get("measure", "")), float(options.get("weight", 1.0)))


def resolve_plan(plan: Plan, collection: Collection) -> ResolvedPlan:
    """Check a plan against a collection, and fill in its defaults.

    Raises InvalidPlan, InvalidSize, InvalidFilter, UnknownDescriptor, UnknownMeasure or MeasureNotApplicable.
    """
    _check_page(plan)
    if plan.normalise not in NORMALISE:
        raise InvalidPlan(f"normalise is mass or none, not {plan.normalise!r}")
    if len(plan.descriptors) > 1 or plan.fuse:
        FUSIONS.parse(plan.fuse or "weighted")
    stage = CANDIDATES.parse(plan.candidates)
    later = [EXPANSIONS.parse(plan.expand)] if plan.expand else []
    later += [RERANKERS.parse(text) for text in plan.rerank]
    filters = parse_filter(plan.filter)
    choice = plan.descriptors[0] if plan.descriptors else DescriptorChoice()
    if not (math.isfinite(choice.weight) and choice.weight > 0):
        raise InvalidPlan(f"the weight of a descriptor is above 0, not {choice.weight}")
    descriptor = _find(choice.name, collection.descriptors)
    measure = choice.measure or descriptor.default_measure
    check_measure(measure, descriptor)
    approximate = _is_approximate(stage, collection, descriptor)
    default = APPROXIMATE_DEPTH if approximate else DEFAULT_DEPTH
    depth = _depth(stage, plan, items=collection.items, default=default, grows=not later)
    ran = replace(
        plan,
        descriptors=(replace(choice, name=descriptor.name, measure=measure),),
        candidates=str(Stage("approximate" if approximate else "exact", {"depth": depth})),
    )
    wanted = depth if later else min(depth, plan.offset + plan.size)
    return ResolvedPlan(ran, descriptor, measure, filters, depth, wanted, approximate)


def check_measure(measure: str, descriptor: Descriptor) -> None:
    """Raise UnknownMeasure, or MeasureNotApplicable when a mass measure meets a descriptor that may be negative."""
    if measure not in MEASURES:
        raise UnknownMeasure(measure, MEASURES)
    if MEASURES[measure] is Kind.MASS and not descriptor.non_negative:
        signed = [name for name, kind in MEASURES.items() if kind is Kind.ANY]
        raise MeasureNotApplicable(measure, descriptor.name, signed)


def _find(name: str, descriptors: Sequence[Descriptor]) -> Descriptor:
    by_name = {descriptor.name: descriptor for descriptor in descriptors}
    return by_name[resolve_descriptor(name, list(by_name))]


def _is_approximate(stage: Stage, collection: Collection, descriptor: Descriptor) -> bool:
    if stage.name == "exact" or collection.approximate is None:
        # A store that scans fast enough answers `approximate` exactly too; the reply says what ran.
        return False
    indexed = descriptor.name in collection.approximate
    if stage.name == "auto":
        return indexed and collection.items * descriptor.dim > EXACT_BUDGET
    if not indexed:
        raise InvalidPlan(
            f"{collection.name} has no approximate index for {descriptor.name}; search with --candidates exact, or "
            "make an index on a cluster with the k-NN plugin (opensearch-knn): "
            f"pixkin index reindex {collection.name} --ann"
        )
    return True


def _check_page(plan: Plan) -> None:
    if not 1 <= plan.size <= MAX_SIZE:
        raise InvalidSize(f"size is 1 to {MAX_SIZE:,}, not {plan.size}")
    if not 0 <= plan.offset <= MAX_SIZE:
        raise InvalidSize(f"offset is 0 to {MAX_SIZE:,}, not {plan.offset}")


def _depth(stage: Stage, plan: Plan, *, items: int, default: int, grows: bool) -> int:
    needed = min(plan.offset + plan.size, items)
    depth = int(stage.options.get("depth", max(default, needed) if grows else default))
    if not 1 <= depth <= MAX_SIZE * 2:
        raise InvalidPlan(f"candidates: depth is 1 to {MAX_SIZE * 2:,}, not {depth}")
    if depth < needed:
        raise InvalidPlan(
            f"offset {plan.offset} + size {plan.size} reaches beyond the {depth} candidates; "
            f"ask for a smaller page or write --candidates {stage.name}:depth={needed}"
        )
    return depth
