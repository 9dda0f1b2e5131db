"""Rerankers are compiled and their costs are learnt before the first search needs them."""

from __future__ import annotations

import time

import numpy as np

from pixkin_scoring.costs import COSTS
from pixkin_scoring.rerankers import RERANKERS
from pixkin_scoring.rerankers.reranker import Shortlist

CANDIDATES, DIM = 200, 512


def warm_rerankers() -> None:
    """Run every reranker that needs no attachment, first to compile it, then to learn what it costs."""
    draw = np.random.default_rng(0)
    points = draw.standard_normal((CANDIDATES + 1, DIM)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    shortlist = Shortlist(points[0], points[1:], np.linspace(1, 0.5, CANDIDATES))
    for reranker in RERANKERS.values():
        options = {key: option.default for key, option in reranker.options.items() if option.default is not None}
        if reranker.needs(options):
            continue
        reranker.apply(shortlist, options)
        began = time.monotonic()
        reranker.apply(shortlist, options)
        COSTS.learn(reranker.name, CANDIDATES, (time.monotonic() - began) * 1000)
