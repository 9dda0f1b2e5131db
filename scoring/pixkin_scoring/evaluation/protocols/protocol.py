"""What a protocol is, and what it is told when it reads its ground truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pixkin_scoring.evaluation.judgements import GroundTruth, JudgedQuery

Labels = Mapping[str, frozenset[str]]
"""Labels by id, in order of id."""


@dataclass(frozen=True)
class QuerySource:
    """Queries that are not items of the database: pictures, or items of another collection or of a part of this one.

    labels: of every query by its name, which is an id or a path below the folder · query: makes the query of a name,
    without judgements.
    """

    labels: Labels
    query: Callable[[str], JudgedQuery]


@dataclass(frozen=True)
class Reading:
    """What a protocol may read.

    items: labels of every item of the database by id; None when a run file is rated and no collection is at hand ·
    ground_truth: file or folder that the user named · queries: where queries come from that are not items of the
    database · seed: of queries that are drawn · level: of annotations that have several · crop: whether queries are cut
    to the box of the ground truth · picture: the file of a query's picture by its name, for queries that are not in the
    collection · skip_missing: whether items that the ground truth names and the collection lacks
    are left out and counted, in place of being refused.
    """

    items: Labels | None
    ground_truth: Path | None = None
    queries: QuerySource | None = None
    seed: int = 0
    level: str = ""
    crop: bool = False
    picture: Callable[[str], str | None] = lambda _name: None
    skip_missing: bool = False


@dataclass(frozen=True)
class Protocol:
    """One protocol: how its ground truth is read, and which measures of quality it reports.

    measures: names as `quality.parse_quality` reads them · headline: the one that `map` reports, with its setup
    behind an underscore where there are several · ground_truth: what --ground-truth names, empty where none is needed ·
    levels: of annotations, the default first · summary: one sentence for people · source: the paper.
    """

    name: str
    read: Callable[[Reading], GroundTruth]
    summary: str
    headline: str
    measures: tuple[str, ...]
    ground_truth: str = ""
    levels: tuple[str, ...] = ()
    source: str = ""
