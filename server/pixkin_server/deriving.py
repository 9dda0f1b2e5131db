"""Derived descriptors: computed from another one of the same item, when it is added and when it is searched with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor, Norm
from pixkin_proto.errors import DimensionMismatch, InvalidArgument, StoreFormat, listed
from pixkin_proto.names import check_name, resolve_descriptor
from pixkin_proto.whitening import Whitening, whitening_from_bytes, whitening_to_bytes
from pixkin_scoring.attachments import optional_attachment
from pixkin_scoring.augmentation import state_from_bytes, unit_rows
from pixkin_scoring.items import Collection, Vectors
from pixkin_scoring.stores import Store
from pixkin_scoring.stores.keys import augmentation_key, derivation_key


@dataclass(frozen=True)
class Derivation:
    """What a descriptor is computed of: the full name of its source, and the formula.

    of: derived vectors (…, k) float32 of the source's (…, d).
    """

    source: str
    of: Callable[[NDArray[np.float32]], NDArray[np.float32]]


def derivations(store: Store, described: Collection) -> dict[str, Derivation]:
    """Return how the derived descriptors of a collection are computed, by their names, sources first.

    An augmented one is that of the item alone until its neighbourhood is looked at again. What is gone or damaged is
    left out; see `underivable`.
    """
    found = {}
    for descriptor in described.descriptors:
        derivation = None if descriptor.fingerprint else _derivation(store, described, descriptor.name)
        if derivation is not None:
            found[descriptor.name] = derivation
    return found


def underivable(described: Collection, derived: Mapping[str, Derivation]) -> list[str]:
    """Return the descriptors that are computed of others, as nobody knows any more.

    pixkin 0.1.0 could leave such ones, and did not note which are derived: beside an extractor, all that are not its.
    """
    encodes = any(descriptor.fingerprint for descriptor in described.descriptors)
    return [
        each.name
        for each in described.descriptors
        if not each.fingerprint and each.name not in derived and (encodes or each.name in described.derived)
    ]


def check_derivable(described: Collection, derived: Mapping[str, Derivation], names: Iterable[str]) -> None:
    """Raise StoreFormat when one of these descriptors is computed of others, and nobody knows how."""
    lost = set(names).intersection(underivable(described, derived))
    if lost:
        raise StoreFormat(lost_derivation(described.name, min(lost)))


def lost_derivation(collection: str, name: str) -> str:
    """Return a sentence on a derived descriptor that cannot be computed any more, and what to do."""
    return (
        f"{collection} has lost what its descriptor {name} is computed by, so that it takes no pictures and {name} "
        f"cannot be searched by one; remove it with: pixkin index remove-descriptor {collection} {name}, then derive "
        "or augment it again"
    )


def completed(vectors: Vectors, derived: Mapping[str, Derivation]) -> Vectors:
    """Return vectors (d,) by full name with the derived ones whose source is among them, or is derived of one."""
    found = dict(vectors)
    for name, derivation in derived.items():
        if name not in found and derivation.source in found:
            found[name] = derivation.of(found[derivation.source])
    return found


def root_of(name: str, derived: Mapping[str, Derivation]) -> str:
    """Return the descriptor that one is computed of in the end, itself when it is not derived."""
    while name in derived:
        name = derived[name].source
    return name


def derive(
    store: Store, described: Collection, source: str, whitening: Whitening, name: str, *, deadline: float
) -> Descriptor:
    """Add a whitened descriptor to every item of a collection, without its pictures.

    Items that are added later get it too. Raises InvalidArgument for a whitening of another descriptor or extractor,
    and DimensionMismatch.
    """
    by_name = {descriptor.name: descriptor for descriptor in described.descriptors}
    of = by_name[resolve_descriptor(source, list(by_name))]
    whitening.check_fits(fingerprint=of.fingerprint, descriptor=of.name.rpartition(".")[2])
    if len(whitening.mean) != of.dim:
        raise DimensionMismatch(of.name, expected=of.dim, got=len(whitening.mean))
    made = Descriptor(
        check_name("descriptor", name), len(whitening.components), norm=Norm.L2, default_measure="cosine"
    )  # fmt: skip
    if name in by_name:
        raise InvalidArgument(f"{described.name} has a descriptor {name} already; choose another name with --as")
    derivation = _whitened(described, whitening)

    def blocks() -> Iterator[tuple[list[str], NDArray[np.float32]]]:
        for ids, rows in store.scan(described.name, of.name):
            yield ids, derivation.of(rows)

    kept = {derivation_key(name): whitening_to_bytes(whitening)}
    store.add_descriptor(described.name, made, blocks(), attachments=kept, deadline=deadline)
    return made


def remove_derived(store: Store, described: Collection, name: str, *, deadline: float) -> str:
    """Remove a descriptor that is derived, imported or damaged from every item; returns its full name.

    Raises UnknownDescriptor, and InvalidArgument for one of an extractor, one that others are computed of, and the only
    one.
    """
    by_name = {descriptor.name: descriptor for descriptor in described.descriptors}
    removed = by_name[resolve_descriptor(name, list(by_name))]
    if removed.fingerprint:
        raise InvalidArgument(
            f"{removed.name} is made by the extractor of {described.name}, and every picture gets it; to be without, "
            f"make a collection with --extractor {removed.extractor}:OTHERS"
        )
    users = [each for each, derivation in derivations(store, described).items() if derivation.source == removed.name]
    if users:
        raise InvalidArgument(f"{listed(users)} is computed of {removed.name}; remove that first")
    store.remove_descriptor(described.name, removed.name, deadline=deadline)
    return removed.name


def _derivation(store: Store, described: Collection, name: str) -> Derivation | None:
    try:
        whitening = optional_attachment(store, described, derivation_key(name), whitening_from_bytes)
        if whitening is not None:
            return _whitened(described, whitening)
        state = optional_attachment(store, described, augmentation_key(name), state_from_bytes)
    except (InvalidArgument, StoreFormat):  # damaged
        return None
    known = {descriptor.name for descriptor in described.descriptors}
    return Derivation(state.source, unit_rows) if state is not None and state.source in known else None


def _whitened(described: Collection, whitening: Whitening) -> Derivation:
    for descriptor in described.descriptors:
        same = descriptor.fingerprint == whitening.fingerprint
        if same and descriptor.short_name == whitening.descriptor:
            return Derivation(descriptor.name, lambda vectors: whitening.applied(vectors).astype(np.float32))
    raise InvalidArgument(f"{described.name} lacks the descriptor {whitening.descriptor} that another is derived of")
