"""What an export is held to before it is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from pixkin_embedding.golden import MIN_COSINE
from pixkin_proto.descriptors import Descriptor, Norm
from pixkin_proto.errors import InvalidExtractor

Vectors = Mapping[str, NDArray[np.float32]]
NORM_TOLERANCE = 1e-5
_ORDERS = {Norm.L1: 1, Norm.L2: 2}


def check_declared(extractor: str, descriptors: Sequence[Descriptor], vectors: Vectors) -> None:
    """Raise InvalidExtractor unless the vectors are as declared.

    vectors: (n, dim) float32 by descriptor, n different pictures. They must be finite, of the declared dimension, norm
    (zero vectors aside) and sign, and not all alike: a constant network would pass every other comparison.
    """
    for descriptor in descriptors:
        if fault := _fault(descriptor, vectors[descriptor.name]):
            raise InvalidExtractor(f"{extractor}: {descriptor.name} {fault}; correct the declaration or the graph")


def compare_with_reference(
    model: onnx.ModelProto, picture: NDArray[np.uint8], outputs: Vectors
) -> list[dict[str, Any]]:
    """Return a table of how far ONNX Runtime is from the reference implementation of ONNX.

    picture: (1, h, w, 3) uint8 RGB · outputs: what ONNX Runtime computed of it, (1, d) float32 by descriptor. Raises
    InvalidExtractor below a cosine of 0.999.
    """
    reference = ReferenceEvaluator(model).run(list(outputs), {"pixels": picture})
    return [_row(name, vector, other) for (name, vector), other in zip(outputs.items(), reference, strict=True)]


def _row(descriptor: str, computed: NDArray[np.float32], expected: NDArray[np.float32]) -> dict[str, Any]:
    a, b = computed.astype(np.float64).ravel(), expected.astype(np.float64).ravel()
    cosine = float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
    if not cosine >= MIN_COSINE:
        raise InvalidExtractor(
            f"ONNX Runtime and the reference implementation disagree on {descriptor} (cosine {cosine:.4f}, at least "
            f"{MIN_COSINE} is needed); try another version of onnxruntime"
        )
    return {"descriptor": descriptor, "cosine": round(cosine, 6), "max_difference": f"{abs(a - b).max():.0e}"}


def _fault(descriptor: Descriptor, vectors: NDArray[np.float32]) -> str:
    if vectors.ndim != 2 or vectors.shape[1] != descriptor.dim or not np.isfinite(vectors).all():
        return f"is declared as {descriptor.dim} finite numbers and has the shape {vectors.shape}"
    if descriptor.non_negative and (vectors < 0).any():
        return "is declared non-negative and has negative components"
    if descriptor.norm in _ORDERS:
        lengths = np.linalg.norm(vectors.astype(np.float64), ord=_ORDERS[descriptor.norm], axis=1)
        if (abs(lengths[lengths > 0] - 1) > NORM_TOLERANCE).any():
            return f"is declared with norm {descriptor.norm} and has lengths from {lengths.min()} to {lengths.max()}"
    if len(vectors) > 1 and (abs(vectors - vectors[0]).max() <= NORM_TOLERANCE * abs(vectors).max()):
        return "is the same for every picture"
    return ""
