"""The file of a whitening: what `heads.whitening` projects a descriptor on, and which descriptor it was learnt of.

An uncompressed npz of the arrays and words of `Whitening` and of `sha256`, the SHA-256 over them. It is read without
pickle, and what it holds is checked, since a wrong number gives wrong vectors and no error.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import MAX_DIM
from pixkin_proto.errors import InvalidArgument, PixkinError
from pixkin_proto.names import check_name

from pixkin_export.differences import first_line
from pixkin_export.whole_file import write_whole

MAX_BYTES = 2**31
"""No ONNX file could hold more."""
ORTHONORMAL = 1e-4
"""How far a product of two components may be from 0 or 1: rounding of float32 is a hundredth of it."""
_ARRAYS = ("mean", "components", "eigenvalues")
_WORDS = ("fingerprint", "descriptor")
_FINGERPRINT = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, eq=False)
class Whitening:
    """Principal components of a descriptor.

    mean: (d,) · components: (k, d), orthonormal rows · eigenvalues: (k,), the variances along them, positive and
    descending · all float32 or float64 · fingerprint, descriptor: the extractor that computed the vectors which they
    were learnt of, and which of its descriptors. Raises InvalidArgument for anything else.
    """

    mean: NDArray[Any]
    components: NDArray[Any]
    eigenvalues: NDArray[Any]
    fingerprint: str
    descriptor: str

    def __post_init__(self) -> None:
        check_name("descriptor", self.descriptor)
        if not _FINGERPRINT.fullmatch(self.fingerprint):
            raise InvalidArgument(f"a whitening names its extractor by a fingerprint, not by {self.fingerprint[:80]!r}")
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


def write_whitening(path: Path, whitening: Whitening) -> None:
    """Write a whitening; the same one gives the same bytes. Raises InvalidArgument where the file cannot be written."""
    content, file = asdict(whitening), BytesIO()
    np.savez(file, **content, sha256=_digest(content))
    write_whole(path, file.getvalue(), otherwise="name another place")


def read_whitening(path: Path) -> Whitening:
    """Return a whitening. Raises InvalidArgument for a file that is none, is damaged, or holds pickled objects."""
    try:
        content = _read(path)
    except OSError as error:
        raise InvalidArgument(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, EOFError, MemoryError, NotImplementedError, zipfile.BadZipFile) as error:
        reason = first_line(error)
        raise InvalidArgument(
            f"{path} is no file of a whitening, or a damaged one: {reason}; learn it again"
        ) from error
    if content.pop("sha256") != _digest(content):
        raise InvalidArgument(f"{path} has been damaged or edited: its SHA-256 does not fit; learn it again")
    try:
        return Whitening(**content)
    except PixkinError as error:
        raise InvalidArgument(f"{path}: {error.message}") from error


def _read(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        if sum(each.file_size for each in archive.infolist()) > MAX_BYTES:
            raise ValueError("it holds more than 2 GB")
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: np.asarray(file[name]) for name in _ARRAYS}
        return arrays | {name: str(file[name]) for name in (*_WORDS, "sha256")}


def _digest(content: Mapping[str, Any]) -> str:
    digest = hashlib.sha256()
    for name in (*_ARRAYS, *_WORDS):
        array = np.asarray(content[name])
        digest.update(f"{name}:{array.dtype.str}:{array.shape}:".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
