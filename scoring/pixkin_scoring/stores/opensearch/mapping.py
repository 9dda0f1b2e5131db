"""The index of a collection: its fields, its settings, and what pixkin keeps in its `_meta`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from pixkin_proto.descriptors import Descriptor, Norm
from pixkin_proto.errors import InvalidArgument, StoreFormat

from pixkin_scoring.stores.layout import IndexLayout, Twin

SCHEMA = 1
META = "pixkin"
MAX_RESULT_WINDOW = 100_000
MAX_ANN_DIM = 16_000  # of the lucene engine of the k-NN plugin
VERSION = re.compile(r"-v(\d{4,})")

_STORED = {"index": False, "doc_values": False}
FIELDS: dict[str, Any] = {
    "id": {"type": "keyword"},
    "labels": {"type": "keyword"},
    "texts": {"type": "keyword"},  # key=value
    "numbers": {"type": "object", "dynamic": True},
    "source": {"type": "keyword", **_STORED},
    "root": {"type": "keyword"},
    "file": {
        "properties": {
            "size": {"type": "long", **_STORED},
            "mtime_ns": {"type": "long", **_STORED},
            "sha256": {"type": "keyword", **_STORED},
        }
    },
    "width": {"type": "long", **_STORED},
    "height": {"type": "long", **_STORED},
    "thumbnail": {"type": "binary"},
}
"""Every field of a document but the vectors; `texts` and `numbers` hold the attributes."""


@dataclass(frozen=True)
class Schema:
    """What pixkin declares of an index, kept in its `_meta`.

    token: tells an index that this process made from one of the same name that another made · base: what the generation
    of the index counts from · derived: the descriptors that came with what they are computed by of others.
    """

    descriptors: tuple[Descriptor, ...]
    thumbnails: bool = True
    layout: IndexLayout = field(default_factory=IndexLayout)
    token: str = ""
    base: int = 0
    derived: tuple[str, ...] = ()

    def meta(self) -> dict[str, Any]:
        """Return the `_meta` object of the mapping."""
        return {META: {"schema": SCHEMA, **asdict(self)}}

    def with_descriptor(self, descriptor: Descriptor, *, derived: bool = False) -> Schema:
        """Return the schema with one more descriptor."""
        names = (*self.derived, descriptor.name) if derived else self.derived
        return replace(self, descriptors=(*self.descriptors, descriptor), derived=names)

    def without_descriptor(self, name: str) -> Schema:
        """Return the schema without a descriptor, by its full name, and without what shortens its neighbours."""
        twins = tuple(twin for twin in self.layout.twins if twin.descriptor != name)
        return replace(
            self,
            descriptors=tuple(each for each in self.descriptors if each.name != name),
            derived=tuple(each for each in self.derived if each != name),
            layout=replace(self.layout, twins=twins),
            base=self.base + 1,  # a change of the declaration alone raises no sequence number
        )


def vector_field(descriptor: str) -> str:
    """Return the field of a descriptor's vectors; a dot would make an object of it."""
    return f"vectors.{descriptor.replace('.', ':')}"


def ann_field(descriptor: str) -> str:
    """Return the field of a descriptor's approximate index."""
    return f"ann.{descriptor.replace('.', ':')}"


def index_name(collection: str, version: int) -> str:
    """Return the index of one version of a collection."""
    return f"{collection}-v{version:04}"


def write_alias(index: str) -> str:
    """Return the alias through which an index is written.

    A write to an index that was deleted a moment ago would make it anew, without a mapping; a write to an alias does
    not. The dot keeps it apart from every collection's name.
    """
    return f"{index}.writes"


def free_alias(index: str) -> str:
    """Return the alias that an index has while no command claims it; see `claims`."""
    return f"{index}.free"


def claim_alias(index: str, claim: str) -> str:
    """Return the alias that says who claims an index."""
    return f"{index}.claim.{claim}"


def loading_door(index: str, token: str) -> str:
    """Return what an index is written as while it is built: nobody but its builder knows the token."""
    return f"{index}.loading-{token}"


def attachments_index(collection: str) -> str:
    """Return the index of a collection's attachments; the dot keeps it apart from every collection's name."""
    return f"{collection}.attachments"


def version_of(index: str, collection: str) -> int | None:
    """Return which version of a collection an index is; None when it is none."""
    found = VERSION.fullmatch(index.removeprefix(collection)) if index.startswith(collection) else None
    return int(found[1]) if found else None


def index_body(schema: Schema, *, loading: bool = False) -> dict[str, Any]:
    """Return the settings and mappings of a new index; while `loading` nothing is refreshed or replicated."""
    return {"settings": _settings(schema.layout, loading=loading), "mappings": _mappings(schema)}


def served_settings(layout: IndexLayout) -> dict[str, Any]:
    """Return the settings of an index that is not loading any more.

    Left to itself the cluster refreshes every second while somebody searches, and otherwise at the next search.
    """
    replicas: dict[str, Any] = {"auto_expand_replicas": "0-1"}
    if layout.replicas is not None:
        replicas = {"auto_expand_replicas": False, "number_of_replicas": layout.replicas}
    return {"refresh_interval": None, **replicas}


def vector_properties(descriptor: Descriptor, layout: IndexLayout) -> dict[str, Any]:
    """Return the mapping's properties that one descriptor adds. Raises InvalidArgument for too many dimensions."""
    key = descriptor.name.replace(".", ":")
    properties: dict[str, Any] = {"vectors": {"properties": {key: {"type": "binary", "doc_values": True}}}}
    if layout.ann:
        twin = layout.twin(descriptor.name)
        dim = twin.dims if twin else descriptor.dim
        if dim > MAX_ANN_DIM:
            raise InvalidArgument(
                f"{descriptor.name} has {dim:,} dimensions and an approximate index takes {MAX_ANN_DIM:,}; "
                "leave --ann out, or cut them by a whitening: index reindex --ann --twin"
            )
        properties["ann"] = {"properties": {key: _neighbours(dim, layout)}}
    return properties


def read_schema(collection: str, index: str, found: Mapping[str, Any]) -> Schema:
    """Return the schema of an index from the cluster's answer about it. Raises StoreFormat."""
    meta = found.get("mappings", {}).get("_meta", {}).get(META)
    if not isinstance(meta, dict):
        raise StoreFormat(
            f"{index} is no collection of pixkin: its mapping has no _meta.{META}; name another collection, or make a "
            "new one and copy the items"
        )
    if meta.get("schema", 0) > SCHEMA:
        raise StoreFormat(
            f"{index} was made by a newer pixkin (schema {meta['schema']}, this one reads {SCHEMA}); upgrade pixkin"
        )
    try:
        return Schema(
            tuple(Descriptor(**{**each, "norm": Norm(each["norm"])}) for each in meta["descriptors"]),
            bool(meta["thumbnails"]),
            _layout(meta["layout"]),
            str(meta["token"]),
            int(meta["base"]),
            tuple(map(str, meta.get("derived", ()))),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StoreFormat(
            f"the _meta of {index} was changed by hand ({error}), so that {collection} cannot be read; put it back "
            "from a snapshot, or make the collection again"
        ) from None


def _layout(meta: Mapping[str, Any]) -> IndexLayout:
    return IndexLayout(**{**meta, "twins": tuple(Twin(**each) for each in meta.get("twins", ()))})


def _settings(layout: IndexLayout, *, loading: bool) -> dict[str, Any]:
    index: dict[str, Any] = {
        "number_of_shards": layout.shards,
        "max_result_window": MAX_RESULT_WINDOW,
        "search.concurrent_segment_search.mode": "all" if layout.slices > 1 else "none",
        "search.concurrent.max_slice_count": layout.slices,
        **({"refresh_interval": "-1", "number_of_replicas": 0} if loading else served_settings(layout)),
    }
    if layout.ann:
        index["knn"] = True
    return {"index": index}


def _mappings(schema: Schema) -> dict[str, Any]:
    mappings: dict[str, Any] = {
        "dynamic": "strict",
        "_meta": schema.meta(),
        "dynamic_templates": [{"numbers": {"path_match": "numbers.*", "mapping": {"type": "double"}}}],
        "properties": {**FIELDS, "vectors": {"properties": {}}},
    }
    for descriptor in schema.descriptors:
        for kind, added in vector_properties(descriptor, schema.layout).items():
            mappings["properties"].setdefault(kind, {"properties": {}})["properties"].update(added["properties"])
    if schema.layout.lean:
        mappings["_source"] = {"excludes": ["vectors", "ann"]}
    return mappings


def _neighbours(dim: int, layout: IndexLayout) -> dict[str, Any]:
    return {
        "type": "knn_vector",
        "dimension": dim,
        "method": {
            "name": "hnsw",
            "engine": "lucene",
            "space_type": "l2",
            "parameters": {"m": layout.m, "ef_construction": layout.ef_construction},
        },
    }
