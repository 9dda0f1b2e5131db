"""What can be made of an extractor: a whitened descriptor beside the others, or a network with fewer bits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from pixkin_embedding import golden
from pixkin_embedding.images import decode
from pixkin_embedding.limits import FOLDER_LIMITS
from pixkin_embedding.preprocessing import Preprocessing, prepare
from pixkin_proto.errors import InvalidArgument, InvalidImage
from pixkin_proto.whitening import Whitening, read_whitening

from pixkin_export.compare import divide
from pixkin_export.gate_pictures import picture_files

Bits = Literal["int8", "fp16"]


@dataclass(frozen=True)
class Whitened:
    """A descriptor that is projected on the principal components of a file.

    dims: how many of them, None for all · plain: projected only, not divided by the square roots of the variances.
    """

    file: Path
    dims: int | None = None
    plain: bool = False

    def read(self) -> Whitening:
        """Return the components. Raises InvalidArgument for a file that is none."""
        return read_whitening(self.file)

    @property
    def suffix(self) -> str:
        """What is put behind the name of the descriptor."""
        return "-pca" if self.plain else "-white"


@dataclass(frozen=True)
class Smaller:
    """A network with fewer bits. pictures: files to calibrate with and to compare on · folder: where they are."""

    bits: Bits
    pictures: Sequence[Path] = ()
    folder: str = ""

    def __post_init__(self) -> None:
        if self.bits == "int8" and not self.pictures:
            raise InvalidArgument("int8 is calibrated on pictures like those that will be searched: --calibrate FOLDER")

    def make(
        self, model: onnx.ModelProto, layers: Sequence[str], preprocessing: Preprocessing
    ) -> tuple[onnx.ModelProto, list[NDArray[np.uint8]]]:
        """Return the graph with fewer bits, and prepared pictures that had no part in its making.

        layers: the tensors that heads take. Raises InvalidArgument for too few pictures, or a graph without a network.
        """
        from pixkin_export.half import to_half
        from pixkin_export.quantise import quantise

        calibrating, held_out = divide(self.pictures, self.folder) if self.pictures else ([], [])
        if self.bits == "int8":
            small = quantise(model, _prepared(calibrating, preprocessing), layers=layers)
        else:
            small = to_half(model, layers=layers)
        return small, list(_prepared(held_out, preprocessing)) or _generated(preprocessing)


def _prepared(files: Sequence[Path], preprocessing: Preprocessing) -> Iterator[NDArray[np.uint8]]:
    """Yield the pictures that can be read."""
    for file in files:
        try:
            yield prepare(decode(file.read_bytes(), FOLDER_LIMITS), preprocessing, FOLDER_LIMITS)
        except (InvalidImage, OSError):
            continue


def _generated(preprocessing: Preprocessing) -> list[NDArray[np.uint8]]:
    pictures = [*golden.pictures(), *(decode(data, FOLDER_LIMITS) for data in picture_files().values())]
    return [prepare(picture, preprocessing, FOLDER_LIMITS) for picture in pictures]
