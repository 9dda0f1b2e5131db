"""Derived descriptors: computed from another one of the same item, when it is added and when it is searched with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor, Norm
from pixkin_proto.errors import InvalidArgument
from pixkin_proto.names import check_name, resolve_descriptor
from pixkin_proto.whitening import Whitening, whitening_from_bytes, whitening_to_bytes
from pixkin_scoring.attachments import optional_attachment
from pixkin_scoring.items import Collection, Vectors
from pixkin_scoring.stores import Store


@dataclass(frozen=True)
class Derivation:
    """What a descriptor is computed of: the full name of its source, and the projection."""

    source: str
    whitening: Whitening

    def of(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return derived vectors (…, k) float32 of the source's (…, d)."""
        return self.whitening.applied(vectors).astype(np.float32)


def derivation_key(name: str) -> str:
    """Return the key of a derivation among a collection's attachments."""
    return f"derived:{name}"


def derivations(store: Store, described: Collection) -> dict[str, Derivation]:
    """Return how the derived descriptors of a collection are computed, by their names."""
    found = {}
    for descriptor in described.descriptors:
        if descriptor.fingerprint:
            continue
        whitening = optional_attachment(store, described, derivation_key(descriptor.name), whitening_from_bytes)
        if whitening is not None:
            found[descriptor.name] = Derivation(_source(described, whitening), whitening)
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
    derivation = Derivation(of.name, whitening)

    def blocks() -> Iterator[tuple[list[str], NDArray[np.float32]]]:
        for ids, rows in store.scan(described.name, of.name):
            yield ids, derivation.of(rows)

    store.add_descriptor(described.name, made, blocks(), deadline=deadline)
    store.put_attachment(described.name, derivation_key(name), whitening_to_bytes(whitening), deadline=deadline)
    return made


def _source(described: Collection, whitening: Whitening) -> str:
    for descriptor in described.descriptors:
        same = descriptor.fingerprint == whitening.fingerprint
        if same and descriptor.name.rpartition(".")[2] == whitening.descriptor:
            return descriptor.name
    raise InvalidArgument(f"{described.name} lacks the descriptor {whitening.descriptor} that another is derived of")
