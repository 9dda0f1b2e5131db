"""What pixkin offers, in this process (`Engine`) and over the network (`Client`) alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pixkin_embedding.images import Box
from pixkin_proto.axes import Axis
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import PixkinError
from pixkin_scoring.items import (
    AddResult,
    Attribute,
    Collection,
    FileFacts,
    Item,
    ItemUpdate,
    Vectors,
    Verification,
)
from pixkin_scoring.plan import Plan
from pixkin_scoring.results import SearchResult
from pixkin_scoring.stores.layout import IndexLayout


@dataclass(frozen=True)
class Query:
    """One example of what is wanted: exactly one of an encoded picture, the id of an item, or vectors by descriptor.

    `crop` belongs to the picture; a `weight` below 0 moves away from the example.
    """

    image: bytes | None = None
    crop: Box | None = None
    id: str = ""
    vectors: Vectors | None = None
    weight: float = 1.0


UNREADABLE = "collection %s cannot be read: %s [%s]"
"""What the log says of a collection that is left out of a list: its name, why, and the error's reason."""
SearchCall = tuple[str, Sequence[Query], Plan]
"""One of several searches: the collection, its examples, and what to do with them."""


@dataclass(frozen=True)
class NewItem:
    """An item to add: an encoded picture (its bytes, or a local file that is read when its turn comes), or vectors."""

    id: str
    image: bytes | Path | None = None
    vectors: Vectors = field(default_factory=dict)
    labels: frozenset[str] = frozenset()
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    source: str = ""
    file: FileFacts = field(default_factory=FileFacts)


@dataclass(frozen=True)
class ExtractorChoice:
    """An extractor of a new collection, and which of its descriptors to store (all when empty)."""

    name: str
    descriptors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Embedding:
    """The vectors of one picture, (dim,) float32 by short name, and which extractor computed them."""

    vectors: Mapping[str, NDArray[np.float32]]
    fingerprint: str
    timings_ms: Mapping[str, float]


@dataclass(frozen=True)
class ExtractorInfo:
    """One extractor file; `provider` is empty while it is not loaded. axes: of descriptors, where it says so."""

    name: str
    fingerprint: str
    descriptors: tuple[Descriptor, ...]
    preprocessing: str
    provider: str
    source: str
    licence: str
    axes: Mapping[str, tuple[Axis, ...]] = field(default_factory=dict)


class FileState(StrEnum):
    """What is to be done about a file that a client has."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    CHECKSUM_NEEDED = "checksum_needed"


class Service(Protocol):
    """The operations. All raise leaves of pixkin_proto.errors; `timeout` is in seconds, None the default."""

    def search(
        self, collection: str, queries: Sequence[Query], plan: Plan | None = None, *, timeout: float | None = None
    ) -> SearchResult:
        """Rank the items of a collection for one query of one or more examples."""

    def search_batch(
        self, requests: Sequence[SearchCall], *, timeout: float | None = None
    ) -> list[SearchResult | PixkinError]:
        """Do several searches at once; each has a result or an error of its own, in their order."""

    def embed(
        self, image: bytes, *, extractor: str = "", crop: Box | None = None, timeout: float | None = None
    ) -> Embedding:
        """Compute the descriptors of one picture."""

    def extractors(self) -> list[ExtractorInfo]:
        """List the extractors at hand, by name."""

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

    def describe(self, name: str) -> Collection:
        """Describe one collection."""

    def collections(self) -> list[Collection]:
        """Describe all collections, by name. One that cannot be read is left out, and the log names it."""

    def drop(self, name: str) -> None:
        """Delete a collection."""

    def add(self, name: str, items: Iterable[NewItem], *, root: str = "") -> list[AddResult]:
        """Add or replace items; returns a result for each, in their order, when all are durable or refused."""

    def add_stream(self, name: str, items: Iterable[NewItem], *, root: str = "") -> Iterator[AddResult]:
        """Add as `add` does, while the results are read; each comes once its item is durable."""

    def update(self, name: str, updates: Iterable[ItemUpdate]) -> list[AddResult]:
        """Change labels, attributes, file facts, source or id; returns what changed and what was refused."""

    def remove(self, name: str, ids: Iterable[str]) -> list[str]:
        """Remove items; returns the ids that were there."""

    def list_items(self, name: str, conditions: Sequence[str] = (), *, size: int = 100, after: str = "") -> list[Item]:
        """Return a page of items by id, without thumbnails and vectors."""

    def get(self, name: str, item: str, *, thumbnail: bool = False, vectors: bool = False) -> Item:
        """Return one item. Raises UnknownItem."""

    def missing(self, name: str, files: Sequence[tuple[str, FileFacts]], *, checksum: bool = False) -> list[FileState]:
        """Tell for each (id, facts) whether the picture must be added."""

    def verify(self, name: str) -> Verification:
        """Check a collection's stored data."""

    def close(self) -> None:
        """Give threads, memory and connections back."""
