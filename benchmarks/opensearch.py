"""The OpenSearch store on one real node: exact scans, approximate candidates, bulk loading, bytes, and a larger set.

The measures take turns, so that a noisy machine disturbs all alike; a time is also given as a ratio to the scan with
the Euclidean script, or to the exact search, of the same run.
"""

from __future__ import annotations

import json
import tempfile
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from statistics import median, quantiles
from typing import Any, TypeVar
from unittest import mock

import numpy as np
import report
from numpy.typing import NDArray
from pixkin_embedding.encoder import Encoder, load_encoder
from pixkin_embedding.images import decode
from pixkin_embedding.limits import REQUEST_LIMITS
from pixkin_embedding.preprocessing import prepare
from pixkin_export.exporting import export_model
from pixkin_proto.descriptors import MEASURES, Descriptor
from pixkin_proto.whitening import whitening_key, whitening_to_bytes
from pixkin_scoring.fitting import Fit, fit_whitening
from pixkin_scoring.items import Candidates, Item
from pixkin_scoring.query import ScoringQuery
from pixkin_scoring.stores import open_store
from pixkin_scoring.stores.layout import IndexLayout, Twin
from pixkin_scoring.stores.opensearch.store import OpenSearchStore
from pixkin_scoring.stores.opensearch.wire import BoundPool, Received
from pixkin_server.opensearch_node.node import Node, start_node

VERSION = "2.19.1"
COUNT, DIM = 25_000, 405
QUERIES = 100
ROUNDS = 7
SCAN_LIMITS = {"chi2": 1.4, "kl": 1.3, "jensen_shannon": 3.0}
"""Times the scan with the Euclidean script, dense vectors."""
DEPTHS = {"chi2": 500, "intersection": 500, "jensen_shannon": 500, "bhattacharyya": 500, "kl": 2000}
RECALL_LIMIT, TIME_LIMIT = 0.99, 0.5
BULK_LIMIT = 4000
EMBEDDED = 10_000
WHITENINGS = {
    "projected to 256": Fit(256, power=0.0),
    "projected to 128": Fit(128, power=0.0),
    "projected to 64": Fit(64, power=0.0),
    "whitened to 128": Fit(128),
}
LARGE, LARGE_DIM = 200_000, 128
WARM = 20
"""Searches that are not timed before those that are."""

Rows = NDArray[np.float32]
T = TypeVar("T")


def main() -> None:
    """Measure and print."""
    report.main(measure, ["opensearch-py", "numpy"], __doc__)


def measure() -> Iterator[report.Row]:
    """Yield every figure; those of real pictures only where the data are."""
    folder = report.corel()
    with (
        tempfile.TemporaryDirectory() as data,
        start_node(VERSION, knn=True, data=Path(data), heap="2g") as node,
        closing(open_store(node.url)) as store,
    ):
        yield from dense_scans(store)
        if folder is not None:
            archive = folder.parent / "cifar10" / "train.zip"
            yield from neighbours(store, cifar(archive, "hsv-histogram", COUNT))
            yield from shortened(store, node, cifar(archive, "efficientnet-lite0", EMBEDDED))
        yield from compilations(store, node)
        yield from large(store, node)


def dense_scans(store: OpenSearchStore) -> Iterator[report.Row]:
    """Time the scan of every measure over vectors without empty bins, and the loading of them."""
    drawn = np.random.default_rng(0).random((COUNT, DIM), dtype=np.float32) + np.float32(0.01)
    store.create("dense", [Descriptor("plain", DIM, non_negative=True)], layout=IndexLayout(slices=2))
    seconds = load(store, "dense", {"plain": drawn})
    store.merge("dense")
    asked = {name: ScoringQuery("plain", name, drawn[7].astype(np.float64)) for name in MEASURES}
    runs = {name: search_of(store, "dense", query) for name, query in asked.items()}
    taken = milliseconds(runs)
    yield report.at_least(f"bulk, {COUNT:,} x {DIM}, no approximate index, documents/s", COUNT / seconds, BULK_LIMIT)
    for name, ms in taken.items():
        ratio = ms / taken["euclidean"]
        yield {"figure": f"exact {name}, {COUNT:,} x {DIM} dense, ms", "value": ms}
        if name in SCAN_LIMITS:
            yield report.at_most(f"exact {name} / euclidean", ratio, SCAN_LIMITS[name])
    store.drop("dense")


def neighbours(store: OpenSearchStore, histograms: Rows) -> Iterator[report.Row]:
    """Compare the approximate candidates of real histograms with the exact ones."""
    mass = {"dim": histograms.shape[1], "non_negative": True}
    # One map serves kl, the other the rest: docs/opensearch.md.
    store.create(
        "near",
        [Descriptor("root", default_measure="chi2", **mass), Descriptor("smoothed", default_measure="kl", **mass)],
        layout=IndexLayout(ann=True, slices=2),
    )
    seconds = load(store, "near", {"root": histograms, "smoothed": histograms})
    figure = "bulk, 25,000 histograms twice, two approximate indices, documents/s"
    yield {"figure": figure, "value": len(histograms) / seconds}
    _, merging = timed(lambda: store.merge("near"))
    yield {"figure": "index merge of these, s", "value": merging / 1000}
    chosen = np.random.default_rng(1).choice(len(histograms), QUERIES, replace=False)
    for name, depth in DEPTHS.items():
        descriptor = "smoothed" if name == "kl" else "root"
        queries = [ScoringQuery(descriptor, name, histograms[row].astype(np.float64)) for row in chosen]
        exact_ms, near_ms, recalls = [], [], []
        for query in queries:
            exact, ms = timed(search_of(store, "near", query))
            exact_ms.append(ms)
            found, ms = timed(search_of(store, "near", query, depth))
            near_ms.append(ms)
            recalls.append(len(set(exact.ids) & set(found.ids)) / 100)
        ratio = median(near_ms) / median(exact_ms)
        yield report.at_least(f"approximate {name}, depth {depth}: recall@100", float(np.mean(recalls)), RECALL_LIMIT)
        yield {"figure": f"exact {name}, CIFAR-10 histograms, ms", "value": median(exact_ms)}
        figure = f"approximate {name} / exact"
        yield {"figure": figure, "value": ratio} if name == "kl" else report.at_most(figure, ratio, TIME_LIMIT)
    yield {"figure": "bytes per hit, 100 hits", "value": bytes_per_hit(store, histograms[3])}


def shortened(store: OpenSearchStore, node: Node, embeddings: Rows) -> Iterator[report.Row]:
    """Compare neighbours of whole embeddings with those of embeddings that an attached whitening has cut."""
    descriptor = Descriptor("gap", embeddings.shape[1])
    store.create("cut", [descriptor])
    load(store, "cut", {"gap": embeddings})
    for name, fit in WHITENINGS.items():
        found = fit_whitening([([], embeddings)], descriptor, fit)
        store.put_attachment("cut", whitening_key(name), whitening_to_bytes(found), deadline=time.monotonic() + 60)
    chosen = np.random.default_rng(1).choice(len(embeddings), QUERIES, replace=False)
    queries = [ScoringQuery("gap", "cosine", embeddings[row].astype(np.float64)) for row in chosen]
    exact = [search_of(store, "cut", query)() for query in queries]
    for name in ("whole", *WHITENINGS):
        twins = () if name == "whole" else (Twin("gap", name),)
        layout = IndexLayout(ann=True, slices=2, twins=twins)
        _, ms = timed(lambda layout=layout: store.reindex("cut", lambda _: layout))
        store.remove_versions("cut")
        figure = f"neighbours of {len(embeddings):,} x {descriptor.dim}, {name}"
        yield {"figure": f"{figure}: re-index, s", "value": ms / 1000}
        for depth in (200, 500):
            runs = [search_of(store, "cut", query, depth) for query in queries]
            for run in runs[:WARM]:
                run()
            answers = [timed(run) for run in runs]
            recalls = [len({*found.ids} & {*best.ids}) / 100 for (found, _), best in zip(answers, exact, strict=True)]
            yield {"figure": f"{figure}: depth {depth}, recall@100", "value": float(np.mean(recalls))}
            yield {"figure": f"{figure}: depth {depth}, p50, ms", "value": median(ms for _, ms in answers)}
        time.sleep(11)  # the cluster measures its disk every ten seconds
        yield {"figure": f"{figure}: disk, MiB", "value": disk(node, "cut") / 2**20}
    store.drop("cut")


def compilations(store: OpenSearchStore, node: Node) -> Iterator[report.Row]:
    """Count the scripts that are compiled during 1,000 searches after the first."""
    name = store.list()[0] if store.list() else "few"
    if name == "few":
        store.create("few", [Descriptor("root", 4, non_negative=True)])
    descriptor = store.describe(name).descriptors[0]
    draw = np.random.default_rng(2)
    search_of(store, name, ScoringQuery(descriptor.name, "chi2", np.ones(descriptor.dim)))()
    before = compiled(node)
    for _ in range(1000):
        query = ScoringQuery(descriptor.name, "chi2", draw.random(descriptor.dim))
        store.candidates(name, query, depth=1, filters=(), shortlist=0 if name == "few" else 10)
    for left in store.list():
        store.drop(left)
    yield report.at_most("scripts compiled during 1,000 searches after the first", compiled(node) - before, 0)


def large(store: OpenSearchStore, node: Node) -> Iterator[report.Row]:
    """Time searches over more documents, and say what they take."""
    drawn = np.random.default_rng(4).normal(size=(LARGE, LARGE_DIM)).astype(np.float32)
    size = f"{LARGE:,} x {LARGE_DIM}"
    for name, layout in (("exact", IndexLayout(slices=2)), ("near", IndexLayout(slices=2, ann=True))):
        store.create(name, [Descriptor("plain", LARGE_DIM)], layout=layout)
        seconds = load(store, name, {"plain": drawn})
        yield {"figure": f"{size}, {name}: bulk, documents/s", "value": LARGE / seconds}
        _, merging = timed(lambda name=name: store.merge(name))
        yield {"figure": f"{size}, {name}: index merge, s", "value": merging / 1000}
        queries = [ScoringQuery("plain", "cosine", row.astype(np.float64)) for row in drawn[:100]]
        for approximate in {False, layout.ann}:
            shortlist = 500 if approximate else 0
            runs = [search_of(store, name, query, shortlist) for query in queries]
            for run in runs[:WARM]:
                run()
            times = [timed(run)[1] for run in runs]
            how = "approximate" if approximate else "exact"
            yield {"figure": f"{size}, {name}: {how} cosine p50, ms", "value": median(times)}
            yield {"figure": f"{size}, {name}: {how} cosine p99, ms", "value": quantiles(times, n=100)[98]}
        time.sleep(11)  # the cluster measures its disk every ten seconds
        yield {"figure": f"{size}, {name}: disk, MiB", "value": disk(node, name) / 2**20}
        yield {"figure": f"{size}, {name}: memory of the node, MiB", "value": resident(node) / 2**20}
        store.drop(name)


def load(store: OpenSearchStore, name: str, vectors: dict[str, Rows]) -> float:
    """Add all rows; returns the seconds that this took, until they can be searched."""
    some = next(iter(vectors.values()))
    items = (Item(f"{i:08}", {key: rows[i] for key, rows in vectors.items()}) for i in range(len(some)))
    start = time.perf_counter()
    refused = [result for result in store.add(name, items, deadline=time.monotonic() + 3600) if result.error]
    if refused:
        raise refused[0].error or RuntimeError
    return time.perf_counter() - start


def search_of(store: OpenSearchStore, name: str, query: ScoringQuery, shortlist: int = 0) -> Callable[[], Candidates]:
    """Return a search for 100 candidates, exact or among a shortlist of neighbours."""
    return lambda: store.candidates(name, query, depth=100, filters=(), shortlist=shortlist)


def timed(run: Callable[[], T]) -> tuple[T, float]:
    """Return what a call gives, and its milliseconds."""
    start = time.perf_counter()
    found = run()
    return found, 1000 * (time.perf_counter() - start)


def milliseconds(runs: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return the median time of each; all take turns, after as many turns that only warm up."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(2 * ROUNDS):
        for name, run in runs.items():
            _, ms = timed(run)
            if turn >= ROUNDS:
                taken[name].append(ms)
    return {name: median(times) for name, times in taken.items()}


def cifar(archive: Path, extractor: str, count: int) -> Rows:
    """Return the vectors (count, d) of training pictures of CIFAR-10, by an extractor that has one output."""
    with tempfile.TemporaryDirectory() as folder:
        export_model(extractor, directory=Path(folder))
        [file] = Path(folder).glob("*.onnx")
        encoder = load_encoder(file, "cpu")
    with zipfile.ZipFile(archive) as pictures:
        names = [name for name in sorted(pictures.namelist()) if name.endswith(".jpg")]
        names = names[:: len(names) // count][:count]
        blocks = [encoder.encode(_pixels(pictures, some, encoder)) for some in _batched(names, 32)]
    return np.concatenate([vectors for block in blocks for vectors in block.values()])


def _pixels(pictures: zipfile.ZipFile, names: Sequence[str], encoder: Encoder) -> NDArray[np.uint8]:
    chosen = encoder.extractor.preprocessing
    decoded = (decode(pictures.read(name), REQUEST_LIMITS) for name in names)
    return np.stack([prepare(pixels, chosen, REQUEST_LIMITS) for pixels in decoded])


def _batched(names: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), size):
        yield names[start : start + size]


def bytes_per_hit(store: OpenSearchStore, row: Rows) -> float:
    """Return the bytes that each of 100 hits adds to an answer of the cluster."""
    sizes = []
    urlopen = BoundPool.urlopen

    def counted(pool: BoundPool, *args: Any, **kw: Any) -> Received:
        received = urlopen(pool, *args, **kw)
        sizes[-1] += len(received.data)
        return received

    query = ScoringQuery("root", "chi2", row.astype(np.float64))
    for depth in (1, 101):
        sizes.append(0)
        with mock.patch.object(BoundPool, "urlopen", counted):
            store.candidates("near", query, depth=depth, filters=())
    return (sizes[1] - sizes[0]) / 100


def statistics(node: Node, path: str) -> dict[str, Any]:
    """Return what a node says of itself."""
    with urllib.request.urlopen(f"{node.url}{path}", timeout=60) as answer:  # noqa: S310 (loopback)
        return json.load(answer)


def compiled(node: Node) -> int:
    """Return how many scripts the node has compiled so far."""
    nodes = statistics(node, "/_nodes/stats/script")["nodes"].values()
    return sum(each["script"]["compilations"] for each in nodes)


def disk(node: Node, name: str) -> int:
    """Return the bytes of a collection on disk."""
    return statistics(node, f"/{name}/_stats/store")["_all"]["total"]["store"]["size_in_bytes"]


def resident(node: Node) -> int:
    """Return the bytes of memory that the node's process has."""
    lines = Path(f"/proc/{node.pid}/status").read_text().splitlines()
    [line] = (line for line in lines if line.startswith("VmRSS"))
    return 1024 * int(line.split()[1])


if __name__ == "__main__":
    main()
