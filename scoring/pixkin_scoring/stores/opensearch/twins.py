"""Neighbours in fewer dimensions: a whitening shortens what the approximate index holds of a descriptor.

The file that the index was built with is kept beside it under its hash, so that nothing changes what its vectors and
queries go through when another whitening gets the name.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import replace

from pixkin_proto.errors import InvalidArgument, StoreFormat
from pixkin_proto.names import resolve_descriptor
from pixkin_proto.whitening import Whitening, whitening_from_bytes, whitening_key

from pixkin_scoring.stores.layout import IndexLayout, Twin
from pixkin_scoring.stores.opensearch import attachments
from pixkin_scoring.stores.opensearch.connection import Connection
from pixkin_scoring.stores.opensearch.index import Index
from pixkin_scoring.stores.opensearch.neighbours import Space, whitened_space

MOST = 16
"""Whitenings that stay in memory; one of 2,048 to 512 dimensions takes 12 MB."""

_kept: dict[str, Space] = {}
_lock = threading.Lock()


def resolved(connection: Connection, index: Index, layout: IndexLayout, *, deadline: float) -> IndexLayout:
    """Return a layout whose new twins are found, checked, and kept with the collection.

    Raises UnknownDescriptor, and InvalidArgument for a whitening that is not attached or does not fit the descriptor.
    """
    twins = tuple(each if each.sha256 else _found(connection, index, each, deadline) for each in layout.twins)
    names = [each.descriptor for each in twins]
    if len(set(names)) < len(names):
        raise InvalidArgument(f"a descriptor has two twins ({', '.join(names)}); name one whitening for each")
    return replace(layout, twins=twins)


def spaces_of(connection: Connection, index: Index, *, deadline: float = math.inf) -> Mapping[str, Space]:
    """Return the maps of the shortened neighbours by descriptor. Raises StoreFormat where a whitening is gone."""
    layout = index.schema.layout
    return {each.descriptor: _space(connection, index, each, deadline) for each in layout.twins if layout.ann}


def _found(connection: Connection, index: Index, twin: Twin, deadline: float) -> Twin:
    known = {descriptor.name: descriptor for descriptor in index.schema.descriptors}
    of = known[resolve_descriptor(twin.descriptor, list(known))]
    name = index.collection
    key = whitening_key(twin.whitening)
    head = attachments.get_head(connection, name, key, deadline=deadline)
    if head is None:
        raise InvalidArgument(
            f"collection {name} has no whitening '{twin.whitening}'; attach it with: "
            f"pixkin whitening attach {name} FILE --as {twin.whitening}"
        )
    data = attachments.get_chunks(connection, name, key, head, deadline=deadline)
    whitening = whitening_from_bytes(data, key)
    whitening.check_fits(fingerprint=of.fingerprint, descriptor=of.short_name)
    if len(whitening.mean) != of.dim:
        raise InvalidArgument(
            f"the whitening '{twin.whitening}' is for {len(whitening.mean):,} dimensions, and {of.name} has "
            f"{of.dim:,}; learn one of this collection"
        )
    if attachments.get_head(connection, name, _key(head.sha256), deadline=deadline) is None:
        attachments.put(connection, index, _key(head.sha256), data, deadline=deadline)
    return Twin(of.name, twin.whitening, head.sha256, len(whitening.components))


def _space(connection: Connection, index: Index, twin: Twin, deadline: float) -> Space:
    with _lock:
        known = _kept.get(twin.sha256)
    if known is not None:
        return known
    found = whitened_space(read_twin(connection, index, twin, deadline=deadline))
    with _lock:
        while len(_kept) >= MOST:
            del _kept[next(iter(_kept))]
        _kept[twin.sha256] = found
    return found


def read_twin(connection: Connection, index: Index, twin: Twin, *, deadline: float = math.inf) -> Whitening:
    """Return the whitening that is kept for a twin. Raises StoreFormat where it is gone or damaged."""
    name, key = index.collection, _key(twin.sha256)
    head = attachments.get_head(connection, name, key, deadline=deadline)
    if head is None or head.sha256 != twin.sha256:
        raise StoreFormat(
            f"the whitening that shortens the neighbours of {twin.descriptor} is not kept with {name} any more; attach "
            f"it, then: pixkin index reindex {name} --twin {twin.descriptor}={twin.whitening}"
        )
    return whitening_from_bytes(attachments.get_chunks(connection, name, key, head, deadline=deadline), key)


def _key(sha256: str) -> str:
    return f"twin:{sha256}"
