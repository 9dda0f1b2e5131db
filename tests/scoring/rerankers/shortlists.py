"""Shortlists whose inner products are exact in float32, so that ties are ties for a reference too."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor
from pixkin_scoring.plan import RERANKER_RULE
from pixkin_scoring.rerankers import RERANKERS
from pixkin_scoring.rerankers.reranker import Raw, Shortlist, Values

from tests.scoring.collections_of_vectors import text_of, whitening

DIM = 6
POINTS = np.array(
    [
        np.isin(range(DIM), places) * signs / 2
        for places in combinations(range(DIM), 4)
        for signs in ((1, 1, 1, 1, 1, 1), (1, -1, 1, 1, -1, 1))
    ],
    np.float32,
)
"""Unit vectors with four components of ±½: inner products are whole quarters."""
ZERO = np.zeros((1, DIM), np.float32)


def shortlist_of(query: NDArray[np.float32], vectors: NDArray[np.float32], name: str = "") -> Shortlist:
    """Return a shortlist in the order of the cosine, read-only, with what the reranker `name` needs."""
    cosine = vectors.astype(np.float64) @ query
    order = np.argsort(-cosine, kind="stable")
    rows, scores = vectors[order], (1 + cosine[order]) / 2
    for each in (query, rows, scores):
        each.setflags(write=False)
    descriptor = Descriptor("signed", len(query))
    needs = name and RERANKERS[name].needs(options_of(name))
    return Shortlist(
        *(query, rows, scores),
        raw=Raw(descriptor, query.astype(np.float64), rows),
        attachment=whitening(descriptor) if needs else None,
    )


def random_shortlist(count: int, seed: int, *, dim: int = 24, name: str = "") -> Shortlist:
    """Return a shortlist of unit vectors in clusters, a fifth of them copies of others."""
    draw = np.random.default_rng(seed)
    rows = draw.normal(size=(5, dim))[draw.integers(0, 5, count + 1)] + draw.normal(size=(count + 1, dim))
    copies = draw.random(count + 1) < 0.2
    rows[copies] = rows[draw.integers(0, count + 1, int(copies.sum()))]
    units = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return shortlist_of(units[0], units[1:], name)


def options_of(name: str, **given: float) -> Values:
    """Return the options of a reranker, as a plan would give them."""
    return RERANKER_RULE.parse(text_of(RERANKERS[name])).options | given


@st.composite
def shortlists(draw: st.DrawFn, *, most: int = 14) -> Shortlist:
    """Draw shortlists of one candidate and more, with copies, all equal ones and zero vectors."""
    choices = np.concatenate([ZERO, POINTS])
    few = draw(st.lists(st.integers(0, len(choices) - 1), min_size=1, max_size=5))
    places = draw(st.lists(st.sampled_from(few), min_size=1, max_size=most))
    query = POINTS[draw(st.integers(0, len(POINTS) - 1))].copy()
    return shortlist_of(query, choices[places])
