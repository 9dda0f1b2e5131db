"""Exported files, real photos and hand-made weights files for the tests of the export room."""

from __future__ import annotations

import pickle
import struct
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pixkin_embedding.encoder import Session
from pixkin_embedding.preprocessing import prepare
from pixkin_export.catalogue import CATALOGUE
from pixkin_export.exporting import export_model
from pixkin_export.sources.efficientnet_lite import find_weights, read_weights
from pixkin_export.sources.torch_file import MAGIC, PROTOCOL

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="session")
def photos(request: pytest.FixtureRequest) -> list[Pixels]:
    """Twenty pictures (h, w, 3): two of each Corel class, or generated ones where there is no test data."""
    try:
        classes = sorted((request.getfixturevalue("data") / "corel1k").iterdir())
    except pytest.skip.Exception:
        return _generated(20)
    files = [file for folder in classes for file in sorted(folder.glob("*.jpg"))[:2]]
    return [np.asarray(Image.open(file).convert("RGB")) for file in files]


def _generated(count: int) -> list[Pixels]:
    random = np.random.default_rng(7)
    coarse = random.integers(0, 256, (count, 12, 18, 3), dtype=np.uint8)
    return [np.asarray(Image.fromarray(each).resize((384, 256), Image.Resampling.BICUBIC)) for each in coarse]


@pytest.fixture(scope="session", params=sorted(CATALOGUE))
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each extractor of the catalogue, exported."""
    return export_model(request.param, directory=tmp_path_factory.mktemp("extractors"))


@pytest.fixture(scope="session")
def weights() -> Mapping[str, NDArray[np.float32]]:
    """The published weights of EfficientNet-Lite0."""
    return read_weights(find_weights())


@pytest.fixture(scope="session")
def lite0(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """EfficientNet-Lite0 with its logits, running on the CPU."""
    directory = tmp_path_factory.mktemp("extractors")
    return Session(export_model("efficientnet-lite0", directory=directory, with_outputs=["logits"]).read_bytes(), "cpu")


@pytest.fixture(scope="session")
def crops(photos: list[Pixels]) -> Pixels:
    """The photos as EfficientNet-Lite0 takes them, (20, 224, 224, 3)."""
    return np.stack([prepare(photo, CATALOGUE["efficientnet-lite0"].preprocessing) for photo in photos])


SaveTorch = Callable[[Path, Any], Path]


@pytest.fixture
def save_torch(monkeypatch: pytest.MonkeyPatch) -> SaveTorch:
    """A writer of what `torch.save` wrote before version 1.6: numpy arrays become tensors, float32.

    A SimpleNamespace of elements, offset, shape and strides becomes just that view, possible or not.
    """
    torch, utils = ModuleType("torch"), ModuleType("torch._utils")
    torch.FloatStorage = type("FloatStorage", (), {"__module__": "torch"})  # type: ignore[attr-defined]  # a stand-in
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2  # type: ignore[attr-defined]  # a stand-in
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)
    return _save


class _Storage:
    def __init__(self, array: NDArray[Any]) -> None:
        self.elements = array.astype("<f4").ravel()


def _rebuild_tensor_v2(*_arguments: object) -> None:
    raise AssertionError("only its name is used")


_rebuild_tensor_v2.__module__ = "torch._utils"


class _Pickler(pickle.Pickler):
    def __init__(self, file: Any) -> None:
        super().__init__(file, protocol=2)
        self.storages: dict[str, _Storage] = {}

    def persistent_id(self, obj: object) -> object:
        if not isinstance(obj, _Storage):
            return None
        key = str(len(self.storages))
        self.storages[key] = obj
        return ("storage", sys.modules["torch"].FloatStorage, key, "cpu", obj.elements.size, None)

    def reducer_override(self, obj: object) -> Any:
        if isinstance(obj, np.ndarray):
            strides = tuple(stride // obj.itemsize for stride in np.ascontiguousarray(obj).strides)
            obj = SimpleNamespace(elements=obj, offset=0, shape=obj.shape, strides=strides)
        if not isinstance(obj, SimpleNamespace):
            return NotImplemented
        return _rebuild_tensor_v2, (_Storage(obj.elements), obj.offset, obj.shape, obj.strides, False, OrderedDict())


def _save(path: Path, saved: object) -> Path:
    with path.open("wb") as file:
        for header in (MAGIC, PROTOCOL, {"little_endian": True}):
            pickle.dump(header, file, protocol=2)
        pickler = _Pickler(file)
        pickler.dump(saved)
        pickle.dump(list(pickler.storages), file, protocol=2)
        for storage in pickler.storages.values():
            file.write(struct.pack("<q", storage.elements.size) + storage.elements.tobytes())
    return path
