"""What an export is held to before it is written: its own declarations, and what its source computes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pixkin_embedding import golden
from pixkin_embedding.images import decode
from pixkin_embedding.limits import FOLDER_LIMITS
from pixkin_embedding.preprocessing import prepare
from pixkin_embedding.runtime import first_line
from pixkin_proto.descriptors import Descriptor, Norm
from pixkin_proto.errors import InvalidExtractor

from pixkin_export.asked import Asked
from pixkin_export.differences import ParityFailed, Row
from pixkin_export.gate_pictures import picture_files
from pixkin_export.sources.source import Source

Vectors = Mapping[str, NDArray[np.float32]]
Encode = Callable[[NDArray[np.uint8]], Vectors]
NORM_TOLERANCE = 1e-5
MAX_PIXEL = 1.0001 / 255
ALIKE = 0.9999
TIE = 1e-6
TOP = 10
_BATCHES = "export the network with a free batch dimension"
_ORDERS = {Norm.L1: 1, Norm.L2: 2}


def check_declared(extractor: str, descriptors: Sequence[Descriptor], vectors: Vectors) -> None:
    """Raise InvalidExtractor unless the vectors are as declared.

    vectors: (n, dim) float32 by descriptor, n different pictures. They must be finite, of the declared dimension, norm
    (zero vectors aside) and sign, and not all alike: a constant network would pass every other comparison.
    """
    for descriptor in descriptors:
        if fault := _fault(descriptor, vectors[descriptor.name]):
            raise InvalidExtractor(f"{extractor}: {descriptor.name} {fault}; correct the declaration or the graph")


def compare_with_source(asked: Asked, source: Source, encode: Encode) -> list[Row]:
    """Return how far the exported graph is from its source.

    Pictures are the files of `gate_pictures` and the golden ones; each is decoded once and goes through the source's
    own transforms and network, and through pixkin's preprocessing and the graph. encode: (n, h, w, 3) uint8 -> vectors.
    Raises ParityFailed when they differ too much, or the prepared pictures do.
    """
    decoded = {name: decode(data, FOLDER_LIMITS) for name, data in picture_files().items()}
    pictures = decoded | {f"golden {place}": picture for place, picture in enumerate(golden.pictures())}
    expected: dict[str, list[NDArray[np.float64]]] = {name: [] for name in asked.counted}
    computed: dict[str, list[NDArray[np.float64]]] = {name: [] for name in asked.counted}
    for name, picture in pictures.items():
        prepared = prepare(picture, source.preprocessing, FOLDER_LIMITS)
        seen = source.see(picture, asked.layers)
        _check_pixels(name, prepared, seen.pixels)
        vectors = encode(prepared[np.newaxis])
        for descriptor, vector in asked.expected(seen, prepared).items():
            expected[descriptor].append(vector)
            computed[descriptor].append(vectors[descriptor][0].astype(np.float64))
    rows = [
        _row(name, np.stack(expected[name]), np.stack(computed[name]), list(pictures), counted=counted)
        for name, counted in asked.counted.items()
    ]
    if failed := [row for row in rows if not row.passed]:
        row = failed[0]
        raise ParityFailed(
            f"the graph does not compute what {source.against} computes: {row.descriptor} has cosine {row.cosine:.6f} "
            f"and differs by {row.difference:.0e} on the picture {row.worst!r}; nothing was written",
            rows,
        )
    return rows


def check_batches(extractor: str, encode: Encode, pictures: NDArray[np.uint8]) -> None:
    """Raise InvalidExtractor unless pictures together give what each gives alone.

    pictures: (n, h, w, 3) uint8, prepared, different from each other.
    """
    alone = [encode(picture[np.newaxis]) for picture in pictures]
    try:
        together = encode(pictures)
    except Exception as error:  # ONNX Runtime raises a dozen unrelated types
        raise InvalidExtractor(
            f"{extractor} computes one picture at a time ({first_line(error)}); {_BATCHES}"
        ) from error
    for name, vectors in together.items():
        expected = np.concatenate([each[name] for each in alone])
        if vectors.shape != expected.shape or not np.allclose(vectors, expected, rtol=1e-3, atol=1e-4):
            raise InvalidExtractor(f"{extractor} computes another {name} of several pictures at a time; {_BATCHES}")


def _check_pixels(name: str, prepared: NDArray[np.uint8], seen: NDArray[np.float64]) -> None:
    ours = prepared.astype(np.float64) / 255
    if ours.shape != seen.shape or not abs(ours - seen).max() <= MAX_PIXEL:
        how = f"by {abs(ours - seen).max():.3f}" if ours.shape == seen.shape else f"{ours.shape} and not {seen.shape}"
        raise ParityFailed(
            f"the picture {name!r} is prepared in another way than its source does ({how}); nothing was written", []
        )


def _row(
    descriptor: str,
    expected: NDArray[np.float64],
    computed: NDArray[np.float64],
    names: Sequence[str],
    *,
    counted: bool,
) -> Row:
    differences = abs(expected - computed)
    if counted:
        far = differences.sum(axis=1) / np.maximum(abs(expected).sum(axis=1), 1e-12)
    else:
        far = differences.max(axis=1) / np.maximum(abs(expected).max(axis=1), 1.0)
    worst = int(far.argmax())
    return Row(
        descriptor,
        float(golden.cosines(expected, computed).min()),
        float(far[worst]),
        names[worst],
        _same_order(expected, computed),
        counted,
    )


def _same_order(expected: NDArray[np.float64], computed: NDArray[np.float64]) -> bool:
    """Whether each picture's TOP nearest by cosine are the same, but for those that are as near as each other."""
    wanted, found = (_similarities(each) for each in (expected, computed))
    order = np.argsort(-found, axis=1, kind="stable")[:, :TOP]
    best = -np.sort(-wanted, axis=1)[:, :TOP]
    return bool((abs(np.take_along_axis(wanted, order, axis=1) - best) <= TIE).all())


def _similarities(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(lengths > 0, lengths, 1.0)
    return unit @ unit.T + (lengths == 0) * (lengths == 0).T  # two zero vectors are alike


def _fault(descriptor: Descriptor, vectors: NDArray[np.float32]) -> str:
    if vectors.ndim != 2 or vectors.shape[1] != descriptor.dim or not np.isfinite(vectors).all():
        return f"is declared as {descriptor.dim} finite numbers and has the shape {vectors.shape}"
    if descriptor.non_negative and (vectors < 0).any():
        return "is declared non-negative and has negative components"
    if descriptor.norm in _ORDERS:
        lengths = np.linalg.norm(vectors.astype(np.float64), ord=_ORDERS[descriptor.norm], axis=1)
        if (abs(lengths[lengths > 0] - 1) > NORM_TOLERANCE).any():
            return f"is declared with norm {descriptor.norm} and has lengths from {lengths.min()} to {lengths.max()}"
    if len(vectors) > 1 and _similarities(vectors.astype(np.float64)).min() > ALIKE:
        return f"is the same for every picture (every cosine is above {ALIKE})"
    return ""
