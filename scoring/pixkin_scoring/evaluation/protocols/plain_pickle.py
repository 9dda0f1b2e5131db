"""Pickles of plain data, read without running anything that they contain."""

from __future__ import annotations

import pickle
import re
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from pixkin_proto.errors import InvalidArgument, PixkinError

_DTYPE = re.compile(r"[<>=|]?(\?|[biufSUO]\d*)")


class _Dtype:
    """Stands in for numpy.dtype: numbers, strings and objects."""

    def __init__(self, code: str) -> None:
        if not _DTYPE.fullmatch(code):
            raise ValueError(f"an array of type {code!r}")
        self._code, self._order = code.lstrip("<>=|"), code[0] if code[0] in "<>=|" else ""
        self.objects = self._code.startswith("O")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] not in ("<", ">", "=", "|"):
            raise ValueError(f"an array of byte order {state[1]!r}")
        self._order = state[1]

    def values(self, raw: Any, shape: Any = None) -> list[Any]:
        """Return the elements of an array as Python values, rows after each other."""
        if self.objects:
            return [*raw]
        data = raw.encode("latin1") if isinstance(raw, str) else raw
        array = np.frombuffer(data, np.dtype(self._order + self._code))
        if shape is not None and array.size != prod(shape):
            raise ValueError(f"an array of shape {tuple(shape)} has {array.size} elements")
        return array.tolist()


class _Array(list[Any]):
    """Stands in for numpy.ndarray: a list of the elements."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, shape, dtype, _fortran, raw = state
        self[:] = dtype.values(raw, shape)


class _Unpickler(pickle.Unpickler):
    """Builds Python's containers, numbers and strings; arrays become lists.

    What it hands to the pickle (bound methods, strings, two set types) can be called to no other effect, and numpy's
    own unpickling, which trusts the type flags of a file, is left out. Every other name is refused before it is looked
    up. The names are those of numpy 1 and 2 and of Python 2 and 3.
    """

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for a name, or refuse the file."""
        module = module.replace("numpy._core", "numpy.core").replace("__builtin__", "builtins")
        known = {
            "builtins.set": set,
            "builtins.frozenset": frozenset,
            "builtins.bytes": self._no_bytes,
            "_codecs.encode": self._encode,
            "numpy.ndarray": "ndarray",
            "numpy.dtype": self._dtype,
            "numpy.core.multiarray._reconstruct": self._array,
            "numpy.core.multiarray.scalar": self._scalar,
            "numpy.core.numeric._frombuffer": self._from_buffer,
        }
        if f"{module}.{name}" not in known:
            raise InvalidArgument(f"it wants to use {module}.{name}, which a ground truth has no need of")
        return known[f"{module}.{name}"]

    def _no_bytes(self) -> bytes:
        """Stand in for bytes(), as Python 3 writes empty ones for Python 2."""
        return b""

    def _encode(self, text: str, codec: str) -> bytes:
        """Stand in for _codecs.encode(text, "latin1"), as Python 3 writes bytes for Python 2."""
        if codec != "latin1":
            raise ValueError(f"bytes in {codec!r}")
        return text.encode("latin1")

    def _dtype(self, code: str, *_align_and_copy: object) -> _Dtype:
        return _Dtype(code)

    def _array(self, *_type_shape_and_code: object) -> _Array:
        return _Array()

    def _scalar(self, dtype: _Dtype, raw: Any) -> Any:
        (value,) = dtype.values(raw if not dtype.objects else [raw])
        return value

    def _from_buffer(self, raw: Any, dtype: _Dtype, shape: Any, _order: str) -> _Array:
        return _Array(dtype.values(raw, shape))


def read_plain_pickle(path: Path) -> Any:
    """Return what a pickle holds: containers, numbers and strings; numpy arrays as flat lists.

    Raises InvalidArgument when the file cannot be read, is damaged, or names anything else; nothing has run then.
    """
    try:
        with path.open("rb") as file:
            return _Unpickler(file, encoding="latin1").load()
    except PixkinError as error:
        raise InvalidArgument(f"{path} is refused: {error.message}") from error
    except OSError as error:
        raise InvalidArgument(f"{path} cannot be read: {error.strerror}") from error
    except Exception as error:  # damaged pickles raise a dozen unrelated types
        raise InvalidArgument(
            f"{path} is damaged or no pickle of plain data ({type(error).__name__}: {error}); get the file again"
        ) from error
