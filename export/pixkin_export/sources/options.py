"""What a user may say of the network to export, whatever library it comes from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pixkin_embedding.preprocessing import Preprocessing
from pixkin_proto.errors import InvalidArgument

LONGEST = 1024
"""The longest side of a picture in its own proportions: VGG16's convolutions take 2.9 GB at 2048x1536."""
LEAST = 96
"""The shortest side of such a picture: Inception's convolutions leave nothing of less than 75."""
MAX_SIZE = 4096


@dataclass(frozen=True)
class InputForm:
    """How a network takes its pixels, 0 to 255, in the order of its channels: (pixel * scale - mean) / std."""

    layout: Literal["nchw", "nhwc"] = "nchw"
    channels: Literal["rgb", "bgr"] = "rgb"
    scale: float = 1.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        numbers = (self.scale, *self.mean, *self.std)
        if not all(map(math.isfinite, numbers)) or self.scale == 0 or 0 in self.std:
            raise InvalidArgument(f"scale, mean and std are finite numbers and divide nothing by 0; they are {numbers}")


@dataclass(frozen=True)
class SourceOptions:
    """Where weights come from and how large a picture is.

    weights: a file · download: from where the library has them · untrained: random, for trials · size: height and width
    of the input in place of the source's own · native: the picture's own proportions, its longest side at most
    `longest` · vocabulary: (words, 128), of a bag of visual words ·
    cuts, form: of an ONNX file: the tensors to make descriptors of by the names that heads call them by, and how it
    takes its pixels.
    """

    weights: Path | None = None
    download: bool = False
    untrained: bool = False
    size: int | None = None
    native: bool = False
    longest: int = LONGEST
    vocabulary: NDArray[np.float32] | None = None
    cuts: Mapping[str, str] = field(default_factory=dict)
    form: InputForm = InputForm()

    def __post_init__(self) -> None:
        if sum((self.weights is not None, self.download, self.untrained)) > 1:
            raise InvalidArgument("weights come from one place: a file, a download, or chance")
        if self.native and self.size is not None:
            raise InvalidArgument(
                "a picture is either of its own proportions or of a fixed size; leave out one of them"
            )
        for name, value in (("size", self.size), ("longest", self.longest)):
            if value is not None and not 1 <= value <= MAX_SIZE:
                raise InvalidArgument(f"{name} is 1 to {MAX_SIZE}, not {value}")


def native(options: SourceOptions, filter_name: Any) -> Preprocessing:
    """Return how pictures in their own proportions are prepared for a network."""
    return Preprocessing("longest", options.longest, filter=filter_name, least=min(LEAST, options.longest))


def weights_wanted(name: str) -> InvalidArgument:
    """Return the error for a network whose weights have not been named."""
    return InvalidArgument(
        f"{name} needs its weights: name a file with --weights FILE, have them fetched with --download, or try it "
        "untrained with --random-weights"
    )
