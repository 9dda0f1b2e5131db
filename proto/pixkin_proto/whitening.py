"""A whitening: what a descriptor is projected on, of which descriptor it was learnt, and its file.

An uncompressed npz of the arrays and words of `Whitening` and of `sha256`, the SHA-256 over them. It is read without
pickle, and what it holds is checked, since a wrong number gives wrong vectors and no error.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixkin_proto.descriptors import MAX_DIM
from pixkin_proto.errors import DimensionMismatch, InvalidArgument, PixkinError
from pixkin_proto.names import check_name
from pixkin_proto.whole_file import write_whole

MAX_BYTES = 2**31
"""No ONNX file could hold more."""
ORTHONORMAL = 1e-4
"""How far a product of two components may be from 0 or 1: rounding of float32 is a hundredth of it."""
_ARRAYS = ("mean", "components", "eigenvalues")
_WORDS = ("fingerprint", "descriptor", "normalise")
_FINGERPRINT = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, eq=False)
class Whitening:
    """Principal components of a descriptor.

    mean: (d,) · components: (k, d), orthonormal rows · eigenvalues: (k,), what whitening divides by the square root of,
    positive and descending: the variances along the components, or what regularised ones stand for · all float32 or
    float64 · fingerprint, descriptor: the extractor that computed the vectors which they were learnt of (empty for
    imported vectors), and which of its descriptors · normalise: l2 where vectors are divided by their length first,
    else empty. Raises InvalidArgument for anything else.
    """

    mean: NDArray[Any]
    components: NDArray[Any]
    eigenvalues: NDArray[Any]
    fingerprint: str
    descriptor: str
    normalise: str = ""

    def __post_init__(self) -> None:
        check_name("descriptor", self.descriptor)
        if self.fingerprint and not _FINGERPRINT.fullmatch(self.fingerprint):
            raise InvalidArgument(f"a whitening names its extractor by a fingerprint, not by {self.fingerprint[:80]!r}")
        if self.normalise not in ("", "l2"):
            raise InvalidArgument(f"a whitening normalises by l2 or not at all, not by {self.normalise[:80]!r}")
        if fault := self._fault():
            raise InvalidArgument(f"this is no whitening: {fault}; learn it again")

    def _fault(self) -> str:
        arrays = [getattr(self, name) for name in _ARRAYS]
        if any(each.dtype not in (np.float32, np.float64) for each in arrays):
            return "its numbers are neither float32 nor float64"
        k, d = self.components.shape if self.components.ndim == 2 else (0, 0)
        if not 1 <= k <= d <= MAX_DIM or self.mean.shape != (d,) or self.eigenvalues.shape != (k,):
            shapes = ", ".join(f"{name} {each.shape}" for name, each in zip(_ARRAYS, arrays, strict=True))
            return f"the shapes do not fit together ({shapes}, and not (d,), (k, d), (k,) with k <= d)"
        if not all(np.isfinite(each).all() for each in arrays):
            return "it has numbers that are not finite"
        if not (self.eigenvalues > 0).all() or (np.diff(self.eigenvalues) > 0).any():
            return "its eigenvalues are not positive and descending"
        products = self.components.astype(np.float64) @ self.components.astype(np.float64).T
        if not abs(products - np.eye(k)).max() <= ORTHONORMAL:
            return "its components are not orthonormal"
        return ""

    def check_fits(self, *, fingerprint: str, descriptor: str) -> None:
        """Raise InvalidArgument unless it was learnt of this descriptor of the extractor with this fingerprint."""
        if self.descriptor != descriptor:
            raise InvalidArgument(
                f"the whitening was learnt of the descriptor {self.descriptor}, not of {descriptor}; learn one of "
                f"{descriptor}"
            )
        if self.fingerprint != fingerprint:
            raise InvalidArgument(
                f"the whitening was learnt of {descriptor} of another extractor ({self.fingerprint[:12]}) than this "
                f"({fingerprint[:12]}); export with the options of that time, or learn it again"
            )

    def applied(self, vectors: NDArray[Any], *, dims: int | None = None, whiten: bool = True) -> NDArray[np.float64]:
        """Return vectors (…, d) projected on the first `dims` components and divided by their length, (…, dims).

        whiten: divide by the square roots of the eigenvalues in between. A vector that equals the mean becomes zero.
        Raises InvalidArgument for more dimensions than there are components, and DimensionMismatch for other vectors.
        """
        return self.applying(dims, whiten=whiten)(np.asarray(vectors, np.float64))

    def applying(
        self, dims: int | None = None, *, whiten: bool = True
    ) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
        """Return what `applied` does to float64 vectors, to be done many times. Raises InvalidArgument."""
        rows = self.projection(dims, whiten=whiten)

        def applied(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
            if vectors.shape[-1] != len(self.mean):
                raise DimensionMismatch(self.descriptor, expected=len(self.mean), got=vectors.shape[-1])
            centred = (unit_length(vectors) if self.normalise else vectors) - self.mean
            return unit_length(centred @ rows.T)

        return applied

    def projection(self, dims: int | None = None, *, whiten: bool = True) -> NDArray[np.float64]:
        """Return the rows that centred vectors are multiplied with, (dims, d). Raises InvalidArgument."""
        most = len(self.components)
        if dims is not None and not 1 <= dims <= most:
            raise InvalidArgument(
                f"the whitening has {most} components, and {dims} dimensions are asked for; ask for 1 to {most}"
            )
        rows: NDArray[np.float64] = self.components[:dims].astype(np.float64)
        return rows / np.sqrt(self.eigenvalues[:dims, np.newaxis]) if whiten else rows


def unit_length(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return vectors (…, d) divided by their length; zero vectors stay zero."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    found: NDArray[np.float64] = vectors / np.where(lengths > 0, lengths, 1)
    return found


def whitening_key(name: str) -> str:
    """Return the key of a whitening among a collection's attachments."""
    return f"whitening:{name}"


def write_whitening(path: Path, whitening: Whitening) -> None:
    """Write a whitening; the same one gives the same bytes. Raises InvalidArgument where the file cannot be written."""
    write_whole(path, whitening_to_bytes(whitening), otherwise="name another place")


def whitening_to_bytes(whitening: Whitening) -> bytes:
    """Return the content of a whitening's file."""
    content, file = asdict(whitening), BytesIO()
    np.savez(file, **content, sha256=_digest(content))
    return file.getvalue()


def read_whitening(path: Path) -> Whitening:
    """Return a whitening. Raises InvalidArgument for a file that is none, is damaged, or holds pickled objects."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidArgument(f"{path} cannot be read: {error.strerror or error}") from error
    return whitening_from_bytes(data, str(path))


def whitening_from_bytes(data: bytes, name: str) -> Whitening:
    """Return the whitening of a file's content. name: of the file, for errors. Raises InvalidArgument."""
    try:
        content = _read(data)
    except (ValueError, KeyError, EOFError, MemoryError, NotImplementedError, zipfile.BadZipFile) as error:
        reason = str(error).partition("\n")[0]
        raise InvalidArgument(
            f"{name} is no file of a whitening, or a damaged one: {reason}; learn it again"
        ) from error
    if content.pop("sha256") != _digest(content):
        raise InvalidArgument(f"{name} has been damaged or edited: its SHA-256 does not fit; learn it again")
    try:
        return Whitening(**content)
    except PixkinError as error:
        raise InvalidArgument(f"{name}: {error.message}") from error


def _read(data: bytes) -> dict[str, Any]:
    with zipfile.ZipFile(BytesIO(data)) as archive:
        if sum(each.file_size for each in archive.infolist()) > MAX_BYTES:
            raise ValueError("it holds more than 2 GB")
    with np.load(BytesIO(data), allow_pickle=False) as file:
        arrays = {name: np.asarray(file[name]) for name in _ARRAYS}
        return arrays | {name: str(file[name]) for name in (*_WORDS, "sha256")}


def _digest(content: Mapping[str, Any]) -> str:
    digest = hashlib.sha256()
    for name in (*_ARRAYS, *_WORDS):
        array = np.asarray(content[name])
        digest.update(f"{name}:{array.dtype.str}:{array.shape}:".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
