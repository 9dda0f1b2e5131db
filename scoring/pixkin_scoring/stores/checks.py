"""What an item may hold; everything else is refused before anything of it is stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import InvalidArgument, InvalidId, UnknownDescriptor
from pixkin_proto.names import check_id

from pixkin_scoring.filters import LABEL, check_key
from pixkin_scoring.items import Attribute, FileFacts, Item, keeps_number

MAX_LABEL_BYTES = 512
SHA256_BYTES = 32
_MAX_INTEGER = 2**63 - 1


def check_item(item: Item, descriptors: Sequence[Descriptor]) -> list[NDArray[np.float32]]:
    """Return an item's vectors (d,) float32 in the order of the collection's descriptors.

    Raises InvalidId, InvalidArgument, InvalidFilter (an attribute's name), UnknownDescriptor, DimensionMismatch or
    NotFinite.
    """
    from pixkin_scoring.measures import check_vector  # compiles with numba, which reading a store needs not wait for

    check_id(item.id)
    check_facts(item)
    known = [descriptor.name for descriptor in descriptors]
    for name in item.vectors:
        if name not in known:
            raise UnknownDescriptor(name, known)
    missing = [name for name in known if name not in item.vectors]
    if missing:
        raise InvalidArgument(f"item {item.id!r} has no vector for {', '.join(missing)}; give one for each descriptor")
    return [check_vector(item.vectors[descriptor.name], descriptor) for descriptor in descriptors]


def check_facts(item: Item) -> None:
    """Raise InvalidArgument or InvalidFilter unless labels, attributes and file facts can be stored."""
    _check_labels(item.labels)
    check_attributes(item.attributes)
    _check_text("source", item.source)
    _check_text("root", item.root)
    _check_file(item.file)
    _check_integers((item.width, item.height))


def check_root(item: Item, root: str) -> None:
    """Raise InvalidId when the id is taken by a picture from another root than the item's."""
    if root and item.root and root != item.root:
        raise InvalidId(
            f"the id {item.id!r} belongs to a picture from {root}, this one is from {item.root}; "
            "tell them apart with --prefix, or, if that folder has moved here, name it with index sync --moved-from"
        )


def id_taken(name: str) -> InvalidId:
    """Return the error of a new id that another item has."""
    return InvalidId(f"the new id {name!r} is taken; remove that item first or choose another id")


def only_descriptor(name: str, descriptor: str) -> InvalidArgument:
    """Return the error of removing the last descriptor of a collection."""
    return InvalidArgument(
        f"{descriptor} is the only descriptor of {name}; delete it all with: pixkin index drop {name}"
    )


def _check_labels(labels: Iterable[str]) -> None:
    for label in labels:
        if not 1 <= _check_text("label", label) <= MAX_LABEL_BYTES:
            raise InvalidArgument(f"a label has 1 to {MAX_LABEL_BYTES} bytes of UTF-8, not {label[:40]!r}")


def check_attributes(attributes: Mapping[str, Attribute]) -> None:
    """Raise InvalidArgument or InvalidFilter (a name) unless attributes are kept as they are."""
    for key, value in attributes.items():
        if check_key(key) == LABEL:
            raise InvalidArgument("an attribute cannot be called 'label', which filters use for labels; add a label")
        if isinstance(value, str):
            _check_text(f"attribute {key}", value)
        elif not keeps_number(value):
            raise InvalidArgument(
                f"attribute {key} is {str(value)[:40]}; an attribute is a text or a finite number, and a whole number "
                "beyond 2**53 would lose its last digits: give it as text"
            )


def _check_text(what: str, text: str) -> int:
    """Return the number of bytes of a text."""
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise InvalidArgument(f"the {what} {ascii(text)[:80]} is no valid UTF-8; rename the file or folder") from None


def _check_file(file: FileFacts) -> None:
    _check_integers((file.size, file.mtime_ns))
    if len(file.sha256) not in {0, SHA256_BYTES}:
        raise InvalidArgument(f"a SHA-256 has {SHA256_BYTES} bytes, this one has {len(file.sha256)}")


def _check_integers(numbers: Iterable[int]) -> None:
    for number in numbers:
        if abs(number) > _MAX_INTEGER:
            raise InvalidArgument(f"{number} is too large for a file size, time or width; use at most 63 bits")
