"""Vectors in files: .npy or .fvecs, with a list of ids beside them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import DimensionMismatch, InvalidArgument
from pixkin_proto.names import resolve_descriptor
from pixkin_proto.whole_file import written_whole
from pixkin_scoring.items import AddResult, Collection

from pixkin_server.api import NewItem, Service

CHUNK = 256
FORMATS = (".npy", ".fvecs")
Blocks = Iterable[tuple[list[str], NDArray[np.float32]]]


def read_vectors(file: Path) -> NDArray[Any]:
    """Map a file of vectors, numbers of shape (n, d), without reading it whole.

    .npy: a two-dimensional array of numbers, no pickles · .fvecs: each row an int32 dimension, then float32 values
    (corpus-texmex.irisa.fr). Raises InvalidArgument.
    """
    try:
        array = np.lib.format.open_memmap(file, mode="r") if _format(file) == ".npy" else _fvecs(file)
    except (OSError, ValueError, EOFError) as error:
        raise InvalidArgument(f"{file} cannot be read as vectors: {error}") from error
    if array.ndim != 2 or array.dtype.kind not in "fiu" or not array.size:
        raise InvalidArgument(f"{file} has {array.dtype} of shape {array.shape}; vectors are numbers of shape (n, d)")
    return array


def read_ids(file: Path) -> list[str]:
    """Read ids, one a line. Raises InvalidArgument naming the line that is empty or whose id came before."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"{file} cannot be read as ids: {error}") from error
    lines: dict[str, int] = {}
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        item = line.removesuffix("\r")
        if not item:
            raise InvalidArgument(f"line {number} of {file} is empty; every line is the id of one vector")
        if item in lines:
            raise InvalidArgument(
                f"lines {lines[item]} and {number} of {file} are the same id {item!r}; every vector has its own"
            )
        lines[item] = number
    return list(lines)


def import_vectors(
    service: Service, collection: Collection, descriptor: str, vectors: NDArray[Any], ids: Sequence[str]
) -> Iterator[AddResult]:
    """Add vectors as items; yields a result for each.

    vectors: (n, d), turned into float32 block by block. Before anything is sent, raises InvalidArgument unless each
    vector has an id and the collection this one descriptor, UnknownDescriptor, and DimensionMismatch.
    """
    if len(ids) != len(vectors):
        raise InvalidArgument(f"there are {len(vectors):,} vectors and {len(ids):,} ids; each vector has one")
    known = {each.name: each.dim for each in collection.descriptors}
    name = resolve_descriptor(descriptor, list(known))
    needed = [each for each in known if each not in collection.derived]
    if needed != [name]:
        raise InvalidArgument(
            f"an item of {collection.name} has vectors for {', '.join(needed)}; vectors for {name} alone make none"
        )
    if known[name] != vectors.shape[1]:
        raise DimensionMismatch(name, expected=known[name], got=vectors.shape[1])
    rows = (
        NewItem(item, vectors={name: row})
        for at in range(0, len(ids), CHUNK)
        for item, row in zip(ids[at : at + CHUNK], _float32(vectors[at : at + CHUNK]), strict=True)
    )
    return service.add_stream(collection.name, rows)


def declare(name: str, vectors: NDArray[Any], measure: str) -> Descriptor:
    """Return the declaration of imported vectors: their dimension, and whether any component is below 0."""
    blocks = (vectors[at : at + CHUNK] for at in range(0, len(vectors), CHUNK))
    lowest = np.fmin.reduce([np.fmin.reduce(block, axis=None) for block in blocks])  # rows with NaN are refused later
    return Descriptor(name, vectors.shape[1], non_negative=not lowest < 0, default_measure=measure)


def export_vectors(blocks: Blocks, *, dim: int, vectors: Path, ids: Path) -> int:
    """Write blocks of (ids, vectors (n, dim) float32) to a .npy or .fvecs file and a list of ids; returns how many.

    Files that were there are replaced when everything is written, and never one of them alone. Raises InvalidArgument.
    """
    kind = _format(vectors)
    if vectors.resolve() == ids.resolve():
        raise InvalidArgument(f"vectors and ids cannot both go to {vectors}")
    written = 0
    with written_whole(vectors, ids) as (out, names):
        _write_header(out, kind, 0, dim)
        for block_ids, block in blocks:
            out.write(_rows(block, kind))
            names.writelines(f"{item}\n".encode() for item in block_ids)
            written += len(block_ids)
        out.seek(0)
        _write_header(out, kind, written, dim)
    return written


def _write_header(out: BinaryIO, kind: str, count: int, dim: int) -> None:
    # numpy pads the header for any count, so that it can be written again once the count is known.
    if kind == ".npy":
        header = {"descr": "<f4", "fortran_order": False, "shape": (count, dim)}
        np.lib.format.write_array_header_1_0(out, header)


def _rows(block: NDArray[np.float32], kind: str) -> bytes:
    values = np.ascontiguousarray(block, "<f4")
    if kind == ".fvecs":
        dims = np.full((len(values), 1), values.shape[1], "<i4").view("<f4")
        values = np.hstack((dims, values))
    return values.tobytes()


def _float32(block: NDArray[Any]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and that row is refused
        return np.asarray(block, np.float32)


def _format(file: Path) -> str:
    kind = file.suffix.lower()
    if kind not in FORMATS:
        raise InvalidArgument(f"{file} is neither .npy nor .fvecs")
    return kind


def _fvecs(file: Path) -> NDArray[np.float32]:
    flat = np.memmap(file, "<f4", mode="r")
    dim = int(flat[:1].view("<i4")[0])
    if dim < 1 or flat.size % (dim + 1):
        raise InvalidArgument(f"{file} is cut off or no .fvecs file: its first row says {dim} dimensions")
    rows = flat.reshape(-1, dim + 1)
    if (rows[:, 0].view("<i4") != dim).any():
        raise InvalidArgument(f"{file} is no .fvecs file: its rows differ in length")
    return rows[:, 1:]
