"""Files that `torch.save` wrote before version 1.6, read without torch and without running anything that they contain.

Such a file is five pickles (magic number, protocol, machine, the saved object, storage keys) and then, in the order of
the keys, each storage as a count (int64) and its elements. Source: `_legacy_save` in torch/serialization.py.
"""

from __future__ import annotations

import io
import pickle
import struct
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.errors import InvalidExtractor, PixkinError

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
STORAGES = {"HalfStorage": "<f2", "FloatStorage": "<f4", "DoubleStorage": "<f8", "LongStorage": "<i8"}
_ZIP = b"PK\x03\x04"


class _Storage(NamedTuple):
    """A run of elements at the end of the file."""

    key: str
    dtype: str
    length: int


class _Tensor(NamedTuple):
    """A view of a storage; offset and strides in elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Unpickler(pickle.Unpickler):
    """Builds dictionaries and tensor descriptions.

    What it hands to the pickle (a bound method, strings, named tuples, OrderedDict) can be called to no other effect.
    Every other name is refused before it is looked up.
    """

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for a name, or refuse the file."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return self._tensor
        if module == "torch" and name in STORAGES:
            return name
        raise InvalidExtractor(f"the file wants to use {module}.{name}, which a file of weights has no need of")

    def persistent_load(self, pid: Any) -> _Storage:
        """Return the storage that a persistent id stands for: (`storage`, type, key, device, count, view)."""
        _kind, type_name, key, _device, length, view = pid
        if view is not None:
            raise ValueError("a storage is a view of another")
        return _Storage(key, STORAGES[type_name], length)

    def _tensor(self, storage: _Storage, offset: int, shape: Any, strides: Any, *_training: object) -> _Tensor:
        """Stand in for `torch._utils._rebuild_tensor_v2`."""
        if not isinstance(storage, _Storage):
            raise TypeError("a tensor without a storage")
        return _Tensor(storage, offset, tuple(shape), tuple(strides))


def read_torch_file(path: Path) -> dict[str, NDArray[Any]]:
    """Return the tensors of a saved state dict by name, C-contiguous, in the file's own dtypes.

    Raises InvalidExtractor when the file cannot be read, is no such file, is cut off, or names anything but tensors.
    """
    try:
        return _read(path.read_bytes())
    except PixkinError as error:
        raise InvalidExtractor(f"{path} is refused: {error.message}") from error
    except OSError as error:
        raise InvalidExtractor(f"{path} cannot be read: {error.strerror}") from error
    except Exception as error:  # damaged pickles raise a dozen unrelated types
        raise InvalidExtractor(
            f"{path} is damaged or no file of torch.save ({type(error).__name__}: {error}); get the file again"
        ) from error


def _read(data: bytes) -> dict[str, NDArray[Any]]:
    if data.startswith(_ZIP):
        raise InvalidExtractor(
            "it has the zip format of newer versions of torch; save it with "
            "torch.save(weights, FILE, _use_new_zipfile_serialization=False)"
        )
    file = io.BytesIO(data)
    if _load(file) != MAGIC or _load(file) != PROTOCOL or not _load(file)["little_endian"]:
        raise ValueError("another magic number, protocol or byte order")
    saved, keys = _load(file), _load(file)
    tensors = _tensors(saved)
    known = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    storages = {key: _elements(file, known[key]) for key in keys}
    return {name: _array(tensor, storages[tensor.storage.key]) for name, tensor in tensors.items()}


def _load(file: io.BytesIO) -> Any:
    return _Unpickler(file).load()


def _tensors(saved: Any) -> dict[str, _Tensor]:
    if not isinstance(saved, Mapping) or not all(isinstance(value, _Tensor) for value in saved.values()):
        raise InvalidExtractor("it holds something else than named tensors; save the model's state_dict() alone")
    return {str(name): tensor for name, tensor in saved.items()}


def _elements(file: io.BytesIO, storage: _Storage) -> NDArray[Any]:
    (count,) = struct.unpack("<q", file.read(8))
    if count != storage.length:
        raise ValueError(f"a storage of {storage.length} elements has {count}")
    size = count * np.dtype(storage.dtype).itemsize
    content = file.read(size)
    if len(content) != size:
        raise ValueError("the file is cut off")
    return np.frombuffer(content, dtype=storage.dtype)


def _array(tensor: _Tensor, elements: NDArray[Any]) -> NDArray[Any]:
    """Return the elements that a view shows, after checking that it stays inside its storage and repeats none."""
    shape, strides = tensor.shape, tensor.strides
    if len(shape) != len(strides) or min((tensor.offset, *shape, *strides)) < 0:
        raise ValueError("a tensor has an impossible shape")
    last = tensor.offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    count = int(np.prod(shape, dtype=object))
    if count == 0 or count > elements.size or last >= elements.size:
        raise ValueError("a tensor leaves its storage")
    start = elements[tensor.offset :]
    steps = [stride * elements.itemsize for stride in strides]
    return np.ascontiguousarray(np.lib.stride_tricks.as_strided(start, shape, steps, writeable=False))
