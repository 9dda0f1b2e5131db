"""A bag of visual words: how often each word of a vocabulary is the nearest to a patch of the picture.

The word of a point x of dense SIFT (see `sift`) is that with the smallest |x - w|², the first of equals. Component w is
the number of points with the word w, divided by all points, so the components sum to 1. The vocabulary is part of the
graph; `vocabulary` learns one.

Source: J. Sivic and A. Zisserman, Video Google: a text retrieval approach to object matching in videos, ICCV 2003; on a
dense grid: L. Fei-Fei and P. Perona, A Bayesian hierarchical model for learning natural scene categories, CVPR 2005.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from pixkin_proto.errors import InvalidArgument

from pixkin_export.classic import sift
from pixkin_export.classic.counting import add_shares, shares
from pixkin_export.graph import Graph

Vocabulary = NDArray[np.float32]

STEP = 4
"""Pixels between points. Corel-1k with 400 words and chi2: mAP 0.330, with steps of 8 pixels 0.284."""


def add(
    graph: Graph,
    *,
    vocabulary: Vocabulary,
    size: tuple[int, int] = sift.SIZE,
    cell: int = 4,
    step: int = STEP,
    root: bool = True,
) -> str:
    """Add the shares of words of pixels uint8 (n, *size, 3): float32 (n, words), sum 1.

    vocabulary: (words, 128) float32, learnt from descriptors of the same `cell` and `root`. Raises InvalidArgument for
    another shape, numbers that are not finite, and what `sift.add` cannot do.
    """
    words = dim(vocabulary=vocabulary)
    points = sift.add_points(graph, size=size, cell=cell, step=step, root=root)
    nearest = graph.add("ArgMin", _distances(graph, points, vocabulary), axis=1, keepdims=0)
    rows = graph.add("Shape", nearest)
    count, total = (graph.add("Slice", rows, np.array([axis]), np.array([axis + 1])) for axis in range(2))
    return add_shares(graph, nearest, words, count=count, total=total, rows=rows)


def formula(
    pixels: NDArray[np.uint8],
    *,
    vocabulary: Vocabulary,
    size: tuple[int, int] = sift.SIZE,
    cell: int = 4,
    step: int = STEP,
    root: bool = True,
) -> NDArray[np.float64]:
    """Return the shares of words of pixels (*size, 3), float64 (words,)."""
    points = sift.formula(pixels, size=size, cell=cell, step=step, root=root).reshape(-1, sift.NUMBERS)
    nearest = [((vocabulary.astype(np.float64) - point) ** 2).sum(axis=1).argmin() for point in points]
    return shares(np.array(nearest), dim(vocabulary=vocabulary))


def dim(*, vocabulary: Vocabulary, **_of_sift: object) -> int:
    """Return the number of components: words."""
    if vocabulary.ndim != 2 or vocabulary.shape[1] != sift.NUMBERS or not len(vocabulary):
        raise InvalidArgument(
            f"a vocabulary has the shape (words, {sift.NUMBERS}), this one {vocabulary.shape}; learn it anew"
        )
    if not np.isfinite(vocabulary).all():
        raise InvalidArgument("this vocabulary has numbers that are not finite; learn it anew")
    return len(vocabulary)


def _distances(graph: Graph, points: str, vocabulary: Vocabulary) -> str:
    """Add |w|² - 2 w·x, which is |x - w|² up to a term that all words share: float64 (n, words, points)."""
    words = graph.add("Cast", vocabulary.astype(np.float32), to=onnx.TensorProto.DOUBLE)
    turned = graph.add("Mul", graph.add("Transpose", points, perm=[0, 2, 1]), np.float64(-2))
    squares = (vocabulary.astype(np.float64) ** 2).sum(axis=1)
    return graph.add("Add", graph.add("MatMul", words, turned), squares[:, np.newaxis])
