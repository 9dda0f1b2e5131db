"""The OpenSearch store: every operation of the Store protocol on a cluster."""

from __future__ import annotations

import builtins
import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor, check_descriptor
from pixkin_proto.errors import (
    InvalidArgument,
    PixkinError,
    StoreReadOnly,
    StoreUnavailable,
    UnknownCollection,
    UnknownItem,
    listed,
)
from pixkin_proto.kept import without_frames
from pixkin_proto.names import check_name

from pixkin_scoring.filters import Filter
from pixkin_scoring.items import AddResult, Candidates, Collection, Item, ItemUpdate, Verification
from pixkin_scoring.query import CandidateSearch, ScoringQuery
from pixkin_scoring.stores.batches import batches
from pixkin_scoring.stores.layout import IndexLayout
from pixkin_scoring.stores.opensearch import attachments, building, reading, searching, twins, versions, writing
from pixkin_scoring.stores.opensearch.additions import additions
from pixkin_scoring.stores.opensearch.answers import refresh
from pixkin_scoring.stores.opensearch.bulk import PATIENCE_SECONDS, patient
from pixkin_scoring.stores.opensearch.capabilities import Capabilities, probe
from pixkin_scoring.stores.opensearch.claims import claim_on, claimed, overtaken
from pixkin_scoring.stores.opensearch.connection import Connection
from pixkin_scoring.stores.opensearch.descriptors import put_descriptor, put_vectors, remove_descriptor
from pixkin_scoring.stores.opensearch.faults import IndexMissing
from pixkin_scoring.stores.opensearch.filters import clauses_of
from pixkin_scoring.stores.opensearch.index import Index, find_index, list_collections
from pixkin_scoring.stores.opensearch.mapping import write_alias
from pixkin_scoring.stores.opensearch.scripts import ScriptGuard, register_scripts
from pixkin_scoring.stores.opensearch.settings import read_settings
from pixkin_scoring.stores.opensearch.statistics import counted, measured
from pixkin_scoring.stores.opensearch.verification import verify

FRESH_SECONDS = 1.0
"""How long a collection's description is believed: what others write is seen within this time."""
READ_SECONDS = 60.0
"""How long a call that names no deadline waits for an answer."""


class OpenSearchStore:
    """Collections in a cluster: each an alias over the index NAME-v0001 or a later version of it.

    Several threads and several processes may use the same cluster. `name` is the URL, `connection` the way there.
    Raises InvalidArgument for a URL or credentials that cannot be used; whether the cluster fits is asked at first use.
    """

    scans_here = False

    def __init__(self, name: str, *, insecure: bool = False) -> None:
        self.connection = Connection(name, read_settings(), insecure=insecure)
        self.name = self.connection.url
        self._known: dict[str, tuple[float, Index]] = {}
        self._described: dict[str, tuple[float, Collection]] = {}
        self._capabilities: Capabilities | None = None
        self._scripts = ScriptGuard(self.connection)
        self._lock = threading.Lock()

    def check(self, *, deadline: float = math.inf) -> None:
        """Raise StoreUnavailable, StoreDenied or StoreFormat when the cluster does not answer or does not fit."""
        self._capabilities = probe(self.connection, min(deadline, _soon()))

    def prepare(self, *, create: bool) -> None:
        """Do nothing: a cluster that answers is a store."""

    def create(
        self,
        name: str,
        descriptors: Sequence[Descriptor],
        *,
        thumbnails: bool = True,
        layout: IndexLayout | None = None,
    ) -> Collection:
        """Make an empty collection, and register the scripts where the role permits that."""
        check_name("collection", name)
        declared = [check_descriptor(descriptor) for descriptor in descriptors]
        if len({descriptor.name for descriptor in declared}) < len(declared):
            raise InvalidArgument("a descriptor is declared twice; give each its own name")
        schema = versions.new_schema(declared, thumbnails=thumbnails, layout=layout or IndexLayout())
        self._check_layout(schema.layout)
        if schema.layout.twins:
            raise InvalidArgument(
                "a new collection has no whitening to shorten its neighbours by; make it, attach one, then: "
                f"pixkin index reindex {name} --ann --twin DESCRIPTOR=WHITENING"
            )
        register_scripts(self.connection)
        versions.create_first(self.connection, name, schema)
        self._forget(name)
        return self.describe(name)

    def describe(self, name: str, *, deadline: float = math.inf) -> Collection:
        """Describe one collection, as it was at most FRESH_SECONDS ago."""
        since, known = self._described.get(name, (-math.inf, None))
        if known is None or time.monotonic() - since > FRESH_SECONDS:
            since = time.monotonic()
            known = self._describe(self._index(name, deadline), min(deadline, _soon()))
            self._described[name] = since, known
        return known

    def list(self) -> builtins.list[str]:
        """Return the names of all collections, sorted."""
        self._probed()
        return list_collections(self.connection, deadline=_soon())

    def drop(self, name: str) -> None:
        """Delete a collection with all its versions."""
        check_name("collection", name)
        versions.drop_all(self.connection, name)
        self._forget(name)

    def add(self, name: str, items: Iterable[Item | AddResult | None], *, deadline: float) -> Iterator[AddResult]:
        """Add or replace items by id, and yield a result for each once it is durable, in their order.

        The first batch can be searched at once, later ones within a second, and all when the iterator ends.
        """
        return self._add(self._writable(name, deadline), items, deadline)

    def update(self, name: str, updates: Iterable[ItemUpdate], *, deadline: float) -> builtins.list[AddResult]:
        """Change labels, attributes, file facts, source or id of items."""
        with self._writing(name, deadline) as index:
            return writing.update_items(self.connection, index, updates, deadline=deadline)

    def remove(self, name: str, ids: Iterable[str], *, deadline: float) -> builtins.list[str]:
        """Remove items; returns the ids that were there."""
        with self._writing(name, deadline) as index:
            return writing.remove_items(self.connection, index, ids, deadline=deadline)

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
        with self._reading(name, deadline) as index:
            return reading.get_items(
                self.connection, index, ids, thumbnails=thumbnails, vectors=vectors, deadline=deadline
            )

    def list_items(
        self, name: str, filters: Filter, *, size: int, after: str = "", deadline: float = math.inf
    ) -> builtins.list[Item]:
        """Return at most `size` items whose id sorts after `after`, by id, without thumbnails and vectors."""
        with self._reading(name, deadline) as index:
            clauses = clauses_of(filters)
            return reading.list_items(self.connection, index, clauses, size=size, after=after, deadline=deadline)

    def labels(
        self, name: str, ids: Sequence[str] | None = None, *, deadline: float = math.inf
    ) -> dict[str, frozenset[str]]:
        """Return the labels of these items by id, or of every item; items without labels have an empty set."""
        with self._reading(name, deadline) as index:
            return reading.labels(self.connection, index, ids, deadline=deadline)

    def fetch(
        self, name: str, descriptor: str, ids: Sequence[str], *, deadline: float = math.inf
    ) -> NDArray[np.float32]:
        """Return vectors (n, d) float32 exactly as added, in the order of ids. Raises UnknownItem."""
        with self._reading(name, deadline) as index:
            declared = reading.descriptor_of(index, descriptor)
            found = reading.fetch(self.connection, index, declared, ids, deadline=deadline)
        for item in ids:
            if item not in found:
                raise UnknownItem(name, item)
        return np.array([found[item] for item in ids], dtype=np.float32).reshape(len(ids), declared.dim)

    def scan(
        self, name: str, descriptor: str, *, block: int = 8192, after: str = ""
    ) -> Iterator[tuple[builtins.list[str], NDArray[np.float32]]]:
        """Yield (ids, vectors (n, d) float32) in blocks by id, each block as the collection is at its time."""
        with self._reading(name) as index:
            declared = reading.descriptor_of(index, descriptor)
            yield from reading.scan(self.connection, index, declared, block=block, after=after)

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
        """Return the `depth` best items for one descriptor and measure, with float64 values, ties by id."""
        search = CandidateSearch(name, query, depth, filters, shortlist, allow_partial, vectors)
        [found] = self.candidates_batch([search], deadline=deadline)
        if not isinstance(found, PixkinError):
            return found
        try:
            raise found
        finally:
            del found  # the error holds this frame

    def candidates_batch(
        self, searches: Sequence[CandidateSearch], *, deadline: float = math.inf
    ) -> builtins.list[Candidates | PixkinError]:
        """Do several searches in one request; each has candidates or an error of its own, in their order."""
        outcomes: dict[int, Candidates | PixkinError] = {}
        wanted: dict[int, searching.Wanted] = {}
        for place, search in enumerate(searches):
            try:
                self._scripts.check(search.query.measure, deadline=deadline)
                wanted[place] = self._index(search.collection, deadline), search
            except PixkinError as error:
                outcomes[place] = without_frames(error)
        found = searching.find(self.connection, list(wanted.values()), deadline=deadline)
        outcomes.update(zip(wanted, found, strict=True))
        for place, outcome in outcomes.items():
            if isinstance(outcome, PixkinError):
                self._forget(searches[place].collection)
                if isinstance(outcome, UnknownCollection):  # says which there are
                    outcomes[place] = self._why_missing(searches[place].collection, deadline)
        return [outcomes[place] for place in range(len(searches))]

    def add_descriptor(
        self,
        name: str,
        descriptor: Descriptor,
        blocks: Iterable[tuple[builtins.list[str], NDArray[np.float32]]],
        *,
        attachments: Mapping[str, bytes] = MappingProxyType({}),
        deadline: float,
    ) -> None:
        """Add a descriptor to all items from blocks of (ids, vectors); nothing is declared before all is written."""
        check_descriptor(descriptor)
        with self._writing(name, deadline) as index:
            put_descriptor(self.connection, index, descriptor, blocks, attachments, deadline=deadline)

    def remove_descriptor(self, name: str, descriptor: str, *, deadline: float) -> None:
        """Remove a descriptor with its attachments; its vectors cannot be seen, and go with the next re-index."""
        with self._writing(name, deadline) as index:
            found = reading.descriptor_of(index, descriptor)
            remove_descriptor(self.connection, index, found, deadline=deadline)

    def put_vectors(
        self,
        name: str,
        descriptor: str,
        blocks: Iterable[tuple[builtins.list[str], NDArray[np.float32]]],
        *,
        attachments: Mapping[str, bytes] = MappingProxyType({}),
        deadline: float,
    ) -> None:
        """Replace the vectors of some items for one descriptor; nothing is written before all have been seen."""
        with self._writing(name, deadline) as index:
            found = reading.descriptor_of(index, descriptor)
            put_vectors(self.connection, index, found, blocks, attachments, deadline=deadline)

    def put_attachment(self, name: str, key: str, data: bytes, *, deadline: float) -> None:
        """Keep bytes with the collection, and the generation that this write makes."""
        with self._writing(name, deadline) as index:
            attachments.put(self.connection, index, key, data, deadline=patient(deadline))

    def get_attachment(self, name: str, key: str) -> tuple[bytes, int] | None:
        """Return an attachment and the generation it was put at; None when there is none."""
        self._index(name)
        head = attachments.get_head(self.connection, name, key)
        if head is None:
            return None
        return attachments.get_chunks(self.connection, name, key, head), head.generation

    def generation(self, name: str) -> int:
        """Return a number that every write raises, also one that was made by hand."""
        with self._reading(name) as index:
            return measured(self.connection, index, deadline=_soon()).generation

    def verify(self, name: str) -> Verification:
        """Read everything and compare, and put a refresh back that a load has left off."""
        self._forget(name)
        with self._reading(name) as index:
            return verify(self.connection, index)

    def reindex(
        self,
        name: str,
        change: Callable[[IndexLayout], IndexLayout],
        *,
        told: Callable[[int, int], None] = building.quiet,
        leave_behind: bool = False,
    ) -> Collection:
        """Build the next version of a collection with another layout, then move the alias there; see `versions`."""
        self._check_layout(change(self._index(name).schema.layout))
        register_scripts(self.connection)
        index = self._index(name)

        def resolved(layout: IndexLayout) -> IndexLayout:
            return twins.resolved(self.connection, index, change(layout), deadline=_soon())

        with self._known_as(name):
            versions.reindex(self.connection, name, resolved, told=told, leave_behind=leave_behind)
        self._forget(name)
        return self.describe(name)

    def rollback(self, name: str, *, leave_behind: bool = False) -> Collection:
        """Go back to the version before; see `versions.rollback`."""
        check_name("collection", name)
        with self._known_as(name):
            versions.rollback(self.connection, name, leave_behind=leave_behind)
        self._forget(name)
        return self.describe(name)

    def merge(self, name: str) -> Collection:
        """Make searches faster after a large load; see `building.merge`."""
        with self._writing(name, math.inf) as index:
            building.merge(self.connection, index)
        return self.describe(name)

    def additions(self, name: str) -> builtins.list[str]:
        """Return in words what others have added to the index of a collection: fields, settings, aliases."""
        with self._reading(name) as index:
            return additions(self.connection, index)

    def unlock(self, name: str) -> builtins.list[str]:
        """End the claim of a command that was cut off; see `versions.unlock`. Returns a sentence for what was done."""
        check_name("collection", name)
        with self._known_as(name):
            done = list(versions.unlock(self.connection, name))
        self._forget(name)
        return done

    def holder(self, name: str) -> str:
        """Return in words which command holds a collection, empty where none does."""
        index = find_index(self.connection, name, deadline=_soon())
        return str(claim_on(index) or "")

    def unused_versions(self, name: str) -> builtins.list[str]:
        """Return the names of the indices of versions that are not in use."""
        with self._reading(name) as index:
            return [other.name for other in versions.other_versions(self.connection, index)]

    def remove_versions(self, name: str) -> builtins.list[str]:
        """Delete the versions that are not in use; returns the names of their indices."""
        check_name("collection", name)
        return versions.remove_others(self.connection, name)

    def close(self) -> None:
        """Close the connections; whatever is asked next opens new ones."""
        self.connection.close()

    def _add(self, index: Index, items: Iterable[Item | AddResult | None], deadline: float) -> Iterator[AddResult]:
        end = patient(deadline)
        with self._known_as(index.collection, writes=True):
            try:
                for number, batch in enumerate(batches(items)):
                    # What began in time goes on after the deadline, which may fall into any of the later batches.
                    end = patient(deadline) if number == 0 else max(deadline, time.monotonic() + PATIENCE_SECONDS)
                    results = writing.add_batch(self.connection, index, batch, deadline=end)
                    if number == 0:  # the cluster itself refreshes later ones when somebody searches
                        self._refresh(index, end)
                    self._forget(index.collection)
                    yield from results
            except GeneratorExit:
                with contextlib.suppress(PixkinError, IndexMissing):  # what was acknowledged is durable
                    self._refresh(index, end)
                raise
            self._refresh(index, patient(deadline))

    @contextlib.contextmanager
    def _writing(self, name: str, deadline: float) -> Iterator[Index]:
        index = self._writable(name, deadline)
        with self._known_as(name, writes=True):
            try:
                yield index
            finally:
                self._forget(name)
            self._refresh(index, patient(deadline))

    @contextlib.contextmanager
    def _known_as(self, name: str, deadline: float = math.inf, *, writes: bool = False) -> Iterator[None]:
        """Turn the lack of an index into an error that names the collection, and forget what was known of it."""
        try:
            yield
        except (IndexMissing, UnknownCollection):
            self._forget(name)
            raise self._why_missing(name, deadline, writes=writes) from None

    @contextlib.contextmanager
    def _reading(self, name: str, deadline: float = math.inf) -> Iterator[Index]:
        """The index, as it was at most FRESH_SECONDS ago; should it have been replaced since, that is forgotten."""
        index = self._index(name, deadline)
        with self._known_as(name, deadline):
            yield index

    def _index(self, name: str, deadline: float = math.inf) -> Index:
        since, known = self._known.get(name, (-math.inf, None))
        if known is None or time.monotonic() - since > FRESH_SECONDS:
            self._probed(deadline)
            since = time.monotonic()
            known = find_index(self.connection, name, deadline=min(deadline, _soon()))
            self._known[name] = since, known
        return known

    def _writable(self, name: str, deadline: float) -> Index:
        self._forget(name)
        index = self._index(name, patient(deadline))
        claim = claim_on(index)
        if claim and write_alias(index.name) not in index.aliases:
            raise claimed(index, claim)
        if not index.takes_writes:
            raise StoreReadOnly(
                f"collection {name} takes no writes: {index.name} has the block {listed(index.blocks)}; whoever set it "
                f"lifts it, or what was cut off and left it is ended with: pixkin index unlock {name}"
            )
        with self._known_as(name, deadline, writes=True):
            list(versions.repair(self.connection, index))
        return index

    def _describe(self, index: Index, deadline: float) -> Collection:
        with self._reading(index.collection, deadline):
            numbers = measured(self.connection, index, deadline=deadline)
            items, roots = counted(self.connection, index, deadline=deadline)
        layout = index.schema.layout
        return Collection(
            name=index.collection,
            descriptors=index.schema.descriptors,
            items=items,
            generation=numbers.generation,
            roots=roots,
            thumbnails=index.schema.thumbnails,
            bytes={"disk": numbers.bytes},
            store=self.name,
            approximate=frozenset(d.name for d in index.schema.descriptors) if layout.ann else frozenset(),
            layout={"index": index.name, **layout.described()},
            vector_generation=numbers.vector_generation,
            incarnation=index.uuid,
            derived=frozenset(index.schema.derived),
        )

    def _check_layout(self, layout: IndexLayout) -> None:
        if layout.ann and not self._probed().knn:
            raise InvalidArgument(
                f"an approximate index needs the k-NN plugin (opensearch-knn), and {self.name} has none, or does not "
                "say; install it on every node, or leave --ann out"
            )

    def _probed(self, deadline: float = math.inf) -> Capabilities:
        if self._capabilities is None:
            self._capabilities = probe(self.connection, min(deadline, _soon()))
        return self._capabilities

    def _why_missing(self, name: str, deadline: float = math.inf, *, writes: bool = False) -> PixkinError:
        """Return why the index of a collection was missing, by how the collection is now."""
        try:
            index = find_index(self.connection, name, deadline=min(deadline, _soon()))
        except PixkinError as error:
            return without_frames(error)
        if writes:
            claim = claim_on(index)
            return claimed(index, claim) if claim else overtaken(name)
        return StoreUnavailable(f"the index of collection {name} was replaced by {index.name} meanwhile; repeat")

    def _refresh(self, index: Index, deadline: float) -> None:
        refresh(self.connection, index.name, min(deadline, _soon()))
        self._forget(index.collection)

    def _forget(self, name: str) -> None:
        with self._lock:
            self._known.pop(name, None)
            self._described.pop(name, None)


def _soon() -> float:
    return time.monotonic() + READ_SECONDS
