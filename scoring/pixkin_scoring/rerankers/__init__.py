"""Re-ranking: what is done to the first candidates. Reading RERANKERS is reading the list."""

from __future__ import annotations

from pixkin_scoring.rerankers.diffusion import DIFFUSION
from pixkin_scoring.rerankers.diversity import COLLAPSE, MMR
from pixkin_scoring.rerankers.k_reciprocal import K_RECIPROCAL
from pixkin_scoring.rerankers.reranker import Reranker
from pixkin_scoring.rerankers.whiten import WHITEN

RERANKERS: dict[str, Reranker] = {}
"""Every reranker by name."""


def register_reranker(reranker: Reranker) -> None:
    """Add a reranker."""
    RERANKERS[reranker.name] = reranker


for _reranker in (WHITEN, K_RECIPROCAL, DIFFUSION, MMR, COLLAPSE):
    register_reranker(_reranker)
