"""Late fusion: several rankings of one collection become one.

Every ranking is given for the union of their candidates. Reading FUSIONS, at the end of the file, is reading the list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pixkin_scoring.stages import Option

Floats = NDArray[np.float64]
Values = Mapping[str, int | float | str]


@dataclass(frozen=True)
class Fusion:
    """One way to make one ranking of several.

    options: the first is `top`, how many of the first candidates of each descriptor it looks at; those behind follow ·
    fuse: (scores (m, n) by descriptor and candidate, weights (m,) above 0, options) -> (n,) scores in 0 to 1, higher is
    better.
    """

    name: str
    options: Mapping[str, Option]
    fuse: Callable[[Floats, Floats, Values], Floats]
    note: str = ""


TOP = Option(int, 500, 1, 100_000, note="how many of the first candidates of each descriptor it looks at")

FUSIONS: dict[str, Fusion] = {}
"""Every fusion by name; the first is the default."""


def register_fusion(fusion: Fusion) -> None:
    """Add a fusion."""
    FUSIONS[fusion.name] = fusion


def weighted(scores: Floats, weights: Floats, _options: Values) -> Floats:
    """Return Σ wᵢ s̃ᵢ / Σ wᵢ, s̃ scaled to 0 for the worst and 1 for the best candidate (min-max).

    Fox and Shaw, Combination of Multiple Searches (CombSUM), TREC-2, 1994.
    """
    return _mean(_scaled(scores), weights)


def reciprocal_rank(scores: Floats, weights: Floats, options: Values) -> Floats:
    """Return Σ wᵢ / (k + rankᵢ), in shares of what a candidate has that is first everywhere.

    Equal scores have the same, best rank. Cormack, Clarke and Büttcher, Reciprocal Rank Fusion, SIGIR 2009.
    """
    k = float(options["k"])
    ranks = 1 + np.array([np.searchsorted(np.sort(-row), -row) for row in scores])
    return _mean((k + 1) / (k + ranks), weights)


def adaptive(scores: Floats, weights: Floats, _options: Values) -> Floats:
    """Return the weighted sum with each weight divided by the area below its sorted, scaled scores.

    A descriptor that tells few candidates apart from the many falls steeply and has a small area: it is trusted
    more for this query. After Zheng et al., Query-Adaptive Late Fusion for Image Search and Person Re-identification,
    CVPR 2015.
    """
    areas = _scaled(scores).mean(axis=1)
    return weighted(scores, weights / np.maximum(areas, 1 / scores.shape[1]), {})


def _mean(scores: Floats, weights: Floats) -> Floats:
    """Return the weighted mean of every column; a matrix product may round those of two equal columns differently."""
    found: Floats = (scores * weights[:, np.newaxis]).sum(axis=0) / weights.sum()
    return np.minimum(found, 1)


def _scaled(scores: Floats) -> Floats:
    least, most = scores.min(axis=1, keepdims=True), scores.max(axis=1, keepdims=True)
    found: Floats = (scores - least) / np.where(most > least, most - least, 1)
    return found


register_fusion(Fusion("weighted", {"top": TOP}, weighted, "the weighted mean of the scores"))
register_fusion(
    Fusion(
        "rrf",
        {"top": TOP, "k": Option(int, 60, 1, 10_000, note="the larger, the less the first ranks stand out")},
        reciprocal_rank,
        "by the ranks alone (reciprocal rank fusion)",
    )
)
register_fusion(
    Fusion("adaptive", {"top": TOP}, adaptive, "weighted, and more for a descriptor that tells few from many")
)
