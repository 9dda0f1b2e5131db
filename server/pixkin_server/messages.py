"""Messages to pixkin's own types and back: the one place that knows both."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pixkin_embedding.images import Box
from pixkin_proto.descriptors import Descriptor, Norm
from pixkin_proto.errors import Datum, Internal, InvalidArgument, PixkinError
from pixkin_proto.v1 import collections_pb2, embedding_pb2, search_pb2, types_pb2
from pixkin_scoring.items import AddResult, Attribute, Collection, FileFacts, Item, ItemUpdate
from pixkin_scoring.plan import DEFAULT_SIZE, DescriptorChoice, Plan
from pixkin_scoring.results import Hit, SearchResult

from pixkin_server.api import Embedding, ExtractorInfo, FileState, NewItem, Query

ADD_STATES = {
    "added": collections_pb2.AddResult.ADDED,
    "replaced": collections_pb2.AddResult.REPLACED,
    "refused": collections_pb2.AddResult.REFUSED,
}
FILE_STATES = {
    FileState.NEW: collections_pb2.MissingReply.NEW,
    FileState.CHANGED: collections_pb2.MissingReply.CHANGED,
    FileState.UNCHANGED: collections_pb2.MissingReply.UNCHANGED,
    FileState.CHECKSUM_NEEDED: collections_pb2.MissingReply.CHECKSUM_NEEDED,
}
T = TypeVar("T")
_ADD_STATE_NAMES: dict[int, str] = {number: name for name, number in ADD_STATES.items()}
_FILE_STATE_NAMES: dict[int, FileState] = {number: state for state, number in FILE_STATES.items()}

# errors

MAX_SENTENCE = 1200  # bytes: gRPC drops trailing metadata beyond 8 KiB, in which the sentence stands twice and escaped
MAX_DATUM = 512  # bytes of one text: ids are no longer


def error_to_proto(error: PixkinError) -> types_pb2.Error:
    """Return an error as a message; what a caller made too long is cut."""
    data = {key: json.dumps(_short(value), ensure_ascii=False) for key, value in error.data.items()}
    return types_pb2.Error(reason=error.reason, message=_cut(error.message, MAX_SENTENCE), data=data)


def error_from_proto(message: types_pb2.Error) -> PixkinError:
    """Return the error that a message carries; data that only another version understands are left out."""
    return PixkinError.rebuild(message.reason, message.message, dict(_data(message.data)))


def _data(texts: Mapping[str, str]) -> Iterator[tuple[str, Datum]]:
    for key, text in texts.items():
        with contextlib.suppress(ValueError):
            if key not in {"self", "message"}:
                yield key, json.loads(text)


def _short(value: Datum) -> Datum:
    if isinstance(value, list):
        return [_cut(text, MAX_DATUM // 8) for text in value[:12]]
    return _cut(value, MAX_DATUM) if isinstance(value, str) else value


def _cut(text: str, most: int) -> str:
    encoded = text.encode("utf-8", "replace")
    return encoded.decode() if len(encoded) <= most else encoded[: most - 3].decode("utf-8", "ignore") + "…"


# vectors and descriptors


def vectors_to_proto(vectors: Mapping[str, NDArray[np.float32]]) -> list[types_pb2.NamedVector]:
    """Return vectors (d,) float32 by descriptor as little-endian bytes."""
    return [
        types_pb2.NamedVector(descriptor=name, data=vector.astype("<f4").tobytes()) for name, vector in vectors.items()
    ]


def vectors_from_proto(messages: Iterable[types_pb2.NamedVector]) -> dict[str, NDArray[np.float32]]:
    """Return vectors (d,) float32 by descriptor as it was named. Raises InvalidArgument for broken bytes."""
    found: dict[str, NDArray[np.float32]] = {}
    for message in messages:
        if len(message.data) % 4:
            raise InvalidArgument(
                f"the vector {message.descriptor!r} has {len(message.data)} bytes; send little-endian float32"
            )
        if message.descriptor in found:
            raise InvalidArgument(f"the vector {message.descriptor!r} came twice")
        found[message.descriptor] = np.frombuffer(message.data, "<f4")
    return found


def descriptor_to_proto(descriptor: Descriptor) -> types_pb2.Descriptor:
    """Return a descriptor's declaration as a message."""
    return types_pb2.Descriptor(
        name=descriptor.name,
        dim=descriptor.dim,
        norm=str(descriptor.norm),
        non_negative=descriptor.non_negative,
        default_measure=descriptor.default_measure,
        fingerprint=descriptor.fingerprint,
    )


def descriptor_from_proto(message: types_pb2.Descriptor) -> Descriptor:
    """Return a descriptor's declaration; an empty norm is none, an empty default measure cosine."""
    if message.norm and message.norm not in list(Norm):
        raise InvalidArgument(f"{message.name} has norm {message.norm!r}; use l1, l2 or none")
    return Descriptor(
        name=message.name,
        dim=message.dim,
        norm=Norm(message.norm or "none"),
        non_negative=message.non_negative,
        default_measure=message.default_measure or "cosine",
        fingerprint=message.fingerprint,
    )


def box_to_proto(box: Box | None) -> types_pb2.Box | None:
    """Return a crop box as a message."""
    return None if box is None else types_pb2.Box(x=box.x, y=box.y, width=box.width, height=box.height)


def box_from_proto(message: types_pb2.Box) -> Box:
    """Return a crop box; it is checked against the picture when that is decoded."""
    return Box(message.x, message.y, message.width, message.height)


def timings_to_proto(timings_ms: Mapping[str, float]) -> list[embedding_pb2.Timing]:
    """Return stage timings in their order."""
    return [embedding_pb2.Timing(stage=stage, ms=ms) for stage, ms in timings_ms.items()]


# embedding


def embedding_to_proto(embedding: Embedding, descriptors: Iterable[str]) -> embedding_pb2.EmbedReply:
    """Return the vectors of one picture; those named in descriptors, all when there are none."""
    wanted = list(descriptors) or list(embedding.vectors)
    return embedding_pb2.EmbedReply(
        vectors=vectors_to_proto({name: embedding.vectors[name] for name in wanted}),
        fingerprint=embedding.fingerprint,
        timings=timings_to_proto(embedding.timings_ms),
    )


def embedding_from_proto(message: embedding_pb2.EmbedReply) -> Embedding:
    """Return the vectors of one picture."""
    return Embedding(vectors_from_proto(message.vectors), message.fingerprint, {t.stage: t.ms for t in message.timings})


def extractor_to_proto(info: ExtractorInfo) -> embedding_pb2.Extractor:
    """Return an extractor's description as a message."""
    return embedding_pb2.Extractor(
        name=info.name,
        fingerprint=info.fingerprint,
        descriptors=[descriptor_to_proto(descriptor) for descriptor in info.descriptors],
        preprocessing=info.preprocessing,
        provider=info.provider,
        source=info.source,
        licence=info.licence,
    )


def extractor_from_proto(message: embedding_pb2.Extractor) -> ExtractorInfo:
    """Return an extractor's description."""
    return ExtractorInfo(
        message.name,
        message.fingerprint,
        tuple(descriptor_from_proto(descriptor) for descriptor in message.descriptors),
        message.preprocessing,
        message.provider,
        message.source,
        message.licence,
    )


# search


def query_to_proto(query: Query) -> search_pb2.Query:
    """Return a query as a message."""
    message = search_pb2.Query(weight=query.weight)
    if query.image is not None:
        message.image.CopyFrom(search_pb2.ImageQuery(data=query.image, crop=box_to_proto(query.crop)))
    elif query.vectors is not None:
        message.vector.CopyFrom(search_pb2.VectorQuery(vectors=vectors_to_proto(query.vectors)))
    elif query.id:
        message.id = query.id
    return message


def query_from_proto(message: search_pb2.Query) -> Query:
    """Return a query."""
    weight = message.weight if message.HasField("weight") else 1.0
    match message.WhichOneof("source"):
        case "image":
            crop = box_from_proto(message.image.crop) if message.image.HasField("crop") else None
            return Query(image=message.image.data, crop=crop, weight=weight)
        case "vector":
            return Query(vectors=vectors_from_proto(message.vector.vectors), weight=weight)
        case _:
            return Query(id=message.id, weight=weight)


def plan_to_proto(plan: Plan) -> search_pb2.Plan:
    """Return a plan as a message; size and offset stand in the request."""
    return search_pb2.Plan(
        descriptors=[
            search_pb2.DescriptorChoice(name=choice.name, measure=choice.measure, weight=choice.weight)
            for choice in plan.descriptors
        ],
        fuse=plan.fuse,
        candidates=plan.candidates,
        expand=plan.expand,
        rerank=plan.rerank,
        filter=plan.filter,
        normalise=plan.normalise,
        include_self=plan.include_self,
        fit_deadline=plan.fit_deadline,
        allow_partial=plan.allow_partial,
    )


def plan_from_proto(message: search_pb2.Plan, *, size: int = DEFAULT_SIZE, offset: int = 0) -> Plan:
    """Return a plan; absent parts take the plan's own defaults."""
    default = Plan()
    return Plan(
        descriptors=tuple(
            DescriptorChoice(choice.name, choice.measure, choice.weight if choice.HasField("weight") else 1.0)
            for choice in message.descriptors
        ),
        fuse=message.fuse,
        candidates=message.candidates or default.candidates,
        expand=message.expand,
        rerank=tuple(message.rerank),
        filter=tuple(message.filter),
        normalise=message.normalise or default.normalise,
        include_self=message.include_self,
        fit_deadline=message.fit_deadline,
        allow_partial=message.allow_partial,
        size=size,
        offset=offset,
    )


def result_to_proto(result: SearchResult) -> search_pb2.SearchReply:
    """Return hits as parallel arrays."""
    return search_pb2.SearchReply(
        ids=[hit.id for hit in result.hits],
        scores=[hit.score for hit in result.hits],
        values=[hit.value for hit in result.hits],
        labels=[search_pb2.Labels(labels=hit.labels) for hit in result.hits],
        plan=plan_to_proto(result.plan),
        timings=timings_to_proto(result.timings_ms),
        skipped=result.skipped,
        offset=result.plan.offset,
    )


def result_from_proto(message: search_pb2.SearchReply, *, size: int) -> SearchResult:
    """Return the hits of a reply to a request of `size`."""
    arrays = zip(message.ids, message.scores, message.values, message.labels, strict=True)
    hits = tuple(
        Hit(message.offset + 1 + i, item, score, value, tuple(labels.labels))
        for i, (item, score, value, labels) in enumerate(arrays)
    )
    plan = plan_from_proto(message.plan, size=size, offset=message.offset)
    return SearchResult(hits, plan, {t.stage: t.ms for t in message.timings}, tuple(message.skipped))


# collections


def collection_to_proto(collection: Collection) -> collections_pb2.Collection:
    """Return a collection's description as a message."""
    return collections_pb2.Collection(
        name=collection.name,
        descriptors=[descriptor_to_proto(descriptor) for descriptor in collection.descriptors],
        items=collection.items,
        generation=collection.generation,
        roots=collection.roots,
        thumbnails=collection.thumbnails,
        bytes=dict(collection.bytes),
        store=collection.store,
    )


def collection_from_proto(message: collections_pb2.Collection) -> Collection:
    """Return a collection's description."""
    return Collection(
        name=message.name,
        descriptors=tuple(descriptor_from_proto(descriptor) for descriptor in message.descriptors),
        items=message.items,
        generation=message.generation,
        roots=tuple(message.roots),
        thumbnails=message.thumbnails,
        bytes=dict(message.bytes),
        store=message.store,
    )


def facts_to_proto(facts: FileFacts) -> types_pb2.FileFacts:
    """Return a file's facts as a message."""
    return types_pb2.FileFacts(size=facts.size, mtime_ns=facts.mtime_ns, sha256=facts.sha256)


def facts_from_proto(message: types_pb2.FileFacts) -> FileFacts:
    """Return a file's facts."""
    return FileFacts(message.size, message.mtime_ns, message.sha256)


def attributes_to_proto(attributes: Mapping[str, Attribute]) -> dict[str, types_pb2.Attribute]:
    """Return attributes as messages."""
    return {
        key: types_pb2.Attribute(text=value) if isinstance(value, str) else types_pb2.Attribute(number=value)
        for key, value in attributes.items()
    }


def attributes_from_proto(messages: Mapping[str, types_pb2.Attribute]) -> dict[str, Attribute]:
    """Return attributes."""
    return {
        key: message.number if message.WhichOneof("value") == "number" else message.text
        for key, message in messages.items()
    }


def new_item_to_proto(item: NewItem, image: bytes) -> collections_pb2.NewItem:
    """Return an item to add as a message, its picture as bytes."""
    return collections_pb2.NewItem(
        id=item.id,
        image=image,
        vectors=vectors_to_proto(item.vectors),
        labels=sorted(item.labels),
        attributes=attributes_to_proto(item.attributes),
        source=item.source,
        file=facts_to_proto(item.file),
    )


def new_item_from_proto(message: collections_pb2.NewItem) -> NewItem:
    """Return an item to add. Raises InvalidArgument for broken vectors, or a picture beside vectors."""
    if message.vectors and message.image:
        raise InvalidArgument(f"item {message.id!r} has a picture and vectors; send one of them")
    return NewItem(
        id=message.id,
        image=None if message.vectors else message.image,
        vectors=vectors_from_proto(message.vectors),
        labels=frozenset(message.labels),
        attributes=attributes_from_proto(message.attributes),
        source=message.source,
        file=facts_from_proto(message.file),
    )


def add_result_to_proto(result: AddResult) -> collections_pb2.AddResult:
    """Return what became of an item as a message."""
    error = None if result.error is None else error_to_proto(result.error)
    return collections_pb2.AddResult(id=result.id, state=ADD_STATES[result.state], error=error)


def add_result_from_proto(message: collections_pb2.AddResult) -> AddResult:
    """Return what became of an item."""
    error = error_from_proto(message.error) if message.HasField("error") else None
    return AddResult(message.id, _named(message.state, _ADD_STATE_NAMES), error)


def update_to_proto(update: ItemUpdate) -> collections_pb2.ItemUpdate:
    """Return a change to an item as a message."""
    message = collections_pb2.ItemUpdate(id=update.id, source=update.source, new_id=update.new_id)
    if update.labels is not None:
        message.labels.CopyFrom(collections_pb2.LabelSet(labels=sorted(update.labels)))
    if update.attributes is not None:
        attributes = attributes_to_proto(update.attributes)
        message.attributes.CopyFrom(collections_pb2.AttributeSet(attributes=attributes))
    if update.file is not None:
        message.file.CopyFrom(facts_to_proto(update.file))
    return message


def update_from_proto(message: collections_pb2.ItemUpdate) -> ItemUpdate:
    """Return a change to an item."""
    attributes = attributes_from_proto(message.attributes.attributes)
    return ItemUpdate(
        id=message.id,
        labels=frozenset(message.labels.labels) if message.HasField("labels") else None,
        attributes=attributes if message.HasField("attributes") else None,
        file=facts_from_proto(message.file) if message.HasField("file") else None,
        source=message.source if message.HasField("source") else None,
        new_id=message.new_id if message.HasField("new_id") else None,
    )


def item_to_proto(item: Item) -> collections_pb2.Item:
    """Return an item as a message."""
    return collections_pb2.Item(
        id=item.id,
        source=item.source,
        file=facts_to_proto(item.file),
        labels=sorted(item.labels),
        attributes=attributes_to_proto(item.attributes),
        width=item.width,
        height=item.height,
        thumbnail=item.thumbnail,
        vectors=vectors_to_proto(item.vectors),
    )


def item_from_proto(message: collections_pb2.Item) -> Item:
    """Return an item."""
    return Item(
        id=message.id,
        vectors=vectors_from_proto(message.vectors),
        labels=frozenset(message.labels),
        attributes=attributes_from_proto(message.attributes),
        source=message.source,
        file=facts_from_proto(message.file),
        width=message.width,
        height=message.height,
        thumbnail=message.thumbnail,
    )


def file_state_from_proto(number: int) -> FileState:
    """Return what is to be done about a file."""
    return _named(number, _FILE_STATE_NAMES)


def _named(number: int, names: Mapping[int, T]) -> T:
    if number not in names:
        raise Internal(f"the server sent state {number}, which this pixkin does not know; upgrade it")
    return names[number]
