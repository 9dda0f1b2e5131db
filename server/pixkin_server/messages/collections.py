"""The messages of the Collections service and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TypeVar

from pixkin_proto.errors import Internal, InvalidArgument
from pixkin_proto.v1 import collections_pb2
from pixkin_scoring.items import AddResult, Collection, Item, ItemUpdate
from pixkin_scoring.stores.layout import IndexLayout, Twin

from pixkin_server.api import FileState, NewItem
from pixkin_server.messages.errors import error_from_proto, error_to_proto
from pixkin_server.messages.types import (
    attributes_from_proto,
    attributes_to_proto,
    descriptor_from_proto,
    descriptor_to_proto,
    facts_from_proto,
    facts_to_proto,
    vectors_from_proto,
    vectors_to_proto,
)

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
        approximate_by_index=collection.approximate is not None,
        approximate=sorted(collection.approximate or ()),
        layout=dict(collection.layout),
        vector_generation=collection.vector_generation,
        incarnation=collection.incarnation,
        derived=sorted(collection.derived),
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
        approximate=frozenset(message.approximate) if message.approximate_by_index else None,
        layout=dict(message.layout),
        vector_generation=message.vector_generation,
        incarnation=message.incarnation,
        derived=frozenset(message.derived),
    )


def layout_to_proto(layout: IndexLayout | None) -> collections_pb2.IndexLayout | None:
    """Return the layout of an index as a message; what is None stays absent."""
    return None if layout is None else collections_pb2.IndexLayout(**asdict(layout))


def layout_from_proto(message: collections_pb2.IndexLayout) -> IndexLayout:
    """Return the layout of an index; absent parts take the layout's own defaults."""
    given = {field.name: value for field, value in message.ListFields()}
    twins = (Twin(each.descriptor, each.whitening, each.sha256, each.dims) for each in given.pop("twins", ()))
    return IndexLayout(**given, twins=tuple(twins))


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
    message = collections_pb2.ItemUpdate(id=update.id, source=update.source, new_id=update.new_id, root=update.root)
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
        root=message.root if message.HasField("root") else None,
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
        root=item.root,
    )


def item_from_proto(message: collections_pb2.Item) -> Item:
    """Return an item."""
    return Item(
        id=message.id,
        vectors=vectors_from_proto(message.vectors),
        labels=frozenset(message.labels),
        attributes=attributes_from_proto(message.attributes),
        source=message.source,
        root=message.root,
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
