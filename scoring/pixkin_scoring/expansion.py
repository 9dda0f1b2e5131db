"""Query expansion: the first answers join the query, and the mean of them asks again.

Reading EXPANSIONS, at the end of the file, is reading the list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import MEASURES, Kind

from pixkin_scoring.stages import Option

Floats = NDArray[np.float64]
Weights = Callable[[Floats, Mapping[str, int | float | str]], Floats]

MOST = 1000
ANGLES = ("cosine", "angular")
SHORTLIST = Option(
    int, 0, 0, 100_000, note="of how many of the first candidates it chooses; 0 asks the whole collection again"
)
ANSWERS = "how many answers join the query"


@dataclass(frozen=True)
class Expansion:
    """One way to expand a query.

    weights: (likeness (n,), options) -> (n,), what each of the first n answers counts beside the query, which counts 1.
    Likeness is the inner product of `geometry.unit_vectors`, 0 to 1.
    """

    name: str
    options: Mapping[str, Option]
    weights: Weights
    note: str = ""


EXPANSIONS: dict[str, Expansion] = {}
"""Every expansion by name."""


def register_expansion(expansion: Expansion) -> None:
    """Add an expansion. Its options hold `n`, how many answers join the query, and `shortlist`."""
    EXPANSIONS[expansion.name] = expansion


def expanded(
    query: Floats, answers: NDArray[np.float32], weights: Floats, measure: str, *, normalise: bool = True
) -> Floats:
    """Return the weighted mean of a query (d,) and its first answers (n, d): (q + Σ wᵢ xᵢ) / (1 + Σ wᵢ), (d,).

    Vectors and mean are divided by their length for cosine and angular, by their sum for the mass measures unless
    `normalise` is False, and taken as they are for euclidean and manhattan, which compare sizes too. A mean that
    vanishes leaves the query as it was.
    """
    rows = np.concatenate([query[np.newaxis], answers.astype(np.float64)])
    shares = np.concatenate([[1.0], weights]) / (1 + weights.sum())
    mean = shares @ _normalised(rows, measure, normalise=normalise)
    found: Floats = _normalised(mean[np.newaxis], measure, normalise=normalise)[0]
    return found if found.any() else query


def _normalised(rows: Floats, measure: str, *, normalise: bool) -> Floats:
    if MEASURES[measure] is Kind.MASS:
        sizes = rows.sum(axis=1, keepdims=True) if normalise else np.ones(1)
    else:
        sizes = np.linalg.norm(rows, axis=1, keepdims=True) if measure in ANGLES else np.ones(1)
    found: Floats = rows / np.where(sizes > 0, sizes, 1)
    return found


def _equal(likeness: Floats, _options: Mapping[str, int | float | str]) -> Floats:
    return np.ones_like(likeness)


def _alpha(likeness: Floats, options: Mapping[str, int | float | str]) -> Floats:
    found: Floats = likeness ** float(options["a"])
    return found


# Chum et al., Total Recall: Automatic Query Expansion with a Generative Feature Model for Object Retrieval, ICCV 2007.
register_expansion(
    Expansion(
        "average",
        {"n": Option(int, 5, 1, MOST, note=ANSWERS), "shortlist": SHORTLIST},
        _equal,
        "the query and its best answers, averaged, ask again",
    )
)
# Radenović, Tolias, Chum, Fine-tuning CNN Image Retrieval with No Human Annotation, PAMI 2019: weights are likeness^a.
register_expansion(
    Expansion(
        "alpha",
        {
            "n": Option(int, 10, 1, MOST, note=ANSWERS),
            "a": Option(float, 3.0, 0, 100, note="how much more the likest answers count"),
            "shortlist": SHORTLIST,
        },
        _alpha,
        "the same, each answer weighted by its likeness",
    )
)
