"""The space in which candidates are compared with each other: unit vectors whose inner product is their likeness."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import MEASURES, Kind

Floats32 = NDArray[np.float32]


def unit_vectors(vectors: NDArray[np.floating], measure: str) -> Floats32:
    """Return vectors (n, d) as (n, d) float32 of length 1; a zero vector stays zero.

    For the mass measures it is √(x / Σx), whose inner product is Bhattacharyya's sum (Hellinger's map); for the others
    x / ‖x‖, whose inner product is the cosine. So stages that compare candidates with each other need one matrix
    product, whichever measure found them.
    """
    rows = np.asarray(vectors, np.float64)
    if MEASURES[measure] is Kind.MASS:
        sums = rows.sum(axis=1, keepdims=True)
        return np.sqrt(rows / np.where(sums > 0, sums, 1)).astype(np.float32)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(norms > 0, norms, 1)).astype(np.float32)
