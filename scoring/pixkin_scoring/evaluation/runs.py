"""Run files and qrels files of TREC."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.errors import InvalidArgument
from pixkin_proto.whole_file import written_whole

from pixkin_scoring.evaluation.evaluating import Ranking, in_setup
from pixkin_scoring.evaluation.judgements import GroundTruth, JudgedQuery
from pixkin_scoring.evaluation.protocols.lines import numbered_lines, wrong_line

HIGHEST = float(np.finfo(np.float32).max)
_UNWRITABLE = re.compile(r"\s|%(?=[0-9A-Fa-f]{2})")


@dataclass(frozen=True)
class _Lines:
    """The lines of one query."""

    ids: list[str] = field(default_factory=list)
    ranks: array[int] = field(default_factory=lambda: array("q"))
    scores: array[float] = field(default_factory=lambda: array("f"))
    numbers: array[int] = field(default_factory=lambda: array("q"))


def read_run(path: Path) -> dict[str, Ranking]:
    """Return the rankings of a run file by query, in the order that trec_eval sees.

    A line is `QID Q0 ID RANK SCORE TAG`. trec_eval orders by score as float32, descending, then by id, descending by
    bytes; ranks and the order of lines do not matter to it. Values are those scores; no time was measured. Raises
    InvalidArgument for malformed lines, scores that are no finite float32, an id that is there twice for a query, ranks
    that contradict the scores (a better rank with a lower score), and a file without lines.
    """
    queries: dict[str, _Lines] = {}
    for number, line in numbered_lines(path):
        name, item, rank, score = _fields(path, number, line)
        lines = queries.setdefault(name, _Lines())
        lines.ids.append(item)
        lines.ranks.append(rank)
        lines.scores.append(score)
        lines.numbers.append(number)
    if not queries:
        raise InvalidArgument(f"{path} is empty; a run has lines QID Q0 ID RANK SCORE TAG")
    return {name: _ranking(path, lines) for name, lines in queries.items()}


class RunWriter:
    """A run file that is written one query at a time, and takes its place when it is closed without an error.

    The score is -RANK: trec_eval orders equal scores by descending id, so true scores would lose our order. White space
    in a name or id, which the format cannot hold, is percent-encoded, and so is a % that would read as such a code.
    """

    def __init__(self, path: Path, *, tag: str = "pixkin") -> None:
        self._opened, self._tag = ExitStack(), tag
        self._file = self._opened.enter_context(_written_text(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._opened.__exit__(kind, error, traceback)

    def write(self, name: str, ids: Iterable[str]) -> None:
        """Write the ranking of a query, best first."""
        query = _written(name)
        self._file.writelines(
            f"{query} Q0 {_written(item)} {rank} {-rank} {self._tag}\n" for rank, item in enumerate(ids, 1)
        )

    def close(self) -> None:
        """Finish the file."""
        self._opened.close()


def write_qrels(path: Path, truth: GroundTruth) -> None:
    """Write the judgements as `QID 0 ID GRADE`, names encoded as in a run file.

    Several setups get a file each, with the setup behind the stem: qrels_easy.txt. Junk gets -1: to trec_eval it is
    wrong, not ignored. What a query removes from its ranking is left out.
    """
    setups = dict.fromkeys(setup for query in truth.queries for setup in query.judgements)
    for setup in setups:
        with _written_text(path.with_stem(in_setup(path.stem, setup))) as file:
            for query in truth.queries:
                file.writelines(_judgement_lines(query, setup))


def _fields(path: Path, number: int, line: str) -> tuple[str, str, int, float]:
    try:
        name, _q0, item, rank, score, _tag = line.split()
        fields = name, item, int(np.int64(int(rank))), float(score)
    except (ValueError, OverflowError) as error:
        raise wrong_line(
            path, number, f"'{line}' is not QID Q0 ID RANK SCORE TAG with a whole RANK and a number as SCORE"
        ) from error
    if not abs(fields[-1]) <= HIGHEST:  # true for NaN too
        raise wrong_line(path, number, f"the score {score} is no finite number of 32 bits; scores must be orderable")
    return fields


def _ranking(path: Path, lines: _Lines) -> Ranking:
    _check_ids(path, lines)
    scores = np.array(lines.scores, np.float64)
    _check_ranks(path, lines, scores)
    order = sorted(range(len(scores)), key=lambda at: (scores[at], lines.ids[at].encode()), reverse=True)
    return Ranking(tuple(lines.ids[at] for at in order), scores[order], 0.0)


def _check_ids(path: Path, lines: _Lines) -> None:
    first: dict[str, int] = {}
    for item, number in zip(lines.ids, lines.numbers, strict=True):
        if first.setdefault(item, number) != number:
            raise wrong_line(path, number, f"{item} is in line {first[item]} already; a run ranks an item once a query")


def _check_ranks(path: Path, lines: _Lines, scores: NDArray[np.float64]) -> None:
    """Raise InvalidArgument when a score is higher than that of a better rank; equal ranks say nothing."""
    order = np.lexsort((-scores, np.array(lines.ranks)))
    wrong = np.flatnonzero(np.diff(scores[order]) > 0)
    if len(wrong):
        better, worse = order[wrong[0]], order[wrong[0] + 1]
        raise wrong_line(
            path,
            lines.numbers[worse],
            f"rank {lines.ranks[worse]} has score {scores[worse]:g}, rank {lines.ranks[better]} in line "
            f"{lines.numbers[better]} the lower {scores[better]:g}; correct one of them: trec_eval goes by scores",
        )


def _judgement_lines(query: JudgedQuery, setup: str) -> Iterator[str]:
    name, judgement = _written(query.name), query.judgements[setup]
    grades = dict.fromkeys(judgement.junk, -1) | dict.fromkeys(judgement.relevant, 1) | dict(judgement.grades)
    for item in sorted(grades.keys() - query.removed):
        yield f"{name} 0 {_written(item)} {grades[item]}\n"


@contextmanager
def _written_text(path: Path) -> Iterator[TextIO]:
    with written_whole(path) as (file,):
        text = TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="\n")
        yield text
        text.flush()
        text.detach()


def _written(name: str) -> str:
    return _UNWRITABLE.sub(lambda found: quote(found[0]), name)
