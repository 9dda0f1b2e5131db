"""Database augmentation: every item's vector is averaged with those of its nearest neighbours, once, before any search.

Turcot and Lowe, Better Matching with Fewer Features, ICCV Workshops 2009; Arandjelović and Zisserman, Three Things
Everyone Should Know to Improve Object Retrieval, CVPR 2012; weights by likeness: Gordo et al., End-to-end Learning of
Deep Visual Representations for Image Retrieval, IJCV 2017.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor, Norm
from pixkin_proto.errors import InvalidArgument
from pixkin_proto.names import check_name, resolve_descriptor
from pixkin_proto.whitening import unit_length

from pixkin_scoring.items import Collection
from pixkin_scoring.neighbourhoods import (
    BLOCK,
    MOST_NEIGHBOURS,
    Neighbourhoods,
    Places,
    Units,
    brought_up_to_date,
    read_units,
)
from pixkin_scoring.stores import Store
from pixkin_scoring.stores.keys import augmentation_key


@dataclass(frozen=True)
class Augmentation:
    """How vectors are averaged. k: neighbours · alpha: a neighbour counts likeness^alpha, the item itself 1."""

    k: int = 10
    alpha: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.k <= MOST_NEIGHBOURS:
            raise InvalidArgument(f"k is 1 to {MOST_NEIGHBOURS:,} neighbours, not {self.k}")
        if not 0 <= self.alpha <= 100:
            raise InvalidArgument(f"alpha is a number from 0 to 100, not {self.alpha}")


@dataclass(frozen=True, eq=False)
class State:
    """What an augmentation was made of, so that the next one does only what has changed.

    source: full name of the descriptor · fingerprint: its extractor's · ids: n, sorted · digests: (n,) uint64 of their
    vectors · neighbours: (n, k) int32, places in ids, nearest first; -1 where there are fewer · index: the version of
    the collection in a cluster, which may be re-indexed and rolled back; empty where there are no versions.
    """

    source: str
    fingerprint: str
    settings: Augmentation
    ids: tuple[str, ...]
    digests: NDArray[np.uint64]
    neighbours: NDArray[np.int32]
    index: str = ""


def unit_rows(vectors: NDArray[np.float32]) -> Units:
    """Return vectors (…, d) divided by their length, float32."""
    return unit_length(vectors.astype(np.float64)).astype(np.float32)


def augment(
    store: Store, described: Collection, source: str, name: str, settings: Augmentation, *, deadline: float
) -> int:
    """Add an augmented descriptor to every item, or bring it up to date; returns how many vectors were written.

    Memory: the vectors of the source, and 32 MB. Raises InvalidArgument when `name` is another descriptor, and
    UnknownDescriptor.
    """
    by_name = {descriptor.name: descriptor for descriptor in described.descriptors}
    of = by_name[resolve_descriptor(source, list(by_name))]
    stored = store.get_attachment(described.name, augmentation_key(name))
    before = None if stored is None else state_from_bytes(stored[0], augmentation_key(name))
    if name in by_name and (before is None or (before.source, before.fingerprint) != (of.name, of.fingerprint)):
        raise InvalidArgument(f"{described.name} has a descriptor {name} already; choose another name with --as")
    ids, units, digests = read_units(store, described, of, unit_rows)
    known = None
    index = described.layout.get("index", "")
    if before is not None and name in by_name and (before.settings, before.index) == (settings, index):
        known = Neighbourhoods(before.ids, before.digests, before.neighbours)
    neighbours, rows = brought_up_to_date(ids, units, digests, settings.k, known)
    step = max(1, BLOCK // units.shape[1])
    blocks = (
        ([ids[row] for row in some], augmented(units, neighbours, some, settings))
        for some in (rows[at : at + step] for at in range(0, len(rows), step))
    )
    state = State(of.name, of.fingerprint, settings, tuple(ids), digests, neighbours, index)
    key, now = augmentation_key(name), state_to_bytes(state)
    if name not in by_name:
        made = Descriptor(check_name("descriptor", name), of.dim, Norm.L2, non_negative=of.non_negative)
        store.add_descriptor(described.name, made, blocks, attachments={key: now}, deadline=deadline)
    elif stored is None or now != stored[0]:
        # Should an accident in a cluster leave some vectors written, nothing is known of any, and all are made anew.
        store.put_attachment(described.name, key, state_to_bytes(_unknown(state)), deadline=deadline)
        store.put_vectors(described.name, name, blocks, attachments={key: now}, deadline=deadline)
    return len(rows)


def _unknown(state: State) -> State:
    """Return a state that says of what the vectors are, and of none how they are."""
    return replace(state, ids=(), digests=state.digests[:0], neighbours=state.neighbours[:0])


def augmented(units: Units, neighbours: NDArray[np.int32], rows: Places, settings: Augmentation) -> Units:
    """Return (u + Σ wⱼ uⱼ) / its length for some rows, (m, d) float32. units: (n, d), of length 1, by id."""
    found = np.empty((len(rows), units.shape[1]), np.float32)
    for at, row in enumerate(rows):
        near = neighbours[row][neighbours[row] >= 0]
        own, others = units[row].astype(np.float64), units[near].astype(np.float64)
        weights = np.maximum(others @ own, 0) ** settings.alpha
        mean = own + weights @ others
        found[at] = mean / (np.linalg.norm(mean) or 1.0)
    return found


def state_to_bytes(state: State) -> bytes:
    """Return a state as an uncompressed npz."""
    words = {"source": state.source, "fingerprint": state.fingerprint, "k": state.settings.k,
             "alpha": state.settings.alpha, "ids": state.ids, "index": state.index}  # fmt: skip
    file = BytesIO()
    text = np.frombuffer(json.dumps(words).encode(), np.uint8)
    np.savez(file, words=text, digests=state.digests, neighbours=state.neighbours)
    return file.getvalue()


def state_from_bytes(data: bytes, name: str) -> State:
    """Return a state. Raises InvalidArgument for what is none."""
    try:
        with np.load(BytesIO(data), allow_pickle=False) as file:
            words, digests, neighbours = json.loads(file["words"].tobytes()), file["digests"], file["neighbours"]
        state = State(
            source=words["source"],
            fingerprint=words["fingerprint"],
            settings=Augmentation(words["k"], words["alpha"]),
            ids=tuple(words["ids"]),
            digests=digests.reshape(len(words["ids"])),
            neighbours=neighbours.reshape(len(words["ids"]), words["k"]),
            index=words.get("index", ""),
        )
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InvalidArgument(f"{name} is damaged ({error}); augment the collection under another name") from error
    return state
