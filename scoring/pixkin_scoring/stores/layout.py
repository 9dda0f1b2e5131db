"""How the index of a collection is laid out in a cluster. An embedded store has no such choices."""

from __future__ import annotations

from dataclasses import dataclass

from pixkin_proto.errors import InvalidArgument

MAX_SHARDS, MAX_REPLICAS, MAX_SLICES = 1024, 100, 64
MAX_M, MAX_EF = 512, 10_000


@dataclass(frozen=True)
class Twin:
    """A whitening that shortens what the index of neighbours holds of a descriptor.

    whitening: its name among the collection's attachments · sha256, dims: of its file, and how many components it has;
    empty until the index is made, and from then on what the index keeps, whatever has the name later.
    """

    descriptor: str
    whitening: str
    sha256: str = ""
    dims: int = 0

    def __str__(self) -> str:
        return f"{self.descriptor} by {self.whitening} to {self.dims:,} dimensions ({self.sha256[:12]})"


@dataclass(frozen=True)
class IndexLayout:
    """Choices that are made when an index is made.

    shards: parts that nodes share · replicas: copies of each, None for one where the cluster has a second node ·
    slices: how many threads of a node scan one shard · ann: keep a graph of neighbours (HNSW) for `approximate`, with
    `m` links a vector, `ef_construction` and `ef_search` candidates while building and searching (None: as many as the
    depth) · lean: leave the vectors out of the stored source, which halves the disk, but updates made by hand and the
    cluster's own re-indexing then lose them · twins: what shortens the vectors of that graph.

    HNSW: Y. Malkov, D. Yashunin, Efficient and Robust Approximate Nearest Neighbor Search Using Hierarchical Navigable
    Small World Graphs, 2018.
    """

    shards: int = 1
    replicas: int | None = None
    slices: int = 4
    ann: bool = False
    m: int = 16
    ef_construction: int = 100
    ef_search: int | None = None
    lean: bool = False
    twins: tuple[Twin, ...] = ()

    def twin(self, descriptor: str) -> Twin | None:
        """Return what shortens the neighbours of a descriptor, by its full name; None where they are whole."""
        return next((twin for twin in self.twins if twin.descriptor == descriptor), None)

    def described(self) -> dict[str, str]:
        """Return the layout in words, for people."""
        hnsw = f"m={self.m}, ef_construction={self.ef_construction}, ef_search={self.ef_search or 'the depth'}"
        return {
            "shards": str(self.shards),
            "replicas": "0-1" if self.replicas is None else str(self.replicas),
            "slices": str(self.slices),
            "approximate": hnsw if self.ann else "no",
            "source": "lean" if self.lean else "whole",
            **({"twins": ", ".join(map(str, self.twins))} if self.ann and self.twins else {}),
        }


def check_layout(layout: IndexLayout) -> IndexLayout:
    """Return a layout whose numbers are possible; raise InvalidArgument otherwise."""
    for name, value, low, high in (
        ("shards", layout.shards, 1, MAX_SHARDS),
        ("replicas", layout.replicas, 0, MAX_REPLICAS),
        ("slices", layout.slices, 1, MAX_SLICES),
        ("m", layout.m, 2, MAX_M),
        ("ef_construction", layout.ef_construction, 2, MAX_EF),
        ("ef_search", layout.ef_search, 1, MAX_EF),
    ):
        if value is not None and not low <= value <= high:
            raise InvalidArgument(f"{name} is {low} to {high:,}, not {value}")
    return layout
