"""The index journey of many pictures: read, decode, prepare and encode, a bounded window ahead of the store."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from pixkin_embedding.batching import Batcher, Vectors
from pixkin_embedding.encoder import Encoder
from pixkin_embedding.images import decode, thumbnail
from pixkin_embedding.limits import Limits
from pixkin_embedding.preprocessing import prepare
from pixkin_proto.errors import InvalidImage, PixkinError
from pixkin_proto.names import resolve_descriptor
from pixkin_scoring.items import AddResult, Collection, FileFacts, Item

from pixkin_server.api import NewItem
from pixkin_server.files import read_picture

WINDOW = 48  # prepared pictures in flight: enough to fill batches of two extractors, some 25 MB


@dataclass(frozen=True)
class _Prepared:
    """An item without its vectors, and the vectors to come by extractor."""

    item: Item
    vectors: dict[str, Future[Vectors]]


def encoded(
    items: Iterable[NewItem | None],
    collection: Collection,
    encoders: Sequence[Encoder],
    *,
    root: str,
    limits: Limits,
    batcher: Batcher,
    pool: ThreadPoolExecutor,
) -> Iterator[Item | AddResult | None]:
    """Yield items with their vectors in the order they came, refused ones as refusals.

    A None among the items (nothing waits) hands out everything in flight and is passed on.
    """
    window: deque[tuple[str, Future[_Prepared]]] = deque()
    for new in items:
        if new is not None:
            work = pool.submit(_prepare, new, collection, encoders, root, limits, batcher)
            window.append((new.id, work))
        while window and (new is None or len(window) > WINDOW):
            yield _finished(*window.popleft(), collection)
        if new is None:
            yield None
    while window:
        yield _finished(*window.popleft(), collection)


def _prepare(
    new: NewItem, collection: Collection, encoders: Sequence[Encoder], root: str, limits: Limits, batcher: Batcher
) -> _Prepared:
    item = Item(
        id=new.id, labels=new.labels, attributes=new.attributes, source=new.source, root=root, file=new.file
    )  # fmt: skip
    if new.image is None:
        names = [descriptor.name for descriptor in collection.descriptors]
        given = {resolve_descriptor(name, names): vector for name, vector in new.vectors.items()}
        return _Prepared(replace(item, vectors=given), {})
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


def _finished(item_id: str, work: Future[_Prepared], collection: Collection) -> Item | AddResult:
    try:
        prepared = work.result()
        if not prepared.vectors:
            return prepared.item
        found = {
            f"{extractor}.{short}": vector
            for extractor, future in prepared.vectors.items()
            for short, vector in future.result().items()
        }
    except PixkinError as error:
        return AddResult(item_id, "refused", error)
    stored = {descriptor.name: found[descriptor.name] for descriptor in collection.descriptors}
    return replace(prepared.item, vectors=stored)
