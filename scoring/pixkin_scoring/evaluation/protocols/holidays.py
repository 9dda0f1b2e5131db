"""INRIA Holidays: 500 groups of holiday photos, the first of each is the query."""

from __future__ import annotations

import re

from pixkin_scoring.evaluation.judgements import SOLE, GroundTruth, JudgedQuery, Judgement
from pixkin_scoring.evaluation.protocols.given import check_given, given_items
from pixkin_scoring.evaluation.protocols.names import Names
from pixkin_scoring.evaluation.protocols.notes import note_on_queries
from pixkin_scoring.evaluation.protocols.protocol import Protocol, Reading
from pixkin_scoring.evaluation.protocols.stems import numbers_in

GROUP = 100
_STEM = re.compile(r"(\d{6})")


def read_holidays(reading: Reading) -> GroundTruth:
    """Return the pictures whose number ends in 00 as queries; relevant are the others of the same hundred.

    The query is not in its own ranking. Raises InvalidArgument for items of other names and for groups without a query;
    skip_missing leaves such groups out.
    """
    check_given(reading, HOLIDAYS)
    items = given_items(reading, HOLIDAYS)
    names = Names(items)
    groups: dict[int, list[int]] = {}
    for number in numbers_in(items, _STEM, "100000.jpg and so on, with 6 digits"):
        groups.setdefault(number - number % GROUP, []).append(number)
    queries = [_query(first, numbers, names) for first, numbers in groups.items()]
    missing = names.check(skip_missing=reading.skip_missing)
    asked = tuple(query for query in queries if query and query.judgements[SOLE].relevant)
    alone = sum(query is not None for query in queries) - len(asked)
    return GroundTruth(asked, notes=(*missing, *note_on_queries(alone, "no other picture in the group")))


def _query(first: int, numbers: list[int], names: Names) -> JudgedQuery | None:
    item = names.find(f"{first:06}")
    relevant = names.find_all(f"{number:06}" for number in numbers if number != first)
    if item is None:
        return None
    return JudgedQuery(item, {SOLE: Judgement(relevant)}, item=item, removed=frozenset({item}))


HOLIDAYS = Protocol(
    name="holidays",
    read=read_holidays,
    summary="INRIA Holidays: the first picture of each group asks for the others.",
    headline="AP_official",
    measures=("AP_official", "AP", "P@1", "P@5"),
    source="Jégou, Douze and Schmid, Hamming Embedding and Weak Geometric Consistency, ECCV 2008",
)
