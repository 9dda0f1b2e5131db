"""The graph of a collection's nearest neighbours, kept as an attachment that knows of which state of the vectors."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import MEASURES, Descriptor
from pixkin_proto.errors import InvalidArgument

from pixkin_scoring.geometry import unit_vectors
from pixkin_scoring.items import Collection
from pixkin_scoring.neighbourhoods import BLOCK, MOST_NEIGHBOURS, Neighbourhoods, Places, brought_up_to_date, read_units
from pixkin_scoring.stores import Store, keys

DEFAULT_NEIGHBOURS = 50


@dataclass(frozen=True, eq=False)
class NeighbourGraph:
    """Who is nearest to whom in the space of `geometry.unit_vectors`, and how alike.

    vector_generation, items: of the collection when its vectors were read · near: (n, k) places · likeness: (n, k)
    float32, inner products in that order, 0 where there are fewer neighbours · rows: where an id stands.
    """

    vector_generation: int
    items: int
    near: Neighbourhoods
    likeness: NDArray[np.float32]
    rows: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", {item: row for row, item in enumerate(self.near.ids)})

    @property
    def k(self) -> int:
        """How many neighbours an item has."""
        return self.likeness.shape[1]

    def is_of(self, collection: Collection) -> bool:
        """Whether no vector and no id of the collection was written since."""
        return (self.vector_generation, self.items) == (collection.vector_generation, collection.items)

    def places(self, ids: Sequence[str]) -> Places:
        """Return the rows of items, -1 for those that it does not know."""
        return np.array([self.rows.get(item, -1) for item in ids], np.intp)


def graph_key(descriptor: str, measure: str) -> str:
    """Return the key of a graph among a collection's attachments: one for each descriptor and kind of measure."""
    return keys.graph_key(descriptor, MEASURES[measure])


def keep_graph(
    store: Store, name: str, descriptor: Descriptor, measure: str, k: int, *, deadline: float
) -> tuple[NeighbourGraph, int]:
    """Make the exact graph of a collection, or bring it up to date; returns it, and how many items were looked at.

    Memory: the vectors, 24 bytes for each neighbour, and 32 MB. Raises InvalidArgument for an impossible k, without
    items, and when items are added or removed meanwhile.
    """
    if not 1 <= k <= MOST_NEIGHBOURS:
        raise InvalidArgument(f"k is 1 to {MOST_NEIGHBOURS:,} neighbours, not {k}")
    key = graph_key(descriptor.name, measure)
    before = _before(store, name, key, k)
    described = store.describe(name)
    if not described.items:
        raise InvalidArgument(f"{name} has no items to make a graph of; add some first")
    # Nothing is updated: a cluster then shows what others had written before it was described.
    store.update(name, (), deadline=deadline)
    ids, units, digests = read_units(store, described, descriptor, partial(unit_vectors, measure=measure))
    neighbours, looked_at = brought_up_to_date(ids, units, digests, k, before.near if before else None)
    likeness = likeness_of(units, neighbours, looked_at)
    if before:
        others = np.setdiff1d(np.arange(len(ids)), looked_at)
        likeness[others] = before.likeness[before.places([ids[row] for row in others])]
    near = Neighbourhoods(tuple(ids), digests, neighbours)
    graph = NeighbourGraph(described.vector_generation, described.items, near, likeness)
    store.put_attachment(name, key, graph_to_bytes(graph), deadline=deadline)
    return graph, len(looked_at)


def graph_to_bytes(graph: NeighbourGraph) -> bytes:
    """Return a graph as an uncompressed npz."""
    words = {"vector_generation": graph.vector_generation, "items": graph.items, "k": graph.k, "ids": graph.near.ids}
    file = BytesIO()
    text = np.frombuffer(json.dumps(words).encode(), np.uint8)
    near = graph.near
    np.savez(file, words=text, digests=near.digests, neighbours=near.neighbours, likeness=graph.likeness)
    return file.getvalue()


def graph_from_bytes(data: bytes, name: str) -> NeighbourGraph:
    """Return a graph. Raises InvalidArgument for what is none."""
    try:
        with np.load(BytesIO(data), allow_pickle=False) as file:
            words, digests = json.loads(file["words"].tobytes()), file["digests"]
            neighbours, likeness = file["neighbours"], file["likeness"]
        shape = len(words["ids"]), words["k"]
        near = Neighbourhoods(tuple(words["ids"]), digests.reshape(shape[0]), neighbours.reshape(shape))
        return NeighbourGraph(words["vector_generation"], words["items"], near, likeness.reshape(shape))
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InvalidArgument(f"{name} is damaged ({error}); make it again with: pixkin index graph") from error


def _before(store: Store, name: str, key: str, k: int) -> NeighbourGraph | None:
    """Return what is kept already, None where there is none of as many neighbours or it is damaged."""
    stored = store.get_attachment(name, key)
    try:
        graph = None if stored is None else graph_from_bytes(stored[0], key)
    except InvalidArgument:
        return None
    return graph if graph and graph.k == k else None


def likeness_of(units: NDArray[np.float32], neighbours: NDArray[np.int32], rows: Places) -> NDArray[np.float32]:
    """Return the inner products of some rows of (n, d) with their neighbours (n, k), 0 for the others, (n, k).

    They are the same for a pair from both its ends.
    """
    found = np.zeros(neighbours.shape, np.float32)
    size = max(1, BLOCK // 2 // (units.shape[1] * neighbours.shape[1]))
    for start in range(0, len(rows), size):
        block = rows[start : start + size]
        wide = units[neighbours[block]].astype(np.float64)
        found[block] = np.einsum("nd,nkd->nk", units[block].astype(np.float64), wide)
    found[neighbours < 0] = 0
    return found
