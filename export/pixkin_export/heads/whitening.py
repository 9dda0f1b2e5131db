"""Descriptors that are projected on their principal components, learnt beforehand, and made shorter by it.

With the mean m, the components C (rows, orthonormal, by descending variance) and the variances v of a descriptor over a
set of pictures, y = C (x - m), cut to the first d components; whitened, each is divided by √v, so that the directions
that vary most do not decide alone; then y is divided by its length.

Sources: Jégou and Chum, Negative evidences and co-occurences in image retrieval: the benefit of PCA and whitening, ECCV
2012; Radenović, Tolias and Chum, Fine-tuning CNN image retrieval with no human annotation, TPAMI 2019.
"""

from __future__ import annotations

import numpy as np
from pixkin_proto.descriptors import Norm
from pixkin_proto.whitening import Whitening

from pixkin_export.graph import Graph
from pixkin_export.heads.normalisation import add_norm


def add_whitening(graph: Graph, vectors: str, whitening: Whitening, *, dims: int, whiten: bool) -> str:
    """Add the projection of vectors (n, d) on the first `dims` components, L2-normalised, float32 (n, dims).

    whiten: divide by the square roots of the eigenvalues. A vector that equals the mean becomes zero. Raises
    InvalidArgument for more dimensions than there are components.
    """
    weights = whitening.projection(dims, whiten=whiten)
    given = add_norm(graph, vectors, Norm.L2) if whitening.normalise else vectors
    centred = graph.add("Sub", given, whitening.mean.astype(np.float32))
    # A convolution, because a matrix product sums in another order for a batch than for one.
    as_map = graph.add("Unsqueeze", centred, np.array([2, 3]))
    kernel = weights.astype(np.float32)[:, :, np.newaxis, np.newaxis]
    projected = graph.add("Flatten", graph.add("Conv", as_map, kernel, kernel_shape=[1, 1]))
    return add_norm(graph, projected, Norm.L2)
