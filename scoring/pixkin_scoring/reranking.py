"""A reranker takes the first candidates; those behind follow."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixkin_scoring.costs import COSTS
from pixkin_scoring.fusing import Ranked
from pixkin_scoring.items import Collection
from pixkin_scoring.rerankers import RERANKERS
from pixkin_scoring.rerankers.reranker import Raw, Shortlist
from pixkin_scoring.stages import Stage
from pixkin_scoring.stores import Store


def reranked(store: Store, collection: Collection, ranking: Ranked, stage: Stage) -> Ranked:
    """Return a ranking with its first `top` re-ranked by a stage.

    Those behind keep their order, and their scores are scaled to stay below.
    """
    top = min(int(stage.options["top"]), len(ranking.vectors))
    if not top:
        return ranking
    entry, raw = RERANKERS[stage.name], ranking.raw
    shortlist = Shortlist(
        query=ranking.query,
        vectors=ranking.vectors[:top],
        scores=ranking.scores[:top],
        raw=None if raw is None else replace(raw, vectors=raw.vectors[:top]),
        ids=ranking.ids[:top],
        attachment=_needed(store, collection, raw, stage),
    )
    began = time.monotonic()
    order = entry.apply(shortlist, stage.options)
    COSTS.learn(stage.name, top, (time.monotonic() - began) * 1000)
    if order.vectors is not None and order.query is not None:
        # Behind them nothing was projected, and no later stage may look there.
        ranking = replace(ranking, query=order.query, vectors=order.vectors)
    places = np.concatenate([order.places, np.arange(top, len(ranking.ids))])
    kept = places[places < len(ranking.vectors)]
    return replace(
        ranking,
        ids=[ranking.ids[at] for at in places],
        scores=np.concatenate([order.scores, behind(ranking.scores[top:], float(order.scores[-1]))]),
        values=ranking.values[places],
        vectors=ranking.vectors[kept],
        raw=None if raw is None else replace(raw, vectors=raw.vectors[places[places < len(raw.vectors)]]),
    )


def _needed(store: Store, collection: Collection, raw: Raw | None, stage: Stage) -> Any:
    needed = RERANKERS[stage.name].needed
    if needed is None or not needed.wanted(stage.options):
        return None
    return needed.load(store, collection, raw, stage.options)


def behind(scores: NDArray[np.float64], last: float) -> NDArray[np.float64]:
    """Return descending scores (n,) scaled so that none is above `last`."""
    if not len(scores) or scores[0] <= last:
        return scores
    found: NDArray[np.float64] = scores * (last / scores[0])
    return found
