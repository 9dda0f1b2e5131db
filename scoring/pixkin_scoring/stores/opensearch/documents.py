"""An item as a document of an index, and back."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import InvalidArgument, StoreFormat

from pixkin_scoring.items import Attribute, FileFacts, Item
from pixkin_scoring.stores.opensearch.mapping import Schema
from pixkin_scoring.stores.opensearch.neighbours import Space, neighbour

MAX_TERM_BYTES = 32_766  # of a keyword in Lucene
Source = Mapping[str, Any]


def to_document(
    item: Item, vectors: Sequence[NDArray[np.float32]], schema: Schema, spaces: Mapping[str, Space]
) -> dict[str, Any]:
    """Return the document of an item whose vectors (d,) float32 are in the order of the schema's descriptors.

    spaces: of shortened neighbours, as `twins.spaces_of` returns them.
    """
    document = facts_of(item)
    if item.thumbnail and schema.thumbnails:
        document["thumbnail"] = encoded(item.thumbnail)
    document["vectors"] = {}
    for descriptor, vector in zip(schema.descriptors, vectors, strict=True):
        space = spaces.get(descriptor.name)
        for kind, value in vector_values(descriptor, vector, ann=schema.layout.ann, space=space).items():
            document.setdefault(kind, {}).update(value)
    return document


def vector_values(
    descriptor: Descriptor, vector: NDArray[np.float32], *, ann: bool, space: Space | None = None
) -> dict[str, dict[str, Any]]:
    """Return the parts of a document that hold one vector (d,) float32, by the object they are in."""
    key = descriptor.name.replace(".", ":")
    values: dict[str, dict[str, Any]] = {"vectors": {key: encoded(vector.astype("<f4", copy=False).tobytes())}}
    near = neighbour(descriptor, vector, space) if ann else None
    if near is not None:
        values["ann"] = {key: near}
    return values


def facts_of(item: Item) -> dict[str, Any]:
    """Return the document of an item without vectors and thumbnail; InvalidArgument for a text that is too long."""
    texts = sorted(f"{key}={value}" for key, value in item.attributes.items() if isinstance(value, str))
    numbers = {key: float(value) for key, value in item.attributes.items() if not isinstance(value, str)}
    for text in (*texts, item.root):
        if len(text.encode()) > MAX_TERM_BYTES:
            raise InvalidArgument(
                f"{text[:40]!r}… has more than {MAX_TERM_BYTES:,} bytes, and an attribute or root in OpenSearch cannot"
            )
    return {
        "id": item.id,
        "labels": sorted(item.labels),
        "texts": texts,
        "numbers": {number_key(key): value for key, value in numbers.items()},
        "source": item.source,
        "root": item.root,
        "file": {"size": item.file.size, "mtime_ns": item.file.mtime_ns, "sha256": item.file.sha256.hex()},
        "width": item.width,
        "height": item.height,
    }


def number_key(attribute: str) -> str:
    """Return the key below `numbers` of an attribute; a dot would make an object of it."""
    return attribute.replace(".", ":")


def changed_facts(old: Item, new: Item) -> dict[str, Any]:
    """Return the partial document that turns an item's facts into others; it deletes numbers by a null."""
    changes = facts_of(new)
    gone = facts_of(old)["numbers"].keys() - changes["numbers"].keys()
    changes["numbers"].update(dict.fromkeys(gone))
    return changes


def to_item(source: Source, schema: Schema, *, thumbnail: bool = False, vectors: bool = False) -> Item:
    """Return the item of a stored document. Raises StoreFormat for one that pixkin cannot have written."""
    try:
        file = source["file"]
        return Item(
            id=source["id"],
            vectors=_vectors(source, schema) if vectors else {},
            labels=frozenset(source["labels"]),
            attributes=_attributes(source),
            source=source["source"],
            root=source["root"],
            file=FileFacts(file["size"], file["mtime_ns"], bytes.fromhex(file["sha256"])),
            width=source["width"],
            height=source["height"],
            thumbnail=decoded(source.get("thumbnail") or "") if thumbnail else b"",
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StoreFormat(
            f"document {source.get('id', '')!r} was changed by hand ({type(error).__name__}: {error}); "
            "remove it and add it again"
        ) from None


def to_vector(text: str, descriptor: Descriptor) -> NDArray[np.float32]:
    """Return a vector (d,) float32 from its stored form. Raises StoreFormat when its length is another."""
    data = decoded(text)
    if len(data) != 4 * descriptor.dim:
        raise StoreFormat(
            f"a stored vector of {descriptor.name} has {len(data)} bytes in place of {4 * descriptor.dim}; "
            "see: pixkin index verify"
        )
    return np.frombuffer(data, dtype="<f4").astype(np.float32, copy=False)


def encoded(data: bytes) -> str:
    """Return bytes as base64."""
    return base64.b64encode(data).decode("ascii")


def decoded(text: str) -> bytes:
    """Return the bytes of base64; doc values come back without its padding."""
    return base64.b64decode(text + "=" * (-len(text) % 4))


def as_line(value: Mapping[str, Any]) -> bytes:
    """Return one line of a request that has many."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False).encode()


def _vectors(source: Source, schema: Schema) -> dict[str, NDArray[np.float32]]:
    stored = source.get("vectors", {})
    keys = {descriptor: descriptor.name.replace(".", ":") for descriptor in schema.descriptors}
    return {each.name: to_vector(stored[key], each) for each, key in keys.items() if key in stored}


def _attributes(source: Source) -> dict[str, Attribute]:
    found: dict[str, Attribute] = dict(text.split("=", 1) for text in source["texts"])
    numbers = source.get("numbers") or {}
    return found | {key.replace(":", "."): float(value) for key, value in numbers.items() if value is not None}
