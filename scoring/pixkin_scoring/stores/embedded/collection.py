"""One collection that a store has open: its file for reading, and its vectors in memory."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from pixkin_proto.descriptors import Descriptor

from pixkin_scoring.filters import Filter
from pixkin_scoring.items import Candidates, Collection
from pixkin_scoring.query import ScoringQuery
from pixkin_scoring.stores.embedded import reading
from pixkin_scoring.stores.embedded.database import Database, derived_tables, generation, incarnation, stated

if TYPE_CHECKING:
    from pixkin_scoring.stores.embedded.matrix import Matrix

VECTORS_WRITTEN = "SELECT coalesce(max(changed), 0) FROM items"
ROOTS = "SELECT DISTINCT root FROM items WHERE root <> '' ORDER BY root"


class OpenCollection:
    """A collection's file, opened for reading; several threads may use it.

    Searches have a connection of their own, so that loading a large matrix keeps nobody from reading items.
    """

    def __init__(self, path: Path, store: str) -> None:
        self._path = path
        self._store = store
        # Before the file is opened: should it be replaced in between, the next look notices.
        self._file = path.stat()
        self.database = Database(path)
        self._scanned = Database(path)
        self._matrices: dict[str, Matrix] = {}
        self._searching = threading.Lock()
        self._described: Collection | None = None

    def is_current(self) -> bool:
        """Return whether this is the file of its name, which another process may have replaced, and was read whole."""
        try:
            same = os.path.samestat(self._file, self._path.stat())
        except OSError:  # opening it again says what is the matter
            return False
        return same and self.database.is_current() and self._scanned.is_current()

    def describe(self) -> Collection:
        """Describe the collection; counted once per generation, without `bytes`."""
        with self.database.transaction() as connection:
            known = self._described
            now = generation(connection)
            if known is None or known.generation != now:
                declared, derived = reading.tables(connection), derived_tables(connection)
                known = Collection(
                    name=self._path.stem,
                    descriptors=tuple(declared.values()),
                    items=connection.execute("SELECT count(*) FROM items").fetchone()[0],
                    generation=now,
                    vector_generation=connection.execute(VECTORS_WRITTEN).fetchone()[0],
                    roots=tuple(root for (root,) in connection.execute(ROOTS)),
                    thumbnails=bool(stated(connection, "thumbnails")),
                    store=self._store,
                    # The file's number too: a backup that was put in the place of the file has the other number.
                    incarnation=f"{incarnation(connection):x}-{self._file.st_ino:x}",
                    derived=frozenset(each.name for table, each in declared.items() if table in derived),
                )
                self._described = known
            return known

    def memory(self) -> int:
        """Return the bytes of memory that vectors and what is derived from them take."""
        return sum(matrix.nbytes for matrix in list(self._matrices.values()))

    def candidates(self, query: ScoringQuery, depth: int, filters: Filter, *, vectors: int = 0) -> Candidates:
        """Return the best items as the file holds them now."""
        from pixkin_scoring.scan import top

        with self._searching:
            with self._scanned.transaction() as connection:
                table, descriptor = reading.table_of(connection, query.descriptor)
                self._forget_removed(connection)
                matrix = self._matrix(table, descriptor)
                matrix.refresh(connection, generation(connection))
                rows = reading.matching_rows(connection, filters) if filters else None
            return top(matrix.columns(), query, depth, matrix.allowed(rows), vectors=vectors)

    def close(self) -> None:
        """Give the memory and the file back, when a running search is done."""
        with self._searching:
            self._matrices.clear()
            self.database.close()
            self._scanned.close()

    def _forget_removed(self, connection: sqlite3.Connection) -> None:
        for table in self._matrices.keys() - reading.tables(connection):
            del self._matrices[table]

    def _matrix(self, table: str, descriptor: Descriptor) -> Matrix:
        from pixkin_scoring.stores.embedded.matrix import Matrix

        if table not in self._matrices:
            self._matrices[table] = Matrix(table, descriptor)
        return self._matrices[table]
