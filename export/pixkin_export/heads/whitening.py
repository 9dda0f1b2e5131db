"""Descriptors that are projected on their principal components, learnt beforehand, and made shorter by it.

With the mean m, the components C (rows, orthonormal, by descending variance) and the variances v of a descriptor over a
set of pictures, y = C (x - m), cut to the first d components; whitened, each is divided by √v, so that the directions
that vary most do not decide alone; then y is divided by its length.

Sources: Jégou and Chum, Negative evidences and co-occurences in image retrieval: the benefit of PCA and whitening, ECCV
2012; Radenović, Tolias and Chum, Fine-tuning CNN image retrieval with no human annotation, TPAMI 2019.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import Norm
from pixkin_proto.errors import InvalidArgument

from pixkin_export.graph import Graph
from pixkin_export.heads.normalisation import add_norm, normalised
from pixkin_export.whitening import Whitening


def add_whitening(graph: Graph, vectors: str, whitening: Whitening, *, dims: int, whiten: bool) -> str:
    """Add the projection of vectors (n, d) on the first `dims` components, L2-normalised, float32 (n, dims).

    whiten: divide by the square roots of the eigenvalues. A vector that equals the mean becomes zero. Raises
    InvalidArgument for more dimensions than there are components.
    """
    weights = _projection(whitening, dims, whiten=whiten)
    centred = graph.add("Sub", vectors, whitening.mean.astype(np.float32))
    # A convolution, because a matrix product sums in another order for a batch than for one.
    as_map = graph.add("Unsqueeze", centred, np.array([2, 3]))
    kernel = weights.astype(np.float32)[:, :, np.newaxis, np.newaxis]
    projected = graph.add("Flatten", graph.add("Conv", as_map, kernel, kernel_shape=[1, 1]))
    return add_norm(graph, projected, Norm.L2)


def whitened(vectors: NDArray[np.float64], whitening: Whitening, *, dims: int, whiten: bool) -> NDArray[np.float64]:
    """Return vectors (…, d) projected on the first `dims` components and L2-normalised, (…, dims)."""
    weights = _projection(whitening, dims, whiten=whiten)
    return normalised((vectors - whitening.mean) @ weights.T, Norm.L2)


def _projection(whitening: Whitening, dims: int, *, whiten: bool) -> NDArray[np.float64]:
    most = len(whitening.components)
    if not 1 <= dims <= most:
        raise InvalidArgument(
            f"the whitening has {most} components, and {dims} dimensions are asked for; ask for 1 to {most}"
        )
    weights = whitening.components[:dims].astype(np.float64)
    return weights / np.sqrt(whitening.eigenvalues[:dims, np.newaxis]) if whiten else weights
