"""The engine: pictures and queries through the rooms, in this process.

    with Engine("./pixkin.store") as engine:
        result = engine.search("holiday", [Query(image=Path("beach.jpg").read_bytes())])

The server calls the same methods. Decoding runs in a small pool, ONNX Runtime in the encoding thread, numba in the one
scoring thread; a store that ranks elsewhere is asked in the caller's thread.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pixkin_embedding import golden
from pixkin_embedding.batching import Batcher
from pixkin_embedding.bundle import Extractor
from pixkin_embedding.cores import usable_cores
from pixkin_embedding.directory import ExtractorDirectory
from pixkin_embedding.encoder import Device, Encoder, check_device, load_encoder
from pixkin_embedding.images import Box, decode, thumbnail
from pixkin_embedding.limits import REQUEST_LIMITS, Limits
from pixkin_embedding.preprocessing import prepare
from pixkin_proto.axes import Axis
from pixkin_proto.descriptors import MEASURES, Descriptor, check_descriptor
from pixkin_proto.errors import (
    InvalidArgument,
    InvalidExtractor,
    InvalidSize,
    PixkinError,
    StoreDenied,
    UnknownCollection,
    UnknownItem,
)
from pixkin_proto.kept import without_frames
from pixkin_proto.names import check_id, check_name, resolve_descriptor
from pixkin_scoring.examples import QueryVector
from pixkin_scoring.filters import parse_filter
from pixkin_scoring.items import AddResult, Collection, FileFacts, Item, ItemUpdate, Vectors, Verification
from pixkin_scoring.plan import DescriptorChoice, Plan, check_parts
from pixkin_scoring.rerankers.warming import warm_rerankers
from pixkin_scoring.results import SearchResult
from pixkin_scoring.search import SearchRequest, Stopwatch, search_batch
from pixkin_scoring.stores import Store, open_store
from pixkin_scoring.stores.layout import IndexLayout

from pixkin_server.api import (
    UNREADABLE,
    Embedding,
    ExtractorChoice,
    ExtractorInfo,
    FileState,
    NewItem,
    Query,
    SearchCall,
)
from pixkin_server.changes import file_state
from pixkin_server.counts import MAX_DESCRIPTORS, MAX_EXAMPLES, check_count
from pixkin_server.deriving import (
    check_derivable,
    completed,
    derivations,
    lost_derivation,
    root_of,
    underivable,
)
from pixkin_server.faults import known_error
from pixkin_server.forks import check_owner, check_scans
from pixkin_server.indexing import checked_vectors, encoded
from pixkin_server.loading import LOAD_SECONDS, Loading
from pixkin_server.timeouts import DEFAULT_TIMEOUT, check_timeout
from pixkin_server.waiting import wait

MAX_LIST_SIZE = 10_000

log = logging.getLogger("pixkin.engine")


@dataclass(frozen=True)
class _Encoded:
    """A search whose pictures are vectors, and the milliseconds that this took by stage."""

    request: SearchRequest
    timings_ms: dict[str, float]


class Engine:
    """One store and the extractors of its collections. Methods may be called from several threads.

    limits: caps for pictures, those for requests unless they come from the user's own folders · timeout: seconds that a
    call may take which names none · insecure: permits http to a cluster on another host · allow_untrained: whether an
    extractor with random weights may be used.
    """

    def __init__(
        self,
        store: str | Store,
        *,
        extractors: Path | None = None,
        device: Device = "auto",
        limits: Limits = REQUEST_LIMITS,
        timeout: float = DEFAULT_TIMEOUT,
        insecure: bool = False,
        allow_untrained: bool = True,
    ) -> None:
        self.store = open_store(store, insecure=insecure) if isinstance(store, str) else store
        self.directory = ExtractorDirectory(extractors)
        self._place = store if isinstance(store, str) else ""
        self._device, self._limits, self._timeout = device, limits, check_timeout(timeout)
        self._allow_untrained = allow_untrained
        self._process = os.getpid()
        self._loading = Loading(self._load_encoder)
        self._batcher = Batcher()
        self._decoding = ThreadPoolExecutor(usable_cores(), "pixkin-decoding")
        self._scoring = ThreadPoolExecutor(1, "pixkin-scoring")

    @property
    def places(self) -> dict[str, str]:
        """Where store and extractors lie, and words for it that callers elsewhere may be told."""
        return {str(self.directory.path): "the extractor directory", self._place: "the store"}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the threads and close the store."""
        self._decoding.shutdown(cancel_futures=True)
        self._batcher.close()
        self._scoring.shutdown()
        self.store.close()

    def _deadline(self, timeout: float | None) -> float:
        check_owner(self._process)
        return time.monotonic() + (self._timeout if timeout is None else check_timeout(timeout))

    # search

    def search(
        self, collection: str, queries: Sequence[Query], plan: Plan | None = None, *, timeout: float | None = None
    ) -> SearchResult:
        """Rank the items of a collection. The reply's timings begin with decoding and encoding."""
        deadline = self._deadline(timeout)
        return self._found(self._encoded_search(collection, queries, plan or Plan(), deadline), deadline)

    def search_batch(
        self, requests: Sequence[SearchCall | PixkinError], *, timeout: float | None = None
    ) -> list[SearchResult | PixkinError]:
        """Do several searches, their candidates in one call of the store; each has a result or an error of its own.

        An error among the requests keeps its place. Raises Deadline when the time is over for all.
        """
        deadline = self._deadline(timeout)
        # One after the other: the decoded pictures of a whole batch could fill the memory.
        encoded = [
            each if isinstance(each, PixkinError) else self._encoded_or_refused(each, deadline) for each in requests
        ]
        ranked = iter(self._ranked([each for each in encoded if isinstance(each, _Encoded)], deadline))
        return [next(ranked) if isinstance(each, _Encoded) else each for each in encoded]

    def _encoded_or_refused(self, request: SearchCall, deadline: float) -> _Encoded | PixkinError:
        try:
            return self._encoded_search(*request, deadline)
        except Exception as error:  # whatever one request provokes, it costs its own outcome alone
            return known_error(error)

    def _encoded_search(self, collection: str, queries: Sequence[Query], plan: Plan, deadline: float) -> _Encoded:
        check_count("a search", "examples", queries, MAX_EXAMPLES)
        check_parts(plan.descriptors, plan.rerank, plan.filter)
        watch = Stopwatch(deadline)
        described = self.store.describe(collection, deadline=deadline)
        wanted = self._compared(plan, described)
        vectors = [self._query_vector(query, described, wanted, watch, deadline) for query in queries]
        axes = self._axes(wanted) if plan.explain else {}
        return _Encoded(SearchRequest(collection, vectors, plan, axes), watch.timings_ms)

    def _axes(self, descriptors: Iterable[Descriptor]) -> dict[str, tuple[Axis, ...]]:
        """What components stand for, by the full names of descriptors whose extractors are here and say so."""
        known = {extractor.fingerprint: extractor.axes for extractor in self.directory.list().values()}
        found = {each.name: known.get(each.fingerprint, {}).get(each.short_name, ()) for each in descriptors}
        return {name: axes for name, axes in found.items() if axes}

    def _found(self, encoded: _Encoded, deadline: float) -> SearchResult:
        [outcome] = self._ranked([encoded], deadline)
        if not isinstance(outcome, PixkinError):
            return outcome
        try:
            raise outcome
        finally:
            del outcome  # the error holds this frame

    def _ranked(self, encoded: Sequence[_Encoded], deadline: float) -> list[SearchResult | PixkinError]:
        """Results or errors of searches, in their order."""
        check_scans()
        requests = [each.request for each in encoded]
        if self.store.scans_here:
            found = wait(
                self._scoring.submit(search_batch, self.store, requests, deadline=deadline), deadline, "scoring"
            )
        else:
            found = search_batch(self.store, requests, deadline=deadline)
        return [
            replace(result, timings_ms={**each.timings_ms, **result.timings_ms})
            if isinstance(result, SearchResult)
            else result
            for each, result in zip(encoded, found, strict=True)
        ]

    def _compared(self, plan: Plan, described: Collection) -> list[Descriptor]:
        """The descriptors that a plan compares; all when it names none, and then the plan is checked later."""
        known = {descriptor.name: descriptor for descriptor in described.descriptors}
        names = [resolve_descriptor(choice.name, list(known)) for choice in plan.descriptors]
        return [known[name] for name in names] or list(described.descriptors)

    def _query_vector(
        self, query: Query, described: Collection, wanted: list[Descriptor], watch: Stopwatch, deadline: float
    ) -> QueryVector:
        given = [query.image is not None, bool(query.id), query.vectors is not None]
        if sum(given) != 1:
            raise InvalidArgument("a query is exactly one of a picture, an id and a vector")
        if query.crop is not None and query.image is None:
            raise InvalidArgument("a crop belongs to a picture; the query has none")
        if query.image is not None:
            vectors = self._embed_for(query, described, wanted, watch, deadline)
            return QueryVector(vectors=vectors, weight=query.weight)
        if query.vectors is None:
            return QueryVector(id=check_id(query.id), weight=query.weight)
        return QueryVector(vectors=self._given_for(query.vectors, described, wanted), weight=query.weight)

    def _given_for(
        self, vectors: Vectors, described: Collection, wanted: list[Descriptor]
    ) -> dict[str, NDArray[np.float32]]:
        """Vectors of a query by full name, with those that are compared and derived of one that came."""
        found = checked_vectors(vectors, described)
        if any(not each.fingerprint and each.name not in found for each in wanted):
            found = completed(found, derivations(self.store, described))
        return dict(found)

    def _embed_for(
        self, query: Query, described: Collection, wanted: list[Descriptor], watch: Stopwatch, deadline: float
    ) -> dict[str, NDArray[np.float32]]:
        derived = derivations(self.store, described)
        known = {descriptor.name: descriptor for descriptor in described.descriptors}
        check_derivable(described, derived, (descriptor.name for descriptor in wanted))
        sources = [known[root_of(descriptor.name, derived)] for descriptor in wanted]
        if any(not descriptor.fingerprint for descriptor in sources):
            raise InvalidArgument(
                f"collection {described.name} holds imported vectors and has no extractor; query by id or by vector"
            )
        pairs = {(d.extractor, d.fingerprint) for d in sources}
        loaded = all(fingerprint in self._loading.encoders for _, fingerprint in pairs)
        encoders = [self._encoder(name, fingerprint, described.name, deadline) for name, fingerprint in sorted(pairs)]
        if not loaded:
            watch.lap("load")
        found = self._encode(query.image or b"", query.crop, encoders, watch, deadline)
        full = {f"{name}.{short}": vector for name, vectors in found.items() for short, vector in vectors.items()}
        return dict(completed(full, derived))

    def _encode(
        self, image: bytes, crop: Box | None, encoders: list[Encoder], watch: Stopwatch, deadline: float
    ) -> dict[str, dict[str, NDArray[np.float32]]]:
        """Vectors of one picture by extractor and short name."""
        pixels = wait(self._decoding.submit(decode, image, self._limits, crop=crop), deadline, "decode")
        watch.lap("decode")
        tensors = [prepare(pixels, encoder.extractor.preprocessing, self._limits) for encoder in encoders]
        watch.lap("prepare")
        pairs = zip(encoders, tensors, strict=True)
        futures = {encoder.extractor.name: self._batcher.submit(encoder, tensor) for encoder, tensor in pairs}
        # Each future is handed over: one that stays in this frame is in the traceback of the error that it holds.
        vectors = {name: wait(futures.pop(name), deadline, "encode") for name in list(futures)}
        watch.lap("encode")
        return vectors

    def embed(
        self, image: bytes, *, extractor: str = "", crop: Box | None = None, timeout: float | None = None
    ) -> Embedding:
        """Compute the descriptors of one picture."""
        deadline = self._deadline(timeout)
        watch = Stopwatch(deadline)
        encoder = self._load(self.directory.by_name(extractor), deadline)
        watch.lap("load")
        found = self._encode(image, crop, [encoder], watch, deadline)
        return Embedding(found[encoder.extractor.name], encoder.extractor.fingerprint, watch.timings_ms)

    # extractors

    def extractors(self) -> list[ExtractorInfo]:
        """List the extractor files by name, with the provider of those that are loaded."""
        return [
            ExtractorInfo(
                name=extractor.name,
                fingerprint=extractor.fingerprint,
                descriptors=extractor.descriptors,
                preprocessing=extractor.preprocessing.description,
                provider=self.providers().get(extractor.fingerprint, ""),
                source=str(extractor.provenance.get("source", "")),
                licence=str(extractor.provenance.get("licence", "")),
                axes=extractor.axes,
            )
            for extractor in self.directory.list().values()
        ]

    def providers(self) -> dict[str, str]:
        """Return the bound provider of every loaded extractor by fingerprint."""
        return {fingerprint: encoder.provider for fingerprint, encoder in list(self._loading.encoders.items())}

    def _encoder(self, name: str, fingerprint: str, collection: str, deadline: float) -> Encoder:
        loaded = self._loading.encoders.get(fingerprint)
        if loaded:
            return loaded
        return self._load(self.directory.by_fingerprint(fingerprint, name=name, collection=collection), deadline)

    def _load(self, path: Path, deadline: float) -> Encoder:
        claimed = self.directory.list().get(path)
        return self._loading.encoder(path, claimed.fingerprint if claimed else "", deadline)

    def _load_encoder(self, path: Path) -> Encoder:
        encoder = load_encoder(path, self._device)
        self._check_trained(encoder.extractor)
        return encoder

    def _check_trained(self, extractor: Extractor) -> None:
        if extractor.untrained and not self._allow_untrained:
            raise InvalidExtractor(
                f"extractor {extractor.name} has random weights and finds nothing alike; export it with --weights FILE "
                "or --download, or allow it for a trial: pixkin serve --allow-untrained"
            )

    def _collection_encoders(self, described: Collection, deadline: float) -> list[Encoder]:
        pairs = {(d.extractor, d.fingerprint) for d in described.descriptors if d.fingerprint}
        return [self._encoder(name, fingerprint, described.name, deadline) for name, fingerprint in sorted(pairs)]

    def check_device(self) -> None:
        """Raise ProviderMissing unless the device that was asked for can be had."""
        check_device(self._device)

    def warm_up(self) -> None:
        """Load the extractors of every collection; where the scan runs here, its matrices and kernels too.

        A collection that cannot be searched costs itself alone: the log names it, and asking it raises what is wrong.
        """
        check_owner(self._process)
        check_scans()
        if self.store.scans_here:
            wait(self._scoring.submit(_compile_kernels), math.inf, "warm-up")
        warm_rerankers()
        try:
            names = self.store.list()
        except StoreDenied as error:  # a role may search what it may not list
            log.warning("no collection is warmed up: %s [%s]", error.message, error.reason)
            return
        for name in names:
            try:
                self._warm_up(self.store.describe(name))
            except PixkinError as error:
                log.warning("collection %s cannot be searched as it is: %s [%s]", name, error.message, error.reason)

    def _warm_up(self, described: Collection) -> None:
        if self.store.scans_here and described.items:
            for descriptor in described.descriptors:
                plan = Plan(descriptors=(DescriptorChoice(descriptor.name),), size=1)
                vectors = [QueryVector(vectors={descriptor.name: np.ones(descriptor.dim, np.float32)})]
                self._found(_Encoded(SearchRequest(described.name, vectors, plan), {}), math.inf)
        encoders = self._collection_encoders(described, time.monotonic() + LOAD_SECONDS)
        if encoders:  # the first picture loads what decoding needs
            self._encode(thumbnail(golden.pictures()[0]), None, encoders, Stopwatch(), math.inf)

    # collections

    def create(
        self,
        name: str,
        extractors: Sequence[ExtractorChoice] = (),
        *,
        descriptors: Sequence[Descriptor] = (),
        thumbnails: bool = True,
        layout: IndexLayout | None = None,
    ) -> Collection:
        """Make an empty collection that encodes with extractors, or holds vectors for descriptors.

        layout: of its index in a cluster; a store that is a directory refuses one.
        """
        check_owner(self._process)
        check_name("collection", name)
        if bool(extractors) == bool(descriptors):
            raise InvalidArgument("a collection has either extractors or descriptors of vectors to import")
        check_count("a collection", "extractors", extractors, MAX_DESCRIPTORS)
        check_count("a collection", "descriptors", descriptors, MAX_DESCRIPTORS)
        declared = [d for choice in extractors for d in self._declared(choice)]
        declared += [check_descriptor(descriptor) for descriptor in descriptors]
        names = [descriptor.name for descriptor in declared]
        if any(descriptor.fingerprint for descriptor in descriptors):
            raise InvalidArgument("imported vectors have no fingerprint; name the extractor that encodes in its place")
        check_count("a collection", "descriptors", names, MAX_DESCRIPTORS)
        if len(set(names)) < len(names):
            raise InvalidArgument(f"a descriptor is named twice: {', '.join(sorted(names))}")
        return self.store.create(name, declared, thumbnails=thumbnails, layout=layout)

    def _declared(self, choice: ExtractorChoice) -> list[Descriptor]:
        extractor = self._load(self.directory.by_name(choice.name), self._deadline(None)).extractor
        known = {descriptor.name: descriptor for descriptor in extractor.descriptors}
        wanted = [resolve_descriptor(name, list(known)) for name in choice.descriptors] or list(known)
        return [known[name].of_extractor(extractor.name, extractor.fingerprint) for name in wanted]

    def describe(self, name: str, *, timeout: float | None = None) -> Collection:
        """Describe one collection."""
        return self.store.describe(name, deadline=self._deadline(timeout))

    def collections(self, *, timeout: float | None = None) -> list[Collection]:
        """Describe all collections, by name. One that cannot be read is left out, and the log names it."""
        return self.list_collections(timeout=timeout)[0]

    def list_collections(self, *, timeout: float | None = None) -> tuple[list[Collection], dict[str, PixkinError]]:
        """Describe all collections, by name, and say why others cannot be read, which the log names too."""
        deadline = self._deadline(timeout)
        readable: list[Collection] = []
        unreadable: dict[str, PixkinError] = {}
        for name in self.store.list():
            try:
                readable.append(self.store.describe(name, deadline=deadline))
            except UnknownCollection:  # dropped since it was listed
                continue
            except PixkinError as error:
                self.store.check(deadline=deadline)  # a store that is gone must not look like an empty one
                unreadable[name] = without_frames(error)
                log.warning(UNREADABLE, name, error.message, error.reason)
        return readable, unreadable

    def drop(self, name: str) -> None:
        """Delete a collection."""
        check_owner(self._process)
        self.store.drop(name)

    def add(
        self, name: str, items: Iterable[NewItem], *, root: str = "", timeout: float | None = None
    ) -> list[AddResult]:
        """Decode, encode and store items; returns a result for each, in their order."""
        return list(self.add_stream(name, items, root=root, timeout=timeout))

    def add_stream(
        self,
        name: str,
        items: Iterable[NewItem | AddResult | None],
        *,
        root: str = "",
        timeout: float | None = None,
    ) -> Iterator[AddResult]:
        """Add as `add` does, while the results are read: each comes once its item is durable, in their order.

        A None among the items says that none is waiting, so that what has come is committed; a refusal keeps its place.
        """
        deadline = self._deadline(timeout)
        described = self.store.describe(name, deadline=deadline)
        encoders = self._collection_encoders(described, deadline)
        ready = encoded(
            items, described, encoders, root=root, limits=self._limits, batcher=self._batcher, pool=self._decoding,
            derived=derivations(self.store, described),
        )  # fmt: skip
        return self.store.add(name, ready, deadline=deadline)

    def update(self, name: str, updates: Iterable[ItemUpdate], *, timeout: float | None = None) -> list[AddResult]:
        """Change labels, attributes, file facts, source or id; returns what changed and what was refused."""
        return self.store.update(name, updates, deadline=self._deadline(timeout))

    def remove(self, name: str, ids: Iterable[str], *, timeout: float | None = None) -> list[str]:
        """Remove items; returns the ids that were there."""
        return self.store.remove(name, ids, deadline=self._deadline(timeout))

    def list_items(
        self,
        name: str,
        conditions: Sequence[str] = (),
        *,
        size: int = 100,
        after: str = "",
        timeout: float | None = None,
    ) -> list[Item]:
        """Return a page of items by id, without thumbnails and vectors."""
        if not 1 <= size <= MAX_LIST_SIZE:
            raise InvalidSize(f"size is 1 to {MAX_LIST_SIZE:,} items a page, not {size}")
        deadline = self._deadline(timeout)
        return self.store.list_items(name, parse_filter(conditions), size=size, after=after, deadline=deadline)

    def get(
        self,
        name: str,
        item: str,
        *,
        thumbnail: bool = False,
        vectors: bool = False,
        timeout: float | None = None,
    ) -> Item:
        """Return one item. Raises UnknownItem."""
        deadline = self._deadline(timeout)
        found = self.store.get(name, [check_id(item)], thumbnails=thumbnail, vectors=vectors, deadline=deadline)
        if item not in found:
            raise UnknownItem(name, item)
        return found[item]

    def missing(
        self,
        name: str,
        files: Sequence[tuple[str, FileFacts]],
        *,
        checksum: bool = False,
        timeout: float | None = None,
    ) -> list[FileState]:
        """Tell for each (id, facts) whether the picture must be added."""
        known = self.store.get(name, [item for item, _ in files], deadline=self._deadline(timeout))
        return [file_state(known.get(item), facts, checksum=checksum) for item, facts in files]

    def verify(self, name: str) -> Verification:
        """Check a collection's stored data, that its extractors are at hand, and that derived vectors can be made."""
        described = self.store.describe(name)
        found = self.store.verify(name)
        lost = [lost_derivation(name, each) for each in underivable(described, derivations(self.store, described))]
        found = replace(found, problems=(*found.problems, *lost))
        try:
            self._collection_encoders(described, self._deadline(None))
        except PixkinError as error:
            return replace(found, problems=(*found.problems, error.message))
        return found


def _compile_kernels() -> None:
    from pixkin_scoring.scan import warm

    warm(MEASURES)
