"""Vectors in files: .npy or .fvecs, with a list of ids beside them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import InvalidArgument
from pixkin_scoring.items import AddResult

from pixkin_server.api import NewItem, Service

CHUNK = 256
Blocks = Iterable[tuple[list[str], NDArray[np.float32]]]


def read_vectors(file: Path) -> NDArray[np.float32]:
    """Map a file of vectors, (n, d) float32, without reading it whole.

    .npy: a two-dimensional array of numbers, no pickles · .fvecs: each row an int32 dimension, then float32 values
    (corpus-texmex.irisa.fr). Raises InvalidArgument.
    """
    try:
        if file.suffix == ".npy":
            array = np.load(file, mmap_mode="r", allow_pickle=False)
        elif file.suffix == ".fvecs":
            array = _fvecs(file)
        else:
            raise InvalidArgument(f"{file} is neither .npy nor .fvecs")
    except (OSError, ValueError, EOFError) as error:
        raise InvalidArgument(f"{file} cannot be read as vectors: {error}") from error
    if array.ndim != 2 or array.dtype.kind not in "fiu" or not array.size:
        raise InvalidArgument(f"{file} has {array.dtype} of shape {array.shape}; vectors are numbers of shape (n, d)")
    return array


def read_ids(file: Path) -> list[str]:
    """Read ids, one a line. Raises InvalidArgument."""
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"{file} cannot be read as ids: {error}") from error


def import_vectors(
    service: Service, collection: str, descriptor: str, vectors: NDArray[np.float32], ids: list[str]
) -> Iterator[AddResult]:
    """Add vectors as items; yields a result for each. vectors: (n, d), turned into float32 block by block."""
    if len(ids) != len(vectors):
        raise InvalidArgument(f"there are {len(vectors):,} vectors and {len(ids):,} ids; each vector has one")
    if len(set(ids)) < len(ids):
        raise InvalidArgument(f"{len(ids) - len(set(ids)):,} ids stand twice; every vector has an id of its own")
    rows = (
        NewItem(item, vectors={descriptor: row})
        for at in range(0, len(ids), CHUNK)
        for item, row in zip(ids[at : at + CHUNK], np.asarray(vectors[at : at + CHUNK], np.float32), strict=True)
    )
    return service.add(collection, rows)


def declare(name: str, vectors: NDArray[np.float32], measure: str) -> Descriptor:
    """Return the declaration of imported vectors: their dimension, and whether any component is below 0."""
    lowest = min(float(vectors[at : at + CHUNK].min()) for at in range(0, len(vectors), CHUNK))
    return Descriptor(name, vectors.shape[1], non_negative=lowest >= 0, default_measure=measure)


def export_vectors(blocks: Blocks, *, count: int, dim: int, vectors: Path, ids: Path) -> int:
    """Write blocks of (ids, vectors (n, dim) float32) to a .npy or .fvecs file and a list of ids; returns how many."""
    if vectors.suffix not in (".npy", ".fvecs"):
        raise InvalidArgument(f"{vectors} is neither .npy nor .fvecs")
    width = dim if vectors.suffix == ".npy" else dim + 1
    written = 0
    with vectors.open("wb") as out, ids.open("w", encoding="utf-8") as names:
        if vectors.suffix == ".npy":
            header = {"descr": "<f4", "fortran_order": False, "shape": (count, dim)}
            np.lib.format.write_array_header_1_0(out, header)
        for block_ids, block in blocks:
            room = list(islice(block_ids, count - written))  # items added meanwhile are left out
            rows = np.empty((len(room), width), "<f4")
            rows[:, width - dim :] = block[: len(room)]
            if width > dim:
                rows[:, 0] = np.array([dim], "<i4").view("<f4")[0]
            out.write(rows.tobytes())
            names.writelines(f"{item}\n" for item in room)
            written += len(room)
    return written


def _fvecs(file: Path) -> NDArray[np.float32]:
    flat = np.memmap(file, "<f4", mode="r")
    dim = int(flat[:1].view("<i4")[0]) if flat.size else 0
    if dim < 1 or flat.size % (dim + 1):
        raise InvalidArgument(f"{file} is no .fvecs file: its first row says {dim} dimensions")
    rows = flat.reshape(-1, dim + 1)
    if (rows[:, 0].view("<i4") != dim).any():
        raise InvalidArgument(f"{file} is no .fvecs file: its rows differ in length")
    return rows[:, 1:]
