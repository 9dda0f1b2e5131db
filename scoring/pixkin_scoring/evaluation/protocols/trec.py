"""TREC: judgements in a qrels file and a list of queries, for any data of one's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pixkin_proto.errors import InvalidArgument, listed

from pixkin_scoring.evaluation.judgements import SOLE, GroundTruth, JudgedQuery, Judgement
from pixkin_scoring.evaluation.protocols.given import check_given, given_file
from pixkin_scoring.evaluation.protocols.lines import numbered_lines, wrong_line
from pixkin_scoring.evaluation.protocols.names import Names
from pixkin_scoring.evaluation.protocols.notes import note_on_queries
from pixkin_scoring.evaluation.protocols.protocol import Protocol, QuerySource, Reading

GRADE = re.compile("[+-]?[0-9]{1,6}")


def read_trec(reading: Reading) -> GroundTruth:
    """Return the judged queries of a qrels file: `QID 0 ID GRADE` a line, relevant above 0, by the grade for nDCG.

    The queries are the given ones, named by their QID; where no collection is at hand, they are names alone. Raises
    InvalidArgument when a line is malformed or contradicts another, nothing is relevant, or queries and judgements do
    not fit together; skip_missing leaves out what has no counterpart.
    """
    check_given(reading, TREC, takes_queries=True)
    path = given_file(reading, TREC)
    if reading.items is not None and reading.queries is None:
        raise InvalidArgument(
            "trec needs --queries FILE: a list of lines QID QUERY, where QUERY is id:ITEM or a picture"
        )
    names = Names(reading.items)
    judgements = {name: _judgement(grades) for name, grades in _read_qrels(path, names).items()}
    missing = names.check(skip_missing=reading.skip_missing)
    if not any(judgement.relevant for judgement in judgements.values()):
        raise InvalidArgument(f"{path} has no relevant item: no line with a grade above 0")
    if reading.queries is None:
        return GroundTruth(_names_alone(judgements), notes=missing)
    unmatched = _unmatched(judgements, reading.queries, skip=reading.skip_missing)
    return GroundTruth(_asked(judgements, reading.queries), notes=(*missing, *unmatched))


def read_query_list(path: Path) -> dict[str, str]:
    """Return queries by QID: a line is QID, a space or a tab, and the query, which is id:ITEM or a picture's path.

    Raises InvalidArgument for a line without a query, a QID that is there twice, and a file without queries.
    """
    queries: dict[str, str] = {}
    for number, line in numbered_lines(path):
        name, *query = line.split(maxsplit=1)
        if not query:
            raise wrong_line(path, number, f"'{line}' is not QID QUERY, where QUERY is id:ITEM or a picture")
        if name in queries:
            raise wrong_line(path, number, f"{name} is there already; each query has a QID of its own")
        queries[name] = query[0]
    if not queries:
        raise InvalidArgument(f"{path} has no queries; a line is QID QUERY, where QUERY is id:ITEM or a picture")
    return queries


def _read_qrels(path: Path, names: Names) -> dict[str, dict[str, int]]:
    """Return grades by QID and id, of the items that are there."""
    grades: dict[str, dict[str, int]] = {}
    for number, line in numbered_lines(path):
        name, document, grade = _judged(path, number, line)
        item = names.find(document)
        if item is None:
            continue
        if grades.setdefault(name, {}).setdefault(item, grade) != grade:
            raise wrong_line(
                path, number, f"{document} has grade {grade} for query {name}, and {grades[name][item]} above; keep one"
            )
    return grades


def _judged(path: Path, number: int, line: str) -> tuple[str, str, int]:
    fields = line.split()
    if len(fields) != 4 or not GRADE.fullmatch(fields[3]):
        raise wrong_line(path, number, f"'{line}' is not QID 0 ID GRADE with a whole number of few digits as grade")
    return fields[0], fields[2], int(fields[3])


def _judgement(grades: Mapping[str, int]) -> Judgement:
    return Judgement(
        relevant=frozenset(item for item, grade in grades.items() if grade > 0),
        grades={item: grade for item, grade in grades.items() if grade != 1},
    )


def _names_alone(judgements: Mapping[str, Judgement]) -> tuple[JudgedQuery, ...]:
    return tuple(JudgedQuery(name, {SOLE: judgement}) for name, judgement in judgements.items())


def _asked(judgements: Mapping[str, Judgement], source: QuerySource) -> tuple[JudgedQuery, ...]:
    return tuple(
        replace(source.query(name), judgements={SOLE: judgements[name]}) for name in source.labels if name in judgements
    )


def _unmatched(judgements: Mapping[str, Judgement], source: QuerySource, *, skip: bool) -> tuple[str, ...]:
    unjudged = [name for name in source.labels if name not in judgements]
    unasked = [name for name in judgements if name not in source.labels]
    if (unjudged or unasked) and not skip:
        raise InvalidArgument(
            f"queries without judgements: {listed(unjudged)}; judgements without a query: {listed(unasked)}; "
            "complete the list or the qrels file, or leave them out with --skip-missing"
        )
    return (
        *note_on_queries(len(unjudged), "no judgements"),
        *note_on_queries(len(unasked), "judged, but not in the list of queries"),
    )


TREC = Protocol(
    name="trec",
    read=read_trec,
    summary="Judgements of one's own in a qrels file of TREC, and a list of queries.",
    headline="AP",
    measures=(
        *("AP", "AP@100", "P@5", "P@10", "P@100", "recall@100", "11-point", "R-precision", "RR"),
        *("nDCG", "nDCG@10"),
    ),
    ground_truth="a qrels file with lines QID 0 ID GRADE",
    source="Voorhees and Harman, TREC: Experiment and Evaluation in Information Retrieval, 2005; trec_eval",
)
