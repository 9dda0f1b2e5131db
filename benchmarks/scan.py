"""Time of the exact scan, whole: kernel over all rows, selection, formula, order; one query, the 100 best.

The floor is a sum over the same matrix with the same compiler flags and threads, the peer usearch's exact search with
a compiled chi2 metric. All take turns, so that a noisy machine disturbs all alike.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import report
from numba import carray, cfunc, get_num_threads, njit, prange, threading_layer, types
from numpy.typing import NDArray
from pixkin_scoring.kernels import FASTMATH
from pixkin_scoring.measures import MEASURES
from pixkin_scoring.query import ScoringQuery
from pixkin_scoring.scan import Columns, top
from usearch.index import CompiledMetric, MetricKind, MetricSignature, search

SIZES = ((25_000, 405), (100_000, 512))
DEPTH = 100
ROUNDS = 15
REPEATS = 4
"""Runs of a turn; the last counts. kl reads a matrix of its own, which the others' turns drive out of the cache."""
FIXED_MS = 0.4
LIMITS = dict.fromkeys(("euclidean", "cosine", "chi2", "kl", "bhattacharyya", "intersection"), 1.6) | {
    "jensen_shannon": 30.0
}
"""Times the floor, FIXED_MS more allowed; angular and manhattan have no limit."""
PEER_LIMIT = 3.3
"""How many times faster than the peer chi2 has to be."""

Vectors = NDArray[np.float32]


@njit(parallel=True, fastmath=FASTMATH, error_model="numpy")
def floor(documents: Vectors, out: Vectors) -> None:
    """Read every component once."""
    for i in prange(documents.shape[0]):
        total = np.float32(0)
        for j in range(documents.shape[1]):
            total += documents[i, j]
        out[i] = total


@cfunc(types.float32(types.CPointer(types.float32), types.CPointer(types.float32), types.uint64), fastmath=FASTMATH)
def peer_chi2(a: Vectors, b: Vectors, dim: int) -> float:
    """Return chi2 of two normalised vectors, as usearch asks for it."""
    q, x = carray(a, dim), carray(b, dim)
    total = np.float32(0)
    for j in range(dim):
        total += (q[j] - x[j]) * (q[j] - x[j]) / (q[j] + x[j] + np.float32(1e-30))
    return np.float32(0.5) * total


def histograms(count: int, dim: int) -> Vectors:
    """Return rows that sum to 1, half of their bins empty."""
    rng = np.random.default_rng(0)
    drawn = rng.random((count, dim), dtype=np.float32)
    drawn = np.where(drawn < 0.5, 0, drawn**4)
    return drawn / drawn.sum(axis=1, keepdims=True)


def contestants(documents: Vectors) -> dict[str, Callable[[], object]]:
    """Return what takes turns, by name."""
    columns = Columns.of([f"{i:08d}" for i in range(len(documents))], documents)
    query, out = documents[3], np.empty(len(documents), np.float32)
    metric = CompiledMetric(peer_chi2.address, MetricKind.Unknown, MetricSignature.ArrayArraySize)
    asked = {name: ScoringQuery("", name, query.astype(np.float64)) for name in MEASURES}
    return {
        "floor": lambda: floor(documents, out),
        **{name: (lambda q=q: top(columns, q, DEPTH)) for name, q in asked.items()},
        "usearch chi2": lambda: search(documents, query, DEPTH, metric, exact=True, threads=get_num_threads()),
    }


def milliseconds(runs: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return the median time of each after a first call that compiles."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(ROUNDS):
        for name, run in runs.items():
            for _ in range(REPEATS):
                start = perf_counter()
                run()
            taken[name].append(1000 * (perf_counter() - start))
    return {name: median(times) for name, times in taken.items()}


def judged(size: str, taken: dict[str, float]) -> list[report.Row]:
    """Return a row for each contestant: its time, its ratio to the floor, and what it was allowed."""
    floor_ms, chi2_ms = taken["floor"], taken["chi2"]
    allowed = {name: times * floor_ms + FIXED_MS for name, times in LIMITS.items()}
    rows: list[report.Row] = []
    for name, ms in taken.items():
        row: dict[str, str | int | float | bool] = {"measure": name, "size": size, "ms": ms, "ratio": ms / floor_ms}
        if name in allowed:
            row |= {"limit_ms": allowed[name], "ok": ms <= allowed[name]}
        if name == "usearch chi2":
            row |= {"times_chi2": ms / chi2_ms, "ok": ms >= PEER_LIMIT * chi2_ms}
        rows.append(row)
    return rows


def main() -> None:
    """Measure every size and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    path = parser.parse_args().json
    rows: list[report.Row] = []
    for count, dim in SIZES:
        rows += judged(f"{count} x {dim}", milliseconds(contestants(histograms(count, dim))))
    print(report.table(rows, ["measure", "size", "ms", "ratio", "limit_ms", "times_chi2", "ok"]))
    facts = report.circumstances(["numba", "numpy", "usearch"])
    facts |= {"threads": get_num_threads(), "threading_layer": threading_layer()}
    report.write(path, {"circumstances": facts, "depth": DEPTH, "rounds": ROUNDS, "rows": rows})


if __name__ == "__main__":
    main()
