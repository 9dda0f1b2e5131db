"""The kept graph of a collection, for a search: whether it is up to date, and its part among the candidates."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.errors import InvalidPlan

from pixkin_scoring.attachments import optional_attachment
from pixkin_scoring.items import Collection
from pixkin_scoring.neighbour_graph import NeighbourGraph, graph_from_bytes, graph_key, keep_graph
from pixkin_scoring.neighbourhoods import Places, digests_of
from pixkin_scoring.rerankers.reranker import Raw, Shortlist, Values
from pixkin_scoring.stores import Store

STALE = ("refuse", "use", "rebuild")

WRITER_SECONDS = 10.0
"""How long a search that makes the graph anew waits for another writer."""

ROUNDING = np.float32(1e-6)
"""What a likeness in float32 may lack of the kept one, which was summed in float64."""

_rebuilding = threading.Lock()


@dataclass(frozen=True)
class KeptGraph:
    """A graph, and whether it is that of the vectors as they are now."""

    graph: NeighbourGraph
    current: bool


def load_kept_graph(store: Store, collection: Collection, raw: Raw | None, options: Values) -> KeptGraph:
    """Return the graph of the descriptor that is searched, made anew where that is asked for.

    Raises InvalidPlan where there is none, where it has fewer neighbours than `k`, and where it is older than the
    vectors and `stale` says to refuse that.
    """
    if raw is None:
        raise InvalidPlan("reranker diffusion: a kept graph is of one descriptor, and several are fused")
    key = graph_key(raw.descriptor.name, raw.measure)
    graph = optional_attachment(store, collection, key, graph_from_bytes)
    command = f"pixkin index graph {collection.name} --descriptor {raw.descriptor.name} --measure {raw.measure}"
    if graph is None:
        raise InvalidPlan(f"collection {collection.name} keeps no graph of {raw.descriptor.name}; make it: {command}")
    if int(options["k"]) > graph.k:
        raise InvalidPlan(
            f"reranker diffusion: the kept graph has {graph.k} neighbours, not k={options['k']}; lower k, or make it "
            f"again: {command} --k {options['k']}"
        )
    if graph.is_of(collection) or options["stale"] == "use":
        return KeptGraph(graph, graph.is_of(collection))
    if options["stale"] == "refuse":
        raise InvalidPlan(
            f"the graph of {raw.descriptor.name} is older than the vectors of {collection.name}; bring it up to date: "
            f"{command} --k {graph.k}, or say stale=use or stale=rebuild"
        )
    with _rebuilding:  # whoever waits here finds what the first has made
        described = store.describe(collection.name)
        graph = optional_attachment(store, described, key, graph_from_bytes) or graph
        if not graph.is_of(described):
            until = time.monotonic() + WRITER_SECONDS
            graph, _ = keep_graph(store, collection.name, raw.descriptor, raw.measure, graph.k, deadline=until)
    return KeptGraph(graph, current=True)


def among(shortlist: Shortlist, kept: KeptGraph, k: int) -> tuple[Places, Places, NDArray[np.float32]]:
    """Return the edges between candidates that have each other among their k nearest of the collection.

    What the graph does not know, or knows with another vector, has its k nearest among the candidates instead. Returns
    rows and columns (m,), both ways and in order, and likeness (m,).
    """
    rows = _known(shortlist, kept)
    count, unknown = len(rows), np.flatnonzero(rows < 0)
    where = np.full(len(kept.graph.near.ids) + 1, -1, np.intp)  # the last is where -1 points
    where[rows] = np.arange(count)
    where[-1] = -1
    columns, likeness = where[kept.graph.near.neighbours[rows]], kept.graph.likeness[rows]
    columns[unknown], likeness[unknown] = -1, 0
    least = likeness[:, :k].min(axis=1)
    starts, at = np.nonzero(columns >= 0)
    ends, alike = columns[starts, at], likeness[starts, at]
    if len(unknown):
        near = shortlist.vectors[unknown] @ shortlist.vectors.T
        near[np.arange(len(unknown)), unknown] = 0
        last = max(count - k, 0)
        least[unknown] = np.partition(near, last, axis=1)[:, last]
        least -= ROUNDING
        starts, ends = (
            np.concatenate([starts, np.repeat(unknown, count)]),
            np.concatenate([ends, np.tile(np.arange(count), len(unknown))]),
        )
        alike = np.concatenate([alike, near.ravel()])
    mutual = (alike > 0) & (alike >= least[starts]) & (alike >= least[ends])
    starts, ends, alike = starts[mutual], ends[mutual], alike[mutual]
    codes, first = np.unique(np.concatenate([starts * count + ends, ends * count + starts]), return_index=True)
    points, neighbours = np.divmod(codes, count)
    return points, neighbours, np.concatenate([alike, alike])[first]


def _known(shortlist: Shortlist, kept: KeptGraph) -> Places:
    """Return the rows of the candidates in the graph, -1 for what it does not know as it is."""
    rows = kept.graph.places(shortlist.ids)
    if not kept.current and shortlist.raw is not None:
        same = digests_of(shortlist.raw.vectors) == kept.graph.near.digests[rows]
        rows = np.where(same, rows, -1)
    return rows
