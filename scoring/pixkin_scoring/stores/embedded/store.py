"""The embedded store: every operation of the Store protocol on a directory of SQLite files."""

from __future__ import annotations

import builtins
import contextlib
import math
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor, check_descriptor
from pixkin_proto.errors import (
    CollectionExists,
    Deadline,
    InvalidArgument,
    PixkinError,
    StoreFull,
    StoreUnavailable,
    UnknownCollection,
    UnknownItem,
)
from pixkin_proto.kept import without_frames
from pixkin_proto.names import check_id, check_name

from pixkin_scoring.filters import Filter
from pixkin_scoring.items import AddResult, Candidates, Collection, Item, ItemUpdate, Verification
from pixkin_scoring.query import CandidateSearch, ScoringQuery
from pixkin_scoring.stores.batches import batches
from pixkin_scoring.stores.embedded import reading, writing
from pixkin_scoring.stores.embedded.collection import OpenCollection
from pixkin_scoring.stores.embedded.database import Database, create_file, delete_file, file_bytes, generation, sync
from pixkin_scoring.stores.embedded.faults import file_faults
from pixkin_scoring.stores.embedded.lock import write_lock
from pixkin_scoring.stores.embedded.place import SUFFIX, Place
from pixkin_scoring.stores.embedded.verification import verify
from pixkin_scoring.stores.layout import IndexLayout

PATIENCE_SECONDS = 10.0
"""How long `create` and `drop`, which take no deadline, wait for another writer."""


class EmbeddedStore:
    """Collections in a directory: NAME.sqlite, and NAME.lock while or since somebody wrote.

    Several threads and several processes may use the same directory. A thread that consumes `add` holds the right to
    write until the iterator is exhausted or closed.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.scans_here = True
        self._place = Place(name)
        self._opened: dict[str, OpenCollection] = {}
        self._lock = threading.Lock()

    def check(self, *, deadline: float = math.inf) -> None:
        """Raise StoreFormat when the place is no directory, StoreUnavailable when the store was there and is gone."""
        del deadline
        self._place.exists()

    def prepare(self, *, create: bool) -> None:
        """Make the directory or, unless that is allowed, raise StoreUnavailable when it holds no store."""
        if not (self._place.exists() and self._place.is_store()):
            if not create:
                raise StoreUnavailable(
                    f"there is no store at {self._place.directory.absolute()}; name another --store, mount its volume, "
                    "or make an empty one with --create"
                )
            self._place.make()

    def create(
        self,
        name: str,
        descriptors: Sequence[Descriptor],
        *,
        thumbnails: bool = True,
        layout: IndexLayout | None = None,
    ) -> Collection:
        """Make an empty collection, and the directory when it is missing."""
        if layout is not None:
            raise InvalidArgument(
                f"shards, replicas, slices, ann and lean belong to an index of OpenSearch, and {self.name} is a "
                "directory; leave them out, or name a cluster as the store, such as https://HOST:9200"
            )
        path = self._path(name)
        declared = [check_descriptor(descriptor) for descriptor in descriptors]
        if len({descriptor.name for descriptor in declared}) < len(declared):
            raise InvalidArgument("a descriptor is declared twice; give each its own name")
        self._place.make()
        with write_lock(self._lock_path(name), name, time.monotonic() + PATIENCE_SECONDS):
            if path.exists():
                raise CollectionExists(name)
            try:
                create_file(path, declared, thumbnails=thumbnails)
                return self.describe(name)
            except PixkinError:
                delete_file(path)  # what cannot be read is not made
                self._lock_path(name).unlink()
                raise

    def describe(self, name: str, *, deadline: float = math.inf) -> Collection:
        """Describe one collection."""
        del deadline  # a local file answers at once
        opened = self._open(name)
        return replace(opened.describe(), bytes={"disk": file_bytes(self._path(name)), "memory": opened.memory()})

    def list(self) -> builtins.list[str]:
        """Return the names of all collections, sorted."""
        return self._place.collections()

    def drop(self, name: str) -> None:
        """Delete a collection and everything in it."""
        self._check_there(name)
        with write_lock(self._lock_path(name), name, time.monotonic() + PATIENCE_SECONDS):
            self._check_there(name)
            with contextlib.suppress(StoreFull):  # a full disk must not keep anyone from dropping collections
                self._place.mark()
            with self._lock:
                self._close(name)
            with file_faults(self._path(name)):
                delete_file(self._path(name))
                self._lock_path(name).unlink()
                sync(self._place.directory)

    def add(self, name: str, items: Iterable[Item | AddResult | None], *, deadline: float) -> Iterator[AddResult]:
        """Add or replace items by id, and yield a result for each once it is durable, in their order."""
        self._check_there(name)
        return self._add(name, items, deadline)

    def update(self, name: str, updates: Iterable[ItemUpdate], *, deadline: float) -> builtins.list[AddResult]:
        """Change labels, attributes, file facts, source or id of items; all in one transaction."""
        with self._writing(name, deadline) as database, database.transaction() as connection:
            return writing.update_items(connection, name, updates)

    def remove(self, name: str, ids: Iterable[str], *, deadline: float) -> builtins.list[str]:
        """Remove items; returns the ids that were there."""
        with self._writing(name, deadline) as database, database.transaction() as connection:
            return writing.remove_items(connection, ids)

    def get(
        self,
        name: str,
        ids: Sequence[str],
        *,
        thumbnails: bool = False,
        vectors: bool = False,
        deadline: float = math.inf,
    ) -> dict[str, Item]:
        """Return the items that are there by id, with thumbnail and vectors when asked for."""
        del deadline
        found: dict[str, Item] = {}
        with self._open(name).database.transaction() as connection:
            for chunk in reading.chunks(ids):
                clause = f"WHERE id {reading.IN_JSON}"
                items = reading.items(
                    connection, clause, [reading.as_json(chunk)], thumbnails=thumbnails, vectors=vectors
                )
                found.update((item.id, item) for item in items.values())
        return {item: found[item] for item in ids if item in found}

    def list_items(
        self, name: str, filters: Filter, *, size: int, after: str = "", deadline: float = math.inf
    ) -> builtins.list[Item]:
        """Return at most `size` items whose id sorts after `after`, by id, without thumbnails and vectors."""
        del deadline
        clause, parameters = reading.where(filters)
        with self._open(name).database.transaction() as connection:
            items = reading.items(
                connection,
                f"WHERE id > ? AND {clause} ORDER BY id LIMIT ?",
                [_valid(after), *parameters, max(size, 0)],
            )
        return [*items.values()]

    def labels(
        self, name: str, ids: Sequence[str] | None = None, *, deadline: float = math.inf
    ) -> dict[str, frozenset[str]]:
        """Return the labels of these items by id, or of every item; items without labels have an empty set."""
        del deadline
        with self._open(name).database.transaction() as connection:
            return reading.labels(connection, ids)

    def fetch(
        self, name: str, descriptor: str, ids: Sequence[str], *, deadline: float = math.inf
    ) -> NDArray[np.float32]:
        """Return vectors (n, d) float32 exactly as added, in the order of ids. Raises UnknownItem."""
        del deadline
        with self._open(name).database.transaction() as connection:
            _, declared = reading.table_of(connection, descriptor)
            found = reading.fetch(connection, descriptor, ids)
        for item in ids:
            if item not in found:
                raise UnknownItem(name, item)
        return np.array([found[item] for item in ids], dtype=np.float32).reshape(len(ids), declared.dim)

    def scan(
        self, name: str, descriptor: str, *, block: int = 8192, after: str = ""
    ) -> Iterator[tuple[builtins.list[str], NDArray[np.float32]]]:
        """Yield (ids, vectors (n, d) float32) in blocks by id, each block as the collection is at its time."""
        last = _valid(after)
        while True:
            with self._open(name).database.transaction() as connection:
                ids, vectors = reading.block_after(connection, descriptor, last, block)
            if not ids:
                return
            yield ids, vectors
            last = ids[-1]

    def candidates(
        self,
        name: str,
        query: ScoringQuery,
        *,
        depth: int,
        filters: Filter,
        shortlist: int = 0,
        allow_partial: bool = False,
        vectors: int = 0,
        deadline: float = math.inf,
    ) -> Candidates:
        """Return the `depth` best items for one descriptor and measure: always of all, there is no other index."""
        del shortlist, allow_partial, deadline
        return self._open(name).candidates(query, depth, filters, vectors=vectors)

    def candidates_batch(
        self, searches: Sequence[CandidateSearch], *, deadline: float = math.inf
    ) -> builtins.list[Candidates | PixkinError]:
        """Do several searches, one after the other."""
        found: builtins.list[Candidates | PixkinError] = []
        for search in searches:
            try:
                if time.monotonic() > deadline:
                    raise Deadline("candidates")
                opened = self._open(search.collection)
                found.append(opened.candidates(search.query, search.depth, search.filters, vectors=search.vectors))
            except PixkinError as error:
                found.append(without_frames(error))
        return found

    def add_descriptor(
        self,
        name: str,
        descriptor: Descriptor,
        blocks: Iterable[tuple[builtins.list[str], NDArray[np.float32]]],
        *,
        attachments: Mapping[str, bytes] = MappingProxyType({}),
        deadline: float,
    ) -> None:
        """Add a descriptor to all items, with its attachments, in one transaction."""
        check_descriptor(descriptor)
        with self._writing(name, deadline) as database, database.transaction() as connection:
            writing.put_descriptor(connection, name, descriptor, blocks, attachments)

    def remove_descriptor(self, name: str, descriptor: str, *, deadline: float) -> None:
        """Remove a descriptor with its vectors and attachments, in one transaction."""
        with self._writing(name, deadline) as database, database.transaction() as connection:
            writing.remove_descriptor(connection, name, descriptor)

    def put_vectors(
        self,
        name: str,
        descriptor: str,
        blocks: Iterable[tuple[builtins.list[str], NDArray[np.float32]]],
        *,
        attachments: Mapping[str, bytes] = MappingProxyType({}),
        deadline: float,
    ) -> None:
        """Replace the vectors of some items for one descriptor, and put attachments, in one transaction."""
        with self._writing(name, deadline) as database, database.transaction() as connection:
            writing.put_vectors(connection, name, descriptor, blocks)
            writing.put_attachments(connection, attachments)

    def put_attachment(self, name: str, key: str, data: bytes, *, deadline: float) -> None:
        """Keep bytes with the collection, and the generation that this write makes."""
        with self._writing(name, deadline) as database, database.transaction() as connection:
            writing.put_attachments(connection, {key: data})

    def get_attachment(self, name: str, key: str) -> tuple[bytes, int] | None:
        """Return an attachment and the generation it was put at; None when there is none."""
        with self._open(name).database.transaction() as connection:
            found = connection.execute("SELECT data, generation FROM attachments WHERE key = ?", [key]).fetchone()
        return None if found is None else (found[0], found[1])

    def generation(self, name: str) -> int:
        """Return a number that every write raises."""
        with self._open(name).database.transaction() as connection:
            return generation(connection)

    def verify(self, name: str) -> Verification:
        """Read everything and compare."""
        self._check_there(name)
        with closing(Database(self._path(name))) as database:
            return verify(database)

    def close(self) -> None:
        """Give memory and files back; whatever is asked next opens them again."""
        with self._lock:
            for name in [*self._opened]:
                self._close(name)

    def _add(self, name: str, items: Iterable[Item | AddResult | None], deadline: float) -> Iterator[AddResult]:
        with self._writing(name, deadline) as database:
            for batch in batches(items):
                with database.transaction() as connection:
                    results = writing.add_items(connection, batch)
                yield from results

    @contextmanager
    def _writing(self, name: str, deadline: float) -> Iterator[Database]:
        self._check_there(name)
        with write_lock(self._lock_path(name), name, deadline):
            self._check_there(name)
            with closing(Database(self._path(name), writing=True)) as database:
                yield database

    def _open(self, name: str) -> OpenCollection:
        with self._lock:
            opened = self._opened.get(name)
            if opened is not None and opened.is_current():
                return opened
            self._close(name)
            self._check_there(name)
            self._opened[name] = OpenCollection(self._path(name), self.name)
            return self._opened[name]

    def _close(self, name: str) -> None:
        opened = self._opened.pop(name, None)
        if opened is not None:
            opened.close()

    def _check_there(self, name: str) -> None:
        exists = self._place.exists()
        if not self._place.has(self._path(name)):
            raise UnknownCollection(name, self.list(), self.name if exists else f"{self.name}, which does not exist")

    def _path(self, name: str) -> Path:
        return self._place.directory / f"{check_name('collection', name)}{SUFFIX}"

    def _lock_path(self, name: str) -> Path:
        return self._path(name).with_suffix(".lock")


def _valid(after: str) -> str:
    return check_id(after) if after else after
