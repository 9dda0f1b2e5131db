"""PCA-whitening is learnt of a collection's vectors, in one pass over them and in memory that does not grow with them.

Jégou and Chum, Negative Evidences and Co-occurences in Image Retrieval: the Benefit of PCA and Whitening, ECCV 2012.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import InvalidArgument
from pixkin_proto.whitening import Whitening, unit_length

Floats = NDArray[np.float64]
RANK = 1e-10
"""Variances below this part of the largest are rounding: directions in which the vectors do not vary."""


@dataclass(frozen=True)
class Fit:
    """How to learn a whitening.

    dims: how many components to keep, None for all that vary · power: 0.5 divides by the standard deviation (full
    whitening), less divides less, 0 projects only: components count λ^-power · shrink: s of λ' = (1 − s) λ + s mean(λ),
    for fewer vectors than dimensions (Ledoit and Wolf, 2004) · normalise: l2 divides vectors by their length first.
    """

    dims: int | None = None
    power: float = 0.5
    shrink: float = 0.0
    normalise: str = ""

    def __post_init__(self) -> None:
        for name, value, most in (("power", self.power, 2.0), ("shrink", self.shrink, 1.0)):
            if not 0 <= value <= most:
                raise InvalidArgument(f"{name} is a number from 0 to {most:g}, not {value}")
        if self.dims is not None and self.dims < 1:
            raise InvalidArgument(f"dims is at least 1, not {self.dims}")


def fit_whitening(
    blocks: Iterable[tuple[list[str], NDArray[np.float32]]], descriptor: Descriptor, fit: Fit
) -> Whitening:
    """Learn a whitening of blocks of (ids, vectors (n, d) float32).

    Raises InvalidArgument for fewer vectors than dimensions without `shrink`, for vectors that do not vary, and for
    more `dims` than directions in which they do.
    """
    count, mean, covariance = moments((rows for _, rows in blocks), descriptor.dim, normalise=fit.normalise == "l2")
    if count <= descriptor.dim and not fit.shrink:
        raise InvalidArgument(
            f"{count:,} vectors cannot say how {descriptor.dim:,} dimensions vary; take more pictures, or regularise "
            "with --shrink 0.1"
        )
    variances, components = principal(covariance)
    shrunk = (1 - fit.shrink) * variances + fit.shrink * max(float(variances.mean()), 0.0)
    rank = int(np.count_nonzero(shrunk > RANK * shrunk[0])) if shrunk[0] > 0 else 0
    wanted = rank if fit.dims is None else fit.dims
    if not 1 <= wanted <= rank:
        raise InvalidArgument(
            f"the vectors of {descriptor.name} vary in {rank:,} of {descriptor.dim:,} directions, and "
            f"{wanted:,} are asked for; ask for fewer with --dims, or regularise with --shrink"
        )
    return Whitening(
        mean=mean,
        components=components[:wanted],
        eigenvalues=shrunk[:wanted] ** (2 * fit.power),
        fingerprint=descriptor.fingerprint,
        descriptor=descriptor.name.rpartition(".")[2],
        normalise=fit.normalise,
    )


def moments(blocks: Iterable[NDArray[np.float32]], dim: int, *, normalise: bool) -> tuple[int, Floats, Floats]:
    """Return number, mean (d,) and covariance (d, d), unbiased, of blocks of vectors (n, d).

    Sums are those of differences to the first block's mean, so that a large mean costs no digits.
    """
    count, total, products = 0, np.zeros(dim), np.zeros((dim, dim))
    origin: Floats | None = None
    for block in blocks:
        rows = block.astype(np.float64)
        if normalise:
            rows = unit_length(rows)
        if origin is None:
            origin = rows.mean(axis=0)
        rows -= origin
        count += len(rows)
        total += rows.sum(axis=0)
        products += rows.T @ rows
    if origin is None or count < 2:
        raise InvalidArgument(f"a whitening is learnt of at least 2 vectors, not {count}")
    offset = total / count
    return count, origin + offset, (products - count * np.outer(offset, offset)) / (count - 1)


def principal(covariance: Floats) -> tuple[Floats, Floats]:
    """Return variances (d,), descending and at least 0, and components (d, d) as rows.

    The largest entry of each component is positive, so that the same vectors give the same signs everywhere.
    """
    variances, vectors = np.linalg.eigh(covariance)
    components = vectors.T[::-1]
    largest = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, np.newaxis], axis=1)
    return np.maximum(variances[::-1], 0), components * np.sign(largest)
