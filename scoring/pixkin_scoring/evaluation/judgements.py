"""What a protocol says: which queries there are, and which items are right answers to each."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

SOLE = ""
"""The name of a protocol's only setup."""


@dataclass(frozen=True)
class Judgement:
    """The right answers to one query, as ids of items.

    relevant: right answers; one set may be shared by many queries · junk: neither rewarded nor punished; a ranking is
    looked at without them, unless a measure counts them as wrong · grades: the gain of an item where it is not 1
    (relevant ones), or the stated one of a judged item that is not relevant (0 or below).
    """

    relevant: AbstractSet[str]
    junk: AbstractSet[str] = frozenset()
    grades: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class JudgedQuery:
    """One query with its judgements by setup (one of them for most protocols, easy, medium and hard for `revisited`).

    The query is an item (of the collection that is searched, or of another one that `collection` names), or a picture
    file. box: the part of it to search with, (x, y, width, height) in pixels of the upright picture; it needs the
    picture's file also where the query is an item · removed: ids that belong to no ranking of this query, right or
    wrong, such as the query itself · label: its class, where it has exactly one.
    """

    name: str
    judgements: Mapping[str, Judgement]
    item: str = ""
    collection: str = ""
    picture: str = ""
    box: tuple[float, float, float, float] | None = None
    removed: AbstractSet[str] = frozenset()
    label: str = ""


@dataclass(frozen=True)
class GroundTruth:
    """All queries of a protocol.

    include_self: whether a query that is an item stays in its own ranking · classes: the class of every item, where
    each has exactly one, for nearest-neighbour classification · notes: sentences on what was left out and why.
    """

    queries: tuple[JudgedQuery, ...]
    include_self: bool = False
    classes: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
