"""Re-ranking and whitening: what stages cost, and how whitening compares with numpy's own steps and scikit-learn.

Times of stages are medians; a whitening is fitted in turns with its floor. `--small` fits 20,000 × 512 in place of
100,000 × 2,048, which takes 4 GB and some minutes.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import median

import numpy as np
import report
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor
from pixkin_scoring.examples import QueryVector
from pixkin_scoring.expansion import expanded
from pixkin_scoring.fitting import Fit, fit_whitening
from pixkin_scoring.items import Item
from pixkin_scoring.neighbour_graph import DEFAULT_NEIGHBOURS, NeighbourGraph, likeness_of
from pixkin_scoring.neighbourhoods import Neighbourhoods, digests_of, nearest
from pixkin_scoring.plan import RERANKER_RULE, Plan
from pixkin_scoring.rerankers import RERANKERS
from pixkin_scoring.rerankers.kept_graph import KeptGraph
from pixkin_scoring.rerankers.reranker import Raw, Shortlist
from pixkin_scoring.search import search
from pixkin_scoring.stores import open_store
from threadpoolctl import threadpool_limits

PACKAGES = ("numpy", "numba", "scikit-learn")
SMALL = "--small" in sys.argv
ROWS, DIM, KEPT = (20_000, 512, 128) if SMALL else (100_000, 2_048, 512)
BLOCK = 8192
STAGE_MS = {"k-reciprocal": (200, 5.0), "diffusion": (1000, 20.0)}
EXPANSION_MS, SHORTLIST_RATIO = 0.05, 1.05
FLOOR_RATIO, PEER_RATIO, BEYOND_MIB = 1.15, 5.0, 300.0


def measure() -> Iterator[report.Row]:
    """Yield a row for each figure."""
    yield from _whitening()
    with threadpool_limits(1, user_api="blas"):
        yield from _stages()
        yield from _shortlist()


def _timed(call: Callable[[], object], *, times: int = 15) -> float:
    """Return the median milliseconds of a call."""
    call()
    found = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        found.append((time.perf_counter() - began) * 1000)
    return median(found)


def _whitening() -> Iterator[report.Row]:
    draw = np.random.default_rng(0)
    vectors = draw.standard_normal((ROWS, DIM), dtype=np.float32)
    vectors *= np.geomspace(3, 0.05, DIM, dtype=np.float32)  # in place: a copy would hide what fitting takes
    descriptor = Descriptor("bench", DIM)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def ours() -> None:
        fit_whitening((([], vectors[at : at + BLOCK]) for at in range(0, ROWS, BLOCK)), descriptor, Fit(KEPT))

    ours()
    beyond = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    pairs = [(_timed(ours, times=1), _timed(lambda: _floor(vectors), times=1)) for _ in range(3)]
    mine, floor = (median(column) for column in zip(*pairs, strict=True))
    name = f"whitening {ROWS:,} × {DIM:,} to {KEPT}"
    yield {"figure": f"{name}, s", "value": mine / 1000, "limit": "", "ok": True}
    yield report.at_most(f"{name}, × numpy's syrk + eigh", mine / floor, FLOOR_RATIO)
    yield report.at_most(f"{name}, MiB beyond the data", beyond, BEYOND_MIB)
    yield report.at_least(f"{name}, × faster than scikit-learn's default", _peer(vectors) / mine, PEER_RATIO)


def _floor(vectors: NDArray[np.float32]) -> None:
    """Sum products in double precision, block by block, and solve: the least that PCA needs in this memory."""
    products = np.zeros((DIM, DIM))
    for at in range(0, ROWS, BLOCK):
        rows = vectors[at : at + BLOCK].astype(np.float64)
        products += rows.T @ rows
    np.linalg.eigh(products)


def _peer(vectors: NDArray[np.float32]) -> float:
    from sklearn.decomposition import PCA

    began = time.perf_counter()
    PCA(KEPT, whiten=True).fit(vectors)
    return (time.perf_counter() - began) * 1000


def _stages() -> Iterator[report.Row]:
    draw = np.random.default_rng(0)
    centres = draw.standard_normal((20, 512))
    for name, (count, limit) in STAGE_MS.items():
        points = centres[draw.integers(0, 20, count + 1)] + draw.standard_normal((count + 1, 512))
        points = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
        shortlist = Shortlist(points[0], points[1:], np.linspace(1, 0.5, count))
        reranker = RERANKERS[name]
        options = {key: option.default for key, option in reranker.options.items() if option.default is not None}
        ms = _timed(lambda reranker=reranker, shortlist=shortlist, options=options: reranker.apply(shortlist, options))
        yield report.at_most(f"{name} of {count} × 512, ms", ms, limit)
    for dim in (512, 2048):
        yield from _diffusions(dim)
    query, answers = draw.standard_normal(512), draw.standard_normal((5, 512)).astype(np.float32)
    ms = _timed(lambda: expanded(query, answers, np.ones(5), "cosine"), times=200)
    yield report.at_most("expansion, arithmetic, ms", ms, EXPANSION_MS)


def _diffusions(dim: int) -> Iterator[report.Row]:
    """Time diffusion over the best 1,000 of 5,000 points, by their own graph and by a kept one, new or old."""
    draw = np.random.default_rng(0)
    points = draw.standard_normal((50, dim))[draw.integers(0, 50, 5000)] + draw.standard_normal((5000, dim))
    units = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    ids = tuple(f"{number:04}" for number in range(5000))
    neighbours = nearest(units, np.arange(5000), DEFAULT_NEIGHBOURS)
    near = Neighbourhoods(ids, digests_of(units), neighbours)
    kept = NeighbourGraph(1, 5000, near, likeness_of(units, neighbours, np.arange(5000)))
    best = np.argsort(-(units @ units[0]))[1:1001]
    shortlist = Shortlist(
        *(units[0], units[best], np.linspace(1, 0.5, 1000)),
        raw=Raw(Descriptor("bench", dim), units[0].astype(np.float64), units[best]),
        ids=[ids[at] for at in best],
    )
    for name, text, graph in (
        ("", "diffusion", None),
        (", kept graph", "diffusion:graph=kept", KeptGraph(kept, current=True)),
        (", kept graph, stale=use", "diffusion:graph=kept", KeptGraph(kept, current=False)),
    ):
        options = RERANKER_RULE.parse(text).options
        asked = replace(shortlist, attachment=graph)
        ms = _timed(lambda asked=asked, options=options: RERANKERS["diffusion"].apply(asked, options))
        yield report.at_most(f"diffusion of 1000 of 5000 × {dim}{name}, ms", ms, STAGE_MS["diffusion"][1])


def _shortlist() -> Iterator[report.Row]:
    draw = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(folder + "/store")
        store.create("c", [Descriptor("v", 512)])
        items = (Item(f"{at:06d}", vectors={"v": draw.standard_normal(512, dtype=np.float32)}) for at in range(100_000))
        for added in store.add("c", items, deadline=time.monotonic() + 600):
            if added.error:
                raise added.error
        query = [QueryVector(vectors={"v": draw.standard_normal(512, dtype=np.float32)})]
        plans = {
            "plain": Plan(size=100),
            "expanded": Plan(size=100, expand="average:n=5,shortlist=400"),
            "twice": Plan(size=100, expand="average:n=5"),
        }

        def ask(name: str) -> float:
            return _timed(lambda: search(store, "c", query, plans[name]), times=5)

        rounds = [{name: ask(name) for name in plans} for _ in range(7)]
        ms = {name: median(each[name] for each in rounds) for name in plans}
        store.close()
    yield {"figure": "search of 100,000 × 512, 100 hits, ms", "value": ms["plain"], "limit": "", "ok": True}
    yield report.at_most("average:n=5,shortlist=400, × plain", ms["expanded"] / ms["plain"], SHORTLIST_RATIO)
    yield {"figure": "average:n=5, × plain", "value": ms["twice"] / ms["plain"], "limit": "", "ok": True}


if __name__ == "__main__":
    sys.argv = [each for each in sys.argv if each != "--small"]
    report.main(measure, PACKAGES, __doc__)
