"""UKBench: 2,550 objects, 4 pictures each; how many of the 4 come first?"""

from __future__ import annotations

import re

from pixkin_scoring.evaluation.judgements import SOLE, GroundTruth, JudgedQuery, Judgement
from pixkin_scoring.evaluation.protocols.given import check_given, given_items
from pixkin_scoring.evaluation.protocols.names import Names
from pixkin_scoring.evaluation.protocols.notes import note_on_queries
from pixkin_scoring.evaluation.protocols.protocol import Protocol, Reading
from pixkin_scoring.evaluation.protocols.stems import numbers_in

GROUP = 4
_STEM = re.compile(r"ukbench(\d{5})")


def read_ukbench(reading: Reading) -> GroundTruth:
    """Return every item as a query that stays in its own ranking; relevant are the 4 successive pictures with it.

    Raises InvalidArgument for items of other names and for groups that are not complete; skip_missing leaves the
    queries of such groups out.
    """
    check_given(reading, UKBENCH)
    items = given_items(reading, UKBENCH)
    names = Names(items)
    groups = [_group(first, names) for first in _firsts(numbers_in(items, _STEM, "ukbench00000.jpg and so on"))]
    missing = names.check(skip_missing=reading.skip_missing)
    complete = [group for group in groups if len(group) == GROUP]
    lost = note_on_queries(len(items) - GROUP * len(complete), "group not complete")
    queries = tuple(query for group in complete for query in _queries(group))
    return GroundTruth(queries, include_self=True, notes=(*missing, *lost))


def _firsts(numbers: list[int]) -> list[int]:
    return sorted({number - number % GROUP for number in numbers})


def _group(first: int, names: Names) -> frozenset[str]:
    return names.find_all(f"ukbench{number:05}" for number in range(first, first + GROUP))


def _queries(group: frozenset[str]) -> list[JudgedQuery]:
    judgements = {SOLE: Judgement(group)}
    return [JudgedQuery(item, judgements, item=item) for item in sorted(group)]


UKBENCH = Protocol(
    name="ukbench",
    read=read_ukbench,
    summary="UKBench: how many of the 4 pictures of an object are the first 4 hits, the query among them.",
    headline="N-S",
    measures=("N-S", "AP", "P@1"),
    source="Nistér and Stewénius, Scalable Recognition with a Vocabulary Tree, CVPR 2006",
)
