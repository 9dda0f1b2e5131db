"""A plan for every stage that there is, over the collection of `collections_of_vectors`."""

from __future__ import annotations

from dataclasses import replace

from pixkin_scoring.expansion import EXPANSIONS
from pixkin_scoring.fusion import FUSIONS
from pixkin_scoring.plan import DescriptorChoice, Plan
from pixkin_scoring.rerankers import RERANKERS
from pixkin_scoring.rerankers.reranker import Phase

from tests.scoring.collections_of_vectors import text_of

COSINE = Plan(descriptors=(DescriptorChoice("signed", "cosine"),))
CHI2 = Plan(descriptors=(DescriptorChoice("mass", "chi2"),))
BOTH = Plan(descriptors=(DescriptorChoice("signed", "cosine", 2), DescriptorChoice("mass", "chi2")))


def _expansions() -> dict[str, Plan]:
    return {
        f"{name} {kind} {'again' if not shortlist else 'shortlist'}": replace(
            plan, expand=f"{name}:n=4,shortlist={shortlist}"
        )
        for name in EXPANSIONS
        for kind, plan in (("cosine", COSINE), ("chi2", CHI2))
        for shortlist in (0, 60)
    }


def _rerankers() -> dict[str, Plan]:
    return {
        f"{entry.name} {kind}": replace(plan, rerank=(text_of(entry),))
        for entry in RERANKERS.values()
        for kind, plan in (("cosine", COSINE), ("chi2", CHI2), ("both", BOTH))
        if kind == "cosine" or entry.phase is not Phase.SPACE
    }


def _fusions() -> dict[str, Plan]:
    return {name: replace(BOTH, fuse=name) for name in FUSIONS}


def _several() -> dict[str, Plan]:
    judged = tuple(text_of(entry) for entry in RERANKERS.values() if entry.phase is Phase.JUDGE)
    chosen = tuple(text_of(entry) for entry in RERANKERS.values() if entry.phase is Phase.CHOOSE)
    every = tuple(text_of(entry) for entry in sorted(RERANKERS.values(), key=lambda entry: entry.phase))
    return {
        "every reranker": replace(COSINE, rerank=every),
        "everything": replace(BOTH, expand="alpha:n=3,shortlist=80", fuse="rrf", rerank=(*judged, *chosen)),
        "few fused": replace(BOTH, fuse="weighted:top=20"),
        "few re-ranked": replace(CHI2, rerank=("k-reciprocal:top=30,k1=5", "mmr:top=10")),
        "kept graph cosine": replace(COSINE, rerank=("diffusion:graph=kept,stale=use",)),
        "kept graph chi2": replace(CHI2, rerank=("diffusion:top=200,k=20,graph=kept,stale=rebuild", "mmr")),
        "a stated depth": replace(BOTH, candidates="exact:depth=40", rerank=("diffusion",)),
        "one descriptor twice": replace(
            BOTH, descriptors=(DescriptorChoice("mass", "chi2"), DescriptorChoice("mass", "intersection", 0.5))
        ),
        "euclidean": replace(COSINE, descriptors=(DescriptorChoice("signed", "euclidean"),), expand="average:n=4"),
        "as stored": replace(CHI2, normalise="none", expand="average:n=4", rerank=("mmr",)),
    }


PLANS = {"cosine": COSINE, "chi2": CHI2} | _expansions() | _fusions() | _rerankers() | _several()
"""By what they show; a stage that is registered has its plans."""
