"""The store: where collections live.

A store is named by one string: a path is an embedded store (a directory), an http(s) URL is OpenSearch.
"""

from __future__ import annotations

import builtins
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import InvalidArgument, PixkinError

from pixkin_scoring.filters import Filter
from pixkin_scoring.items import AddResult, Candidates, Collection, Item, ItemUpdate, Verification
from pixkin_scoring.query import CandidateSearch, ScoringQuery
from pixkin_scoring.stores.layout import IndexLayout

ADDRESS = re.compile(r"(https?:/|[^/\\\\]+:\d+(/|$))", re.IGNORECASE)
"""What looks like a URL or HOST:PORT and would else become a directory."""


class Store(Protocol):
    """Collections and their items.

    Names and ids that break the rules raise InvalidName and InvalidId everywhere, a collection that is not there
    UnknownCollection. `deadline` is a time.monotonic() instant. Writing calls wait that long for another writer
    (StoreLocked) or for a cluster that takes no writes at the moment; reading calls for the answer (Deadline).
    """

    name: str
    scans_here: bool
    """Whether candidates are computed in this process, so that searches must take turns in its one scoring thread."""

    def check(self, *, deadline: float = math.inf) -> None:
        """Raise what keeps the store as a whole from being searched, such as StoreUnavailable or StoreFormat."""

    def prepare(self, *, create: bool) -> None:
        """Raise StoreUnavailable when there is no store here yet, or make an empty one where that is allowed."""

    def create(
        self,
        name: str,
        descriptors: Sequence[Descriptor],
        *,
        thumbnails: bool = True,
        layout: IndexLayout | None = None,
    ) -> Collection:
        """Make an empty collection. Raises CollectionExists, InvalidArgument for a layout that cannot be had here."""

    def describe(self, name: str, *, deadline: float = math.inf) -> Collection:
        """Describe one collection."""

    def list(self) -> builtins.list[str]:
        """Return the names of all collections, sorted."""

    def drop(self, name: str) -> None:
        """Delete a collection and everything in it."""

    def add(self, name: str, items: Iterable[Item | AddResult | None], *, deadline: float) -> Iterator[AddResult]:
        """Add or replace items by id, and yield a result for each once it is durable, in their order.

        Items are committed in batches (see `batches`), so `items` may be lazy and slow. A bad item yields a refusal
        and nothing of it is stored. An AddResult among the items (a picture that was refused on the way here) is passed
        through in its place; a None says that nothing waits, and what has come is committed. An id that came from
        another root is refused.
        """

    def update(self, name: str, updates: Iterable[ItemUpdate], *, deadline: float) -> builtins.list[AddResult]:
        """Change labels, attributes, file facts, source or id of items; vectors stay.

        Returns only what changed (`updated`) and what was refused (unknown id, new id taken), under the id asked for.
        """

    def remove(self, name: str, ids: Iterable[str], *, deadline: float) -> builtins.list[str]:
        """Remove items; returns the ids that were there."""

    def get(
        self,
        name: str,
        ids: Sequence[str],
        *,
        thumbnails: bool = False,
        vectors: bool = False,
        deadline: float = math.inf,
    ) -> dict[str, Item]:
        """Return the items that are there by id, with thumbnail and vectors when asked for."""

    def list_items(
        self, name: str, filters: Filter, *, size: int, after: str = "", deadline: float = math.inf
    ) -> builtins.list[Item]:
        """Return at most `size` items whose id sorts after `after`, by id, without thumbnails and vectors."""

    def labels(
        self, name: str, ids: Sequence[str] | None = None, *, deadline: float = math.inf
    ) -> dict[str, frozenset[str]]:
        """Return the labels of these items by id, or of every item.

        Items without labels may be left out when ids are given and are there with an empty set otherwise.
        """

    def fetch(
        self, name: str, descriptor: str, ids: Sequence[str], *, deadline: float = math.inf
    ) -> NDArray[np.float32]:
        """Return vectors (n, d) float32 exactly as added, in the order of ids. Raises UnknownItem."""

    def scan(
        self, name: str, descriptor: str, *, block: int = 8192, after: str = ""
    ) -> Iterator[tuple[builtins.list[str], NDArray[np.float32]]]:
        """Yield (ids, vectors (n, d) float32) in blocks by id, from the first id after `after`.

        So a caller can resume with the last id it saw.
        """

    def candidates(
        self,
        name: str,
        query: ScoringQuery,
        *,
        depth: int,
        filters: Filter,
        shortlist: int = 0,
        allow_partial: bool = False,
        vectors: int = 0,
        deadline: float = math.inf,
    ) -> Candidates:
        """Return the `depth` best items for one descriptor and measure, with float64 values, ties by id.

        With a `shortlist`, it looks only at about so many items that an index of neighbours proposes; with 0, or in a
        store without such an index, at all. So many of the first as `vectors` says come with their vectors; where
        that is more than the depth, those behind come in about their order, with about their values. Raises
        PartialResult when a part of the collection did not answer, unless `allow_partial`.
        """

    def candidates_batch(
        self, searches: Sequence[CandidateSearch], *, deadline: float = math.inf
    ) -> builtins.list[Candidates | PixkinError]:
        """Do several searches at once; each has candidates or an error of its own, in their order."""

    def add_descriptor(
        self,
        name: str,
        descriptor: Descriptor,
        blocks: Iterable[tuple[builtins.list[str], NDArray[np.float32]]],
        *,
        attachments: Mapping[str, bytes] = MappingProxyType({}),
        deadline: float,
    ) -> None:
        """Add a descriptor to all items from blocks of (ids, vectors), with the attachments that it needs, by key.

        All items must be covered, else InvalidArgument and nothing is stored. The descriptor is there with all that
        belongs to it, or it is not there, also after an accident.
        """

    def remove_descriptor(self, name: str, descriptor: str, *, deadline: float) -> None:
        """Remove a descriptor with its vectors and attachments (see `keys_of`).

        Raises UnknownDescriptor, and InvalidArgument for the only one of a collection.
        """

    def put_vectors(
        self,
        name: str,
        descriptor: str,
        blocks: Iterable[tuple[builtins.list[str], NDArray[np.float32]]],
        *,
        attachments: Mapping[str, bytes] = MappingProxyType({}),
        deadline: float,
    ) -> None:
        """Replace the vectors of some items for one descriptor, from blocks of (ids, vectors); all of them or none.

        The attachments are put when the vectors are; in a cluster, an accident may leave the old ones.
        Raises UnknownDescriptor, UnknownItem, DimensionMismatch, NotFinite, InvalidArgument.
        """

    def put_attachment(self, name: str, key: str, data: bytes, *, deadline: float) -> None:
        """Keep bytes (a graph, a whitening) with the collection, and the generation they were put at."""

    def get_attachment(self, name: str, key: str) -> tuple[bytes, int] | None:
        """Return an attachment and the generation it was put at; None when there is none."""

    def generation(self, name: str) -> int:
        """Return a number that every write raises."""

    def verify(self, name: str) -> Verification:
        """Read everything and compare: stored sums and norms, dimensions, items without a vector, the file itself."""

    def close(self) -> None:
        """Give memory and files back. A closed store raises no error when closed again."""


def open_store(name: str, *, insecure: bool = False) -> Store:
    """Open a store by its name; a directory is made on the first `create`.

    insecure: permits http to a cluster on another host. Raises InvalidArgument for a URL that cannot be used.
    """
    if name.lower().startswith(("http://", "https://")):
        from pixkin_scoring.stores.opensearch.store import OpenSearchStore

        return OpenSearchStore(name, insecure=insecure)
    if "://" in name or not name or ADDRESS.match(name):
        raise InvalidArgument(f"{name!r} is no store; name a directory, or a cluster by its URL: https://HOST:PORT")
    from pixkin_scoring.stores.embedded.store import EmbeddedStore

    return EmbeddedStore(name)
