"""The vectors of one descriptor in memory, refreshed with what was written since."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor

from pixkin_scoring.kernels import fill_logs
from pixkin_scoring.scan import Columns, id_order
from pixkin_scoring.stores.embedded.reading import blocks, vector_block

LEAST_RESERVE_BYTES = 64 << 20
MOST_RESERVE_BYTES = 1 << 30  # Linux refuses a single reservation that is larger than the machine's memory
MOST_GAPS = 0.25
"""Share of removed rows above which the matrix is read anew without them."""
NEVER = -1
"""The generation of a matrix that holds nothing yet."""
Stored = tuple[int, str, bytes, float, float]


class Matrix:
    """All vectors of one descriptor, with ids, sums and norms, in the order of their rows in the file.

    The arrays are longer than their content: memory that was never touched costs nothing, so a collection grows in
    place. When it has outgrown them, or many rows were removed, they are given back first and everything is read anew:
    there is never a second copy. One thread at a time may use a matrix.
    """

    def __init__(self, table: str, descriptor: Descriptor) -> None:
        self._table = table
        self._descriptor = descriptor
        self._generation = NEVER
        self._id_order: NDArray[np.intp] | None = None
        self._make_room(0)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that hold content."""
        wide, narrow = 8 * self._count, 4 * self._count * self._descriptor.dim
        return (3 + (self._id_order is not None)) * wide + self._count + narrow * (1 + len(self._logs))

    def columns(self) -> Columns:
        """Return what the scan reads; valid until the next refresh."""
        n = self._count
        return Columns(
            self._ids, self._vectors[:n], self._sums[:n], self._norms[:n], self._kept_logs, self._kept_id_order
        )

    def refresh(self, connection: sqlite3.Connection, generation: int) -> None:
        """Bring the matrix to the generation that the connection's transaction sees."""
        if generation == self._generation:
            return
        [(items,)] = connection.execute("SELECT count(*) FROM items")
        self._id_order = None
        if self._generation == NEVER or not self._follow(connection, items):
            self._load(connection, items)
        self._generation = generation

    def allowed(self, rows: Sequence[int] | None) -> NDArray[np.bool_] | None:
        """Return which vectors may be found, (n,) bool: those of `rows`, or all that were not removed (None: all)."""
        present = self._present[: self._count]
        if rows is None:
            return None if present.all() else present
        chosen = np.zeros(self._count, dtype=np.bool_)
        slots, known = self._slots(np.array(rows, dtype=np.int64))
        chosen[slots[known]] = True
        return chosen & present

    def _make_room(self, items: int) -> None:
        dim = self._descriptor.dim
        reserve = min(max(items, LEAST_RESERVE_BYTES // (4 * dim)), MOST_RESERVE_BYTES // (4 * dim))
        room = items + reserve
        self._generation = NEVER
        self._logs: dict[bool, NDArray[np.float32]] = {}
        self._vectors = np.empty((0, dim), dtype=np.float32)
        self._vectors = np.empty((room, dim), dtype=np.float32)
        self._sums = np.empty(room, dtype=np.float64)
        self._norms = np.empty(room, dtype=np.float64)
        self._rows = np.empty(room, dtype=np.int64)
        self._present = np.empty(room, dtype=np.bool_)
        self._ids: list[str] = []
        self._count = 0

    def _load(self, connection: sqlite3.Connection, items: int) -> None:
        modes = list(self._logs)
        self._make_room(items)
        for chunk in self._stored(connection, since=NEVER):
            self._write(chunk)
        for mode in modes:
            self._kept_logs(mode)

    def _follow(self, connection: sqlite3.Connection, items: int) -> bool:
        """Take what changed since the last refresh; False when reading everything anew is due."""
        for chunk in self._stored(connection, since=self._generation):
            if not self._fits(chunk):
                return False
            self._write(chunk)
        if items != int(self._present[: self._count].sum()):
            self._forget_removed(connection)
        return self._count * (1 - MOST_GAPS) <= items

    def _stored(self, connection: sqlite3.Connection, *, since: int) -> Iterator[list[Stored]]:
        # CROSS JOIN keeps SQLite from walking the vectors first.
        cursor = connection.execute(
            f"SELECT row, id, vector, sum, norm FROM items CROSS JOIN {self._table} USING (row) "
            "WHERE changed > ? ORDER BY row",
            [since],
        )
        return blocks(cursor, self._descriptor)

    def _fits(self, chunk: list[Stored]) -> bool:
        """Return whether there is room, and every row is known or comes behind all that are."""
        slots, known = self._slots(np.array([row for row, *_ in chunk], dtype=np.int64))
        return self._count + len(chunk) <= len(self._vectors) and bool((known | (slots == self._count)).all())

    def _write(self, chunk: list[Stored]) -> None:
        rows, ids, blobs, sums, norms = zip(*chunk, strict=True)
        slots, known = self._slots(np.array(rows, dtype=np.int64))
        n = self._count
        slots[~known] = np.arange(n, n + np.count_nonzero(~known))
        self._count += int(np.count_nonzero(~known))
        self._ids += [""] * (self._count - n)
        for slot, name in zip(slots.tolist(), ids, strict=True):
            self._ids[slot] = name
        self._rows[slots] = rows
        self._vectors[slots] = vector_block(blobs, self._descriptor)
        self._sums[slots] = sums
        self._norms[slots] = norms
        self._present[slots] = True
        for normalise, logs in self._logs.items():
            fresh = np.empty((len(slots), self._descriptor.dim), dtype=np.float32)
            fill_logs(self._vectors[slots], self._sums[slots], normalise, fresh)
            logs[slots] = fresh

    def _slots(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Return where rows (n,) stand or would stand, and which of them are known."""
        kept = self._rows[: self._count]
        slots = np.searchsorted(kept, rows)
        known = slots < self._count
        known[known] = kept[slots[known]] == rows[known]
        return slots, known

    def _forget_removed(self, connection: sqlite3.Connection) -> None:
        stored = np.fromiter((row for (row,) in connection.execute("SELECT row FROM items")), dtype=np.int64)
        self._present[: self._count] &= np.isin(self._rows[: self._count], stored)

    def _kept_id_order(self) -> NDArray[np.intp]:
        if self._id_order is None:
            self._id_order = id_order(self._ids)
        return self._id_order

    def _kept_logs(self, normalise: bool) -> NDArray[np.float32]:  # noqa: FBT001 (the scan's signature)
        if normalise not in self._logs:
            logs = np.empty_like(self._vectors)
            fill_logs(self._vectors[: self._count], self._sums[: self._count], normalise, logs[: self._count])
            self._logs[normalise] = logs
        return self._logs[normalise][: self._count]
