"""The words of `bovw`: centres of the clusters that the descriptors of a folder's pictures form.

Clusters are found by mini-batch k-means, seeded, so the same pictures in the same order give the same words. The
Davies-Bouldin index tells how well so many words part the descriptors, lower is better: the mean over clusters of the
largest (s_i + s_j) / |w_i - w_j|, s the mean distance of a cluster's members from its centre.

Sources: D. Sculley, Web-scale k-means clustering, WWW 2010; D. L. Davies and D. W. Bouldin, A cluster separation
measure, TPAMI 1, 1979; both as scikit-learn computes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.errors import InvalidArgument, MissingExtra

from pixkin_export.classic.sift import NUMBERS

Run = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Runs a graph of `sift`: pixels (n, h, w, 3) to descriptors (n, points * 128)."""
Descriptors = NDArray[np.float32]

MOST = 200_000
"""Descriptors of a training, 100 MB: those of 1,000 pictures of 64x64 pixels, 4 pixels apart, are 169,000."""
BATCH = 1024


def sample(pictures: Iterable[NDArray[np.uint8]], run: Run, *, most: int = MOST, seed: int = 0) -> Descriptors:
    """Return the descriptors of pictures, (m, 128) float32: all, or `most` of them, drawn with equal chances.

    pictures: prepared for the graph, uint8 (h, w, 3) each.
    """
    # Every descriptor draws a lot and the smallest are kept, so the number of pictures need not be known before.
    draw = np.random.default_rng(seed)
    found, lots = [np.empty((0, NUMBERS), np.float32)], [np.empty(0)]
    for picture in pictures:
        found.append(run(picture[np.newaxis]).reshape(-1, NUMBERS))
        lots.append(draw.random(len(found[-1])))
        if sum(map(len, lots)) > 2 * most:
            found, lots = _smallest(found, lots, most)
    return _smallest(found, lots, most)[0][0]


def learn(descriptors: Descriptors, words: int, *, batch: int = BATCH, seed: int = 0) -> NDArray[np.float32]:
    """Return a vocabulary, (words, 128) float32.

    descriptors: (m, 128) float32 · batch: descriptors of a step. Raises InvalidArgument where there are no more
    different descriptors than words, or fewer than two words; MissingExtra without scikit-learn.
    """
    return np.asarray(_clusters(descriptors, words, batch, seed).cluster_centers_, np.float32)


def davies_bouldin(
    descriptors: Descriptors, sizes: Sequence[int], *, batch: int = BATCH, seed: int = 0
) -> dict[int, float]:
    """Return the index of a vocabulary of each size; raise what `learn` raises."""
    parted = {words: _clusters(descriptors, words, batch, seed).labels_ for words in sizes}
    from sklearn.metrics import davies_bouldin_score

    return {words: float(davies_bouldin_score(descriptors, labels)) for words, labels in parted.items()}


def _smallest(
    found: list[Descriptors], lots: list[NDArray[np.float64]], most: int
) -> tuple[list[Descriptors], list[NDArray[np.float64]]]:
    """Return the descriptors with the smallest lots, in their order, as lists of one array."""
    descriptors, drawn = np.concatenate(found), np.concatenate(lots)
    kept = np.sort(drawn.argsort(kind="stable")[:most])
    return [descriptors[kept]], [drawn[kept]]


def _clusters(descriptors: Descriptors, words: int, batch: int, seed: int) -> Any:
    """Return scikit-learn's fitted clusters."""
    _check(descriptors, words, batch)
    try:
        from sklearn.cluster import MiniBatchKMeans
    except ImportError:
        raise MissingExtra("learning a vocabulary", "onnx") from None
    return MiniBatchKMeans(words, batch_size=batch, n_init=1, random_state=seed).fit(descriptors)


def _check(descriptors: Descriptors, words: int, batch: int) -> None:
    if words < 2 or batch < 1:
        raise InvalidArgument(
            f"{words} words from {batch} descriptors a step cannot be learnt; give at least 2 words and a step of 1"
        )
    different = len(np.unique(descriptors, axis=0))
    if different <= words:
        raise InvalidArgument(
            f"{len(descriptors)} descriptors came, {different} of them different, and a vocabulary of {words} words "
            f"needs more than {words} different ones; give more pictures or fewer words"
        )
