"""What is shown of what was found: results that differ from each other, and near-duplicates once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pixkin_scoring.rerankers.reranker import TOP, Order, Phase, Reranker, Shortlist, Values
from pixkin_scoring.stages import Option

Floats = NDArray[np.float64]


def mmr(shortlist: Shortlist, options: Values) -> Order:
    """Choose one after the other what is most λ score − (1 − λ) likeness to the chosen: maximal marginal relevance.

    Scores so far are scaled so that the best is 1; likeness is the inner product, 0 where negative. The score is the
    value at which an item was chosen, plus 1 − λ. Carbonell and Goldstein, The Use of MMR, SIGIR 1998.
    """
    share = float(options["lambda"])
    wanted = share * shortlist.scores / (shortlist.scores.max() or 1.0)
    likeness = np.maximum(shortlist.vectors @ shortlist.vectors.T, 0).astype(np.float64)
    closest = np.zeros(len(wanted))
    free = np.ones(len(wanted), np.bool_)
    places, scores = [], []
    for _ in range(len(wanted)):
        worth = np.where(free, wanted - (1 - share) * closest, -np.inf)
        best = int(np.argmax(worth))
        places.append(best)
        scores.append(max(worth[best] + 1 - share, 0.0))
        free[best] = False
        closest = np.maximum(closest, likeness[best])
    return Order(np.array(places, np.intp), np.minimum.accumulate(np.array(scores)))


def collapse(shortlist: Shortlist, options: Values) -> Order:
    """Leave out what is as good as a better hit: inner product of at least `above`. Scores stay."""
    likeness = shortlist.vectors @ shortlist.vectors.T
    near = likeness >= float(options["above"])
    places: list[int] = []
    for at in range(len(near)):
        if not near[at, places].any():
            places.append(at)
    return Order(np.array(places, np.intp), shortlist.scores[places])


MMR = Reranker(
    "mmr",
    {
        "top": Option(int, 100, 2, 1000, note=TOP),
        "lambda": Option(float, 0.7, 0, 1, note="1 for likeness alone, 0 for difference alone"),
    },
    mmr,
    phase=Phase.CHOOSE,
    note="results that differ from each other",
)
COLLAPSE = Reranker(
    "collapse",
    {
        "top": Option(int, 200, 2, 5000, note=TOP),
        "above": Option(float, 0.99, 0, 1, note="the likeness from which two pictures count as one"),
    },
    collapse,
    phase=Phase.CHOOSE,
    note="near-duplicates once",
)
