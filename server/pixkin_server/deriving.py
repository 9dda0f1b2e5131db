"""Derived descriptors: computed from another one of the same item, when it is added and when it is searched with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor, Norm
from pixkin_proto.errors import InvalidArgument
from pixkin_proto.names import check_name, resolve_descriptor
from pixkin_proto.whitening import Whitening, whitening_from_bytes, whitening_to_bytes
from pixkin_scoring.attachments import optional_attachment
from pixkin_scoring.augmentation import augmentation_key, state_from_bytes, unit_rows
from pixkin_scoring.items import Collection, Vectors
from pixkin_scoring.stores import Store


@dataclass(frozen=True)
class Derivation:
    """What a descriptor is computed of: the full name of its source, and the formula.

    of: derived vectors (…, k) float32 of the source's (…, d).
    """

    source: str
    of: Callable[[NDArray[np.float32]], NDArray[np.float32]]


def derivation_key(name: str) -> str:
    """Return the key of a whitened descriptor among a collection's attachments."""
    return f"derived:{name}"


def derivations(store: Store, described: Collection) -> dict[str, Derivation]:
    """Return how the derived descriptors of a collection are computed, by their names.

    An augmented one is that of the item alone until its neighbourhood is looked at again.
    """
    found = {}
    for descriptor in described.descriptors:
        name = descriptor.name
        if descriptor.fingerprint:
            continue
        whitening = optional_attachment(store, described, derivation_key(name), whitening_from_bytes)
        if whitening is not None:
            found[name] = _whitened(described, whitening)
        state = optional_attachment(store, described, augmentation_key(name), state_from_bytes)
        if state is not None:
            found[name] = Derivation(state.source, unit_rows)
    return found


def completed(vectors: Vectors, derived: Mapping[str, Derivation]) -> Vectors:
    """Return vectors (d,) by full name with the derived ones whose source is among them."""
    more = {
        name: derivation.of(vectors[derivation.source])
        for name, derivation in derived.items()
        if name not in vectors and derivation.source in vectors
    }
    return {**vectors, **more}


def derive(
    store: Store, described: Collection, source: str, whitening: Whitening, name: str, *, deadline: float
) -> Descriptor:
    """Add a whitened descriptor to every item of a collection, without its pictures.

    Items that are added later get it too. Raises InvalidArgument for a whitening of another descriptor or extractor.
    """
    by_name = {descriptor.name: descriptor for descriptor in described.descriptors}
    of = by_name[resolve_descriptor(source, list(by_name))]
    whitening.check_fits(fingerprint=of.fingerprint, descriptor=of.name.rpartition(".")[2])
    made = Descriptor(
        check_name("descriptor", name), len(whitening.components), norm=Norm.L2, default_measure="cosine"
    )  # fmt: skip
    if name in by_name:
        raise InvalidArgument(f"{described.name} has a descriptor {name} already; choose another name with --as")
    derivation = _whitened(described, whitening)

    def blocks() -> Iterator[tuple[list[str], NDArray[np.float32]]]:
        for ids, rows in store.scan(described.name, of.name):
            yield ids, derivation.of(rows)

    store.add_descriptor(described.name, made, blocks(), deadline=deadline)
    store.put_attachment(described.name, derivation_key(name), whitening_to_bytes(whitening), deadline=deadline)
    return made


def _whitened(described: Collection, whitening: Whitening) -> Derivation:
    for descriptor in described.descriptors:
        same = descriptor.fingerprint == whitening.fingerprint
        if same and descriptor.short_name == whitening.descriptor:
            return Derivation(descriptor.name, lambda vectors: whitening.applied(vectors).astype(np.float32))
    raise InvalidArgument(f"{described.name} lacks the descriptor {whitening.descriptor} that another is derived of")
