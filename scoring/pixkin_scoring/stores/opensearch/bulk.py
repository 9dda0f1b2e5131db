"""Many changes of documents in one request, with back-pressure and an answer for each.

The library's own helper sleeps between its tries without a deadline, so the loop is ours.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pixkin_scoring.stores.opensearch.answers import part
from pixkin_scoring.stores.opensearch.connection import Connection
from pixkin_scoring.stores.opensearch.documents import as_line
from pixkin_scoring.stores.opensearch.faults import IndexMissing
from pixkin_scoring.stores.opensearch.mapping import write_alias

MAX_BYTES = 8 << 20
MAX_ACTIONS = 1000
PATIENCE_SECONDS = 30.0
"""How long a step of a write that began in time waits for a cluster when the caller's deadline is over."""
BUSY = frozenset({429, 503})
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0


@dataclass(frozen=True)
class Action:
    """One change: `create`, `index`, `update` or `delete` of the document `id`.

    body: the document, or for an update what is sent for it · seen: (sequence number, primary term) that the document
    must still have.
    """

    kind: str
    id: str
    body: Mapping[str, Any] | None = None
    seen: tuple[int, int] | None = None

    def lines(self) -> bytes:
        """Return what is sent for it."""
        header: dict[str, Any] = {"_id": self.id}
        if self.seen is not None:
            header["if_seq_no"], header["if_primary_term"] = self.seen
        line = as_line({self.kind: header})
        return line if self.body is None else line + b"\n" + as_line(self.body)


@dataclass(frozen=True)
class Answer:
    """What became of an action: an HTTP status, and the cluster's error where there is one."""

    status: int
    error: Mapping[str, Any] | None = None

    @property
    def conflict(self) -> bool:
        """Whether the document is not, or no more, what the action expected."""
        return self.status == 409


def send(connection: Connection, index: str, actions: Sequence[Action], *, deadline: float) -> list[Answer]:
    """Send actions on different documents; returns the answer to each, in their order.

    Actions that a busy cluster refuses are sent again until the deadline. Raises what `Connection.ask` raises, and
    IndexMissing for an index that is gone.
    """
    end = patient(deadline)
    answers: list[Answer] = []
    for chunk in _chunks([action.lines() for action in actions]):
        answers += _send_chunk(connection, index, chunk, end)
    return answers


def patient(deadline: float) -> float:
    """Return until when a step of a write goes on: the deadline, or PATIENCE_SECONDS from now where that is over."""
    return deadline if deadline > time.monotonic() else time.monotonic() + PATIENCE_SECONDS


def _send_chunk(connection: Connection, index: str, lines: Sequence[bytes], end: float) -> list[Answer]:
    answers = _send_once(connection, index, lines, end)
    pause = FIRST_PAUSE
    while busy := [place for place, answer in enumerate(answers) if _is_busy(answer)]:
        if time.monotonic() + pause >= end:
            break
        time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 (no secret)
        pause = min(2 * pause, LONGEST_PAUSE)
        again = _send_once(connection, index, [lines[place] for place in busy], end)
        for place, answer in zip(busy, again, strict=True):
            answers[place] = answer
    return answers


def _send_once(connection: Connection, index: str, lines: Sequence[bytes], end: float) -> list[Answer]:
    reply = connection.ask(
        "POST",
        f"/{write_alias(index)}/_bulk",
        lines=lines,
        params={"filter_path": "items.*.status,items.*.error", "require_alias": True},
        deadline=end,
        retry_seconds=max(0.0, end - time.monotonic()),
    )
    items = part(reply, "items", list, length=len(lines))
    answers = [Answer(part(item, "status", int), item.get("error")) for entry in items for item in entry.values()]
    if any((answer.error or {}).get("type") == "index_not_found_exception" for answer in answers):
        raise IndexMissing(f"no such index [{index}]")
    return answers


def _is_busy(answer: Answer) -> bool:
    return answer.status in BUSY and (answer.error or {}).get("type") != "cluster_block_exception"


def _chunks(lines: Sequence[bytes]) -> Iterator[list[bytes]]:
    chunk: list[bytes] = []
    size = 0
    for line in lines:
        if chunk and (size + len(line) > MAX_BYTES or len(chunk) == MAX_ACTIONS):
            yield chunk
            chunk, size = [], 0
        chunk.append(line)
        size += len(line)
    if chunk:
        yield chunk
