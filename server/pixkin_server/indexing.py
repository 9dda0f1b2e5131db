"""The index journey of many pictures: read, decode, prepare and encode, a bounded window ahead of the store."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from pixkin_embedding.batching import Batcher
from pixkin_embedding.batching import Vectors as Encoded
from pixkin_embedding.encoder import Encoder
from pixkin_embedding.images import decode, thumbnail
from pixkin_embedding.limits import Limits
from pixkin_embedding.preprocessing import prepare
from pixkin_proto.errors import DimensionMismatch, InvalidArgument, InvalidImage, StoreFormat
from pixkin_proto.names import resolve_descriptor
from pixkin_scoring.items import AddResult, Collection, FileFacts, Item, Vectors

from pixkin_server.api import NewItem
from pixkin_server.deriving import Derivation, completed, lost_derivation, underivable
from pixkin_server.faults import known_error
from pixkin_server.files import read_picture

WINDOW = 48  # pictures in flight times extractors: enough to fill the encoder's batches, some 25 MB once prepared
NOTHING_DERIVED: Mapping[str, Derivation] = MappingProxyType({})
WINDOW_BYTES = 64 * 2**20  # of pictures that came as bytes: a window of the largest that are allowed would be 768 MiB


@dataclass(frozen=True)
class _Prepared:
    """An item without its vectors, and the vectors to come by extractor."""

    item: Item
    vectors: dict[str, Future[Encoded]]


class _Window:
    """Items in flight, in their order, and the bytes that they came with."""

    def __init__(self, items: int) -> None:
        self._most = items
        self._waiting: deque[tuple[str, int, Future[_Prepared | AddResult]]] = deque()
        self._bytes = 0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def full(self) -> bool:
        """Whether the oldest must be finished before another may come."""
        return len(self._waiting) > self._most or (self._bytes > WINDOW_BYTES and len(self._waiting) > 1)

    def put(self, new: NewItem | AddResult, work: Future[_Prepared | AddResult]) -> None:
        """Remember an item that is worked on."""
        size = len(new.image) if isinstance(new, NewItem) and isinstance(new.image, bytes) else 0
        self._waiting.append((new.id, size, work))
        self._bytes += size

    def pop(self) -> tuple[str, Future[_Prepared | AddResult]]:
        """Return the oldest, done or not."""
        name, size, work = self._waiting.popleft()
        self._bytes -= size
        return name, work


def encoded(
    items: Iterable[NewItem | AddResult | None],
    collection: Collection,
    encoders: Sequence[Encoder],
    *,
    root: str,
    limits: Limits,
    batcher: Batcher,
    pool: ThreadPoolExecutor,
    derived: Mapping[str, Derivation] = NOTHING_DERIVED,
) -> Iterator[Item | AddResult | None]:
    """Yield items with their vectors, derived ones too, in the order they came, refused ones as refusals.

    A None among the items (nothing waits) hands out everything in flight and is passed on; a refusal keeps its place.
    """
    window = _Window(max(1, WINDOW // max(1, len(encoders))))
    lost = underivable(collection, derived)
    for new in items:
        if new is not None:
            taken = _refused_for(lost[0], collection, new) if lost else new
            window.put(taken, pool.submit(_prepare, taken, collection, encoders, root, limits, batcher))
        while window and (new is None or window.full):
            yield _finished(*window.pop(), collection, derived)
        if new is None:
            yield None
    while window:
        yield _finished(*window.pop(), collection, derived)


def _refused_for(lost: str, collection: Collection, new: NewItem | AddResult) -> NewItem | AddResult:
    """Refuse a picture before it is encoded: there would be no vector for the descriptor that is lost."""
    if isinstance(new, AddResult) or new.image is None:
        return new
    return AddResult(new.id, "refused", StoreFormat(lost_derivation(collection.name, lost)))


def by_full_name(vectors: Vectors, collection: Collection) -> Vectors:
    """Return vectors under the full names of their descriptors.

    Raises UnknownDescriptor, and InvalidArgument when two names stand for one descriptor.
    """
    known = [descriptor.name for descriptor in collection.descriptors]
    found = {resolve_descriptor(name, known): vector for name, vector in vectors.items()}
    if len(found) < len(vectors):
        raise InvalidArgument(f"two vectors are for one descriptor: {', '.join(map(repr, sorted(vectors)))}")
    return found


def _prepare(
    new: NewItem | AddResult,
    collection: Collection,
    encoders: Sequence[Encoder],
    root: str,
    limits: Limits,
    batcher: Batcher,
) -> _Prepared | AddResult:
    if isinstance(new, AddResult):
        return new
    item = Item(
        id=new.id, labels=new.labels, attributes=new.attributes, source=new.source, root=root, file=new.file
    )  # fmt: skip
    if new.image is None:
        return _Prepared(replace(item, vectors=checked_vectors(new.vectors, collection)), {})
    if not encoders:
        raise InvalidImage(
            "unsupported_format",
            f"collection {collection.name} holds imported vectors and takes no pictures; use: pixkin index import",
        )
    data = read_picture(new.image, limits) if isinstance(new.image, Path) else new.image
    pixels = decode(data, limits)
    item = replace(
        item,
        file=FileFacts(new.file.size or len(data), new.file.mtime_ns, hashlib.sha256(data).digest()),
        width=pixels.shape[1],
        height=pixels.shape[0],
        thumbnail=thumbnail(pixels) if collection.thumbnails else b"",
    )
    tensors = [prepare(pixels, encoder.extractor.preprocessing, limits) for encoder in encoders]
    pairs = zip(encoders, tensors, strict=True)
    return _Prepared(item, {encoder.extractor.name: batcher.submit(encoder, tensor) for encoder, tensor in pairs})


def checked_vectors(vectors: Vectors, collection: Collection) -> Vectors:
    """Return vectors by full name; those of a wrong length are refused before a batch of them fills the memory.

    Raises UnknownDescriptor, DimensionMismatch, and InvalidArgument when two names stand for one descriptor.
    """
    found = by_full_name(vectors, collection)
    for descriptor in collection.descriptors:
        vector = found.get(descriptor.name)
        if vector is not None and len(vector) != descriptor.dim:
            raise DimensionMismatch(descriptor.name, expected=descriptor.dim, got=len(vector))
    return found


def _finished(
    item_id: str, work: Future[_Prepared | AddResult], collection: Collection, derived: Mapping[str, Derivation]
) -> Item | AddResult:
    try:
        prepared = work.result()
        if isinstance(prepared, AddResult):
            return prepared
        if not prepared.vectors:
            return replace(prepared.item, vectors=completed(prepared.item.vectors, derived))
        found = {
            f"{extractor}.{short}": vector
            for extractor, future in prepared.vectors.items()
            for short, vector in future.result().items()
        }
        found = dict(completed(found, derived))
        stored = {descriptor.name: found[descriptor.name] for descriptor in collection.descriptors}
    except Exception as error:  # whatever one picture provokes, it costs that picture alone
        return AddResult(item_id, "refused", known_error(error))
    return replace(prepared.item, vectors=stored)
