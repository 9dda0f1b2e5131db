"""Pixels in, vectors out, on the provider that ONNX Runtime really bound."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.errors import InvalidExtractor, MissingExtra, OutOfMemory, ProviderMissing
from pixkin_proto.memory import lacks_memory

from pixkin_embedding import golden
from pixkin_embedding.bundle import Extractor, read_extractor
from pixkin_embedding.cores import usable_cores
from pixkin_embedding.preprocessing import prepare
from pixkin_embedding.running import run
from pixkin_embedding.runtime import first_line, onnx_runtime

Device = Literal["auto", "cpu", "cuda"]
CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
_SMALLEST_GRAPH = (  # uint8 pixels (n, h, w, c) -> the same pixels
    b'\x08\x08\x12\x00:I\n\x15\n\x06pixels\x12\x01y"\x08Identity\x12\x01gZ\x18\n\x06pixels\x12\x0e\n\x0c\x08\x02\x12'
    b"\x08\n\x00\n\x00\n\x00\n\x00b\x13\n\x01y\x12\x0e\n\x0c\x08\x02\x12\x08\n\x00\n\x00\n\x00\n\x00B\x04\n\x00\x10\r"
)


class Session:
    """One ONNX graph on one provider. `provider` is what the session bound, not what was asked for."""

    def __init__(self, model: bytes, device: Device = "auto") -> None:
        try:
            onnxruntime = onnx_runtime()
        except ImportError:
            raise MissingExtra("computing vectors", "cpu") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = usable_cores()
        # A spinning pool beside numba's made both 1.6 times slower.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4  # a provider that does not bind is reported by us, once
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=_providers(device, onnxruntime))
        except Exception as error:  # ONNX Runtime raises a dozen unrelated types
            if lacks_memory(error):
                raise OutOfMemory("loading an extractor") from error
            raise InvalidExtractor(f"ONNX Runtime does not load this graph: {first_line(error)}") from error
        self.provider: str = self._session.get_providers()[0]
        if device == "cuda" and self.provider != CUDA:
            raise ProviderMissing(
                f"--device cuda was asked for and ONNX Runtime bound {self.provider}; it needs an NVIDIA driver for "
                "CUDA 13 and pip install 'pixkin[gpu]' in place of 'pixkin[cpu]', or use --device cpu",
                provider=self.provider,
            )
        self.outputs: list[str] = [output.name for output in self._session.get_outputs()]
        inputs = [(each.name, each.type, len(each.shape)) for each in self._session.get_inputs()]
        if inputs != [("pixels", "tensor(uint8)", 4)]:
            raise InvalidExtractor(f"an extractor has one input `pixels`, uint8 (n, h, w, 3); this graph has {inputs}")

    def run(self, pixels: NDArray[np.uint8], outputs: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Compute outputs (n, d) float32 of pictures (n, h, w, 3) uint8 RGB.

        Raises InvalidExtractor when the graph fails, or does not come to an end, and OutOfMemory.
        """
        return dict(zip(outputs, run(self._session, outputs, {"pixels": pixels}), strict=True))


class Encoder:
    """An extractor ready to run. Only the encoding thread calls `encode`."""

    def __init__(self, extractor: Extractor, session: Session) -> None:
        self.extractor = extractor
        self.provider = session.provider
        self._session = session
        self._outputs = [descriptor.name for descriptor in extractor.descriptors]
        missing = sorted(set(self._outputs) - set(session.outputs))
        if missing:
            raise InvalidExtractor(f"{extractor.name} declares {', '.join(missing)} and its graph has no such output")

    def encode(self, pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Compute every descriptor of prepared pictures of one shape.

        pixels: (n, h, w, 3) uint8 RGB · returns (n, dim) float32 by the descriptor's short name.
        """
        return self._session.run(pixels, self._outputs)


def check_device(device: Device) -> None:
    """Raise ProviderMissing when `device` is `cuda` and no CUDA device is bound, MissingExtra without ONNX Runtime."""
    if device == "cuda":
        Session(_SMALLEST_GRAPH, device)


def load_encoder(path: Path, device: Device = "auto") -> Encoder:
    """Load an extractor file, recompute its fingerprint and its golden vectors, and return it ready to run.

    Raises InvalidExtractor for a damaged file or a machine that computes other vectors or none, ProviderMissing when
    `device` is `cuda` and no CUDA device was bound, MissingExtra without ONNX Runtime.
    """
    extractor, data = read_extractor(path)
    encoder = Encoder(extractor, Session(data, device))
    try:
        golden.compare(extractor.name, extractor.golden, encode_golden(encoder))
    except InvalidExtractor:
        raise
    except Exception as error:  # whatever a graph gives in place of vectors, or needs to give them
        if lacks_memory(error) and not isinstance(error, OutOfMemory):  # not the graph's own need
            raise OutOfMemory("loading an extractor") from error
        raise InvalidExtractor(
            f"{extractor.name} does not compute vectors of the golden pictures here: {first_line(error)}"
        ) from error
    return encoder


def encode_golden(encoder: Encoder) -> dict[str, NDArray[np.float32]]:
    """Return the vectors of the golden pictures, (8, dim) float32 by descriptor."""
    rows = [
        encoder.encode(prepare(picture, encoder.extractor.preprocessing)[np.newaxis]) for picture in golden.pictures()
    ]
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def _providers(device: Device, onnxruntime: Any) -> list[str]:
    available: list[str] = onnxruntime.get_available_providers()
    if device == "cpu" or CUDA not in available:
        return [CPU]
    return [CUDA, CPU]
