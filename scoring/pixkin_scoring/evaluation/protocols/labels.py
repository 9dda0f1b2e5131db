"""Labels: relevant is what shares a label with the query. For any folder of pictures sorted by class."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pixkin_proto.errors import InvalidArgument

from pixkin_scoring.evaluation.judgements import GroundTruth, JudgedQuery
from pixkin_scoring.evaluation.protocols.given import check_given, given_items
from pixkin_scoring.evaluation.protocols.notes import note_on_queries
from pixkin_scoring.evaluation.protocols.protocol import Labels, Protocol, QuerySource, Reading
from pixkin_scoring.evaluation.protocols.sharing import Sharing


def read_labels(reading: Reading) -> GroundTruth:
    """Return every item as a query against all others, or the given queries against all items.

    Raises InvalidArgument when no query shares a label with an item.
    """
    check_given(reading, LABELS, takes_queries=True)
    return judged_by_labels(given_items(reading, LABELS), reading.queries)


def judged_by_labels(items: Labels, queries: QuerySource | None) -> GroundTruth:
    """Return the queries with a right answer; the classes are known where nothing has two labels."""
    if queries is None:
        return _leave_one_out(items)
    return _against_all(items, queries)


def _leave_one_out(items: Labels) -> GroundTruth:
    sharing, classes = Sharing(items), _classes(items)
    asked = tuple(
        JudgedQuery(
            name=item,
            item=item,
            judgements=sharing.judgements(labels),
            removed=frozenset({item}),
            label=classes.get(item, ""),
        )
        for item, labels in items.items()
        if sharing.count(labels) > 1
    )
    if not asked:
        raise InvalidArgument("no two items share a label; add them with --labels-from-folders or a manifest")
    notes = note_on_queries(len(items) - len(asked), "no other item shares a label")
    return GroundTruth(asked, classes=classes, notes=notes)


def _against_all(items: Labels, queries: QuerySource) -> GroundTruth:
    sharing, classes = Sharing(items), _classes(items)
    of_queries = _classes(queries.labels)
    if not (classes and of_queries):
        classes, of_queries = {}, {}
    asked = tuple(
        replace(queries.query(name), judgements=sharing.judgements(labels), label=of_queries.get(name, ""))
        for name, labels in queries.labels.items()
        if sharing.count(labels)
    )
    if not asked:
        raise InvalidArgument(
            "no query shares a label with an item; give both the same labels, with --labels-from-folders or a manifest"
        )
    notes = note_on_queries(len(queries.labels) - len(asked), "no item shares a label")
    return GroundTruth(asked, classes=classes, notes=notes)


def _classes(labelled: Labels) -> dict[str, str]:
    """Return the one label by name, of those that have any; nothing when one of them has several."""
    if _most(labelled.values()) > 1:
        return {}
    return {name: label for name, labels in labelled.items() for label in labels}


def _most(sets: Iterable[frozenset[str]]) -> int:
    return max(map(len, sets), default=0)


LABELS = Protocol(
    name="labels",
    read=read_labels,
    summary="Relevant is what shares a label with the query: every item against all others, or queries of their own.",
    headline="AP",
    measures=(
        *("AP", "AP@100", "AP_min@100", "11-point", "P@1", "P@5", "P@10", "P@100", "recall@100"),
        *("nDCG@10", "nDCG@100", "R-precision"),
    ),
    source="Manning, Raghavan and Schütze, Introduction to Information Retrieval, 2008, chapter 8",
)
