"""An item of a collection, and what is said about it on the way in and out of a store."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import PixkinError
from pixkin_proto.kept import without_frames

Attribute = str | float
"""A text, or a number of 64 bits with a fraction (IEEE 754 binary64)."""
LARGEST_WHOLE = 2**53
"""From here on two whole numbers share one `Attribute`, so that larger ones are kept as text."""
Vectors = Mapping[str, NDArray[np.float32]]
"""Vectors (d,) float32 by full descriptor name."""


def keeps_number(value: object) -> bool:
    """Tell whether a value is a number that an attribute keeps as it is: finite, and at most 2**53 if it is whole."""
    if isinstance(value, Integral):
        return abs(int(value)) <= LARGEST_WHOLE
    try:
        return math.isfinite(value)  # type: ignore[arg-type]  # what is not a number is refused by this call
    except (TypeError, OverflowError):
        return False


@dataclass(frozen=True)
class FileFacts:
    """What is known of the file that a picture came from: bytes, ns since 1970 UTC, 32 bytes (empty: not read yet)."""

    size: int = 0
    mtime_ns: int = 0
    sha256: bytes = b""


@dataclass(frozen=True)
class Item:
    """One image of a collection. Items of imported vectors have no size in pixels and no thumbnail."""

    id: str
    vectors: Vectors = field(default_factory=dict)
    labels: frozenset[str] = frozenset()
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    source: str = ""
    root: str = ""
    file: FileFacts = FileFacts()
    width: int = 0
    height: int = 0
    thumbnail: bytes = b""


@dataclass(frozen=True)
class ItemUpdate:
    """A change to one item; None leaves a part as it is. `new_id` renames the item."""

    id: str
    labels: frozenset[str] | None = None
    attributes: Mapping[str, Attribute] | None = None
    file: FileFacts | None = None
    source: str | None = None
    new_id: str | None = None
    root: str | None = None

    def applied_to(self, item: Item) -> Item:
        """Return the item as the change leaves it."""
        changes: dict[str, Any] = {
            "id": self.new_id,
            "labels": self.labels,
            "attributes": None if self.attributes is None else dict(self.attributes),
            "file": self.file,
            "source": self.source,
            "root": self.root,
        }
        return replace(item, **{name: value for name, value in changes.items() if value is not None})


@dataclass(frozen=True)
class AddResult:
    """What became of one item: state is `added`, `replaced`, `updated` or `refused`, the last with the error.

    The error has no traceback: it may be kept, and must not keep the picture that was refused.
    """

    id: str
    state: str
    error: PixkinError | None = None

    def __post_init__(self) -> None:
        """Take the frames off the error."""
        if self.error is not None:
            without_frames(self.error)


@dataclass(frozen=True)
class Collection:
    """What a collection holds.

    generation: raised by every write · bytes: by use (`disk`, `memory`) · approximate: the descriptors with an index of
    neighbours, None where the store answers `approximate` by looking at all items · layout: how the store keeps the
    collection, for people · vector_generation: another number, or another count of items, says that vectors or ids were
    written; a cluster, which cannot tell them from labels, raises it with every write of items · incarnation: tells it
    from a collection that had the name before, whose generation may be the same; what is remembered of a collection
    is remembered with both · derived: the descriptors that were added with what they are computed by of others.
    """

    name: str
    descriptors: tuple[Descriptor, ...]
    items: int = 0
    generation: int = 0
    roots: tuple[str, ...] = ()
    thumbnails: bool = True
    bytes: Mapping[str, int] = field(default_factory=dict)
    store: str = ""
    approximate: frozenset[str] | None = None
    layout: Mapping[str, str] = field(default_factory=dict)
    vector_generation: int = 0
    incarnation: str = ""
    derived: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Candidates:
    """Items under consideration, best first, ties by id.

    ids: n strings · values: (n,) float64, the measure's own value · labels: of every id, where the store sends them
    along · partial: what did not answer, where that was allowed · vectors: (m, d) float32, of the first m, as many as
    were asked for.
    """

    ids: list[str]
    values: NDArray[np.float64]
    labels: Mapping[str, frozenset[str]] | None = None
    partial: str = ""
    vectors: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Verification:
    """What a check of a collection found: items read, and findings as sentences."""

    items: int
    problems: tuple[str, ...]
