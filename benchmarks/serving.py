"""Latency, start and memory of the server and of the command line."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import report
from indexing import run
from pixkin_export.exporting import export_model
from pixkin_proto.descriptors import Descriptor
from pixkin_scoring.plan import DescriptorChoice, Plan
from pixkin_server.api import ExtractorChoice, NewItem, Query
from pixkin_server.client import Client
from pixkin_server.engine import Engine
from pixkin_server.threads import sharing_cores
from servers import index_corel, serving

ROUNDS = 101
OVERHEAD_MS = 1.5
BY_IMAGE_MS = 40.0
HELP_SECONDS = 0.3
COLD_SECONDS = 3.0
READY_SECONDS = 10.0
MANY = (100_000, 512)
FIXED_MIB = 500
WITHOUT_KL, WITH_KL = 1.6, 2.7
PACKAGES = ("numpy", "numba", "grpcio", "onnxruntime")


def measure() -> list[report.Row]:
    """Return a row for each figure."""
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        for name in ("efficientnet-lite0", "hsv-histogram"):
            export_model(name, directory=home / "extractors")
        return [*_latency(home), *_starts(home), *_memory(home)]


def interleaved(calls: dict[str, Callable[[int], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Return the median milliseconds of each call, which take turns; a call is told its round."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for at in range(-5, rounds):
        for name, call in calls.items():
            began = perf_counter()
            call(at)
            if at >= 0:
                taken[name].append((perf_counter() - began) * 1000)
    return {name: median(times) for name, times in taken.items()}


def _latency(home: Path) -> list[report.Row]:
    corel = report.corel()
    if corel is None:
        return [{"figure": "Search latency", "value": "no data", "limit": "", "ok": False}]
    index_corel(home, corel)
    photos = [path.read_bytes() for path in sorted(corel.rglob("*.jpg"))[::9]]
    vectors = np.random.default_rng(0).random((ROUNDS, 1280), dtype=np.float32)

    def by_vector(service: Engine | Client, at: int) -> object:
        return service.search("corel", [Query(vectors={"gap": vectors[at % ROUNDS]})], Plan(size=100))

    def by_image(service: Engine | Client, at: int) -> object:
        return service.search("corel", [Query(image=photos[at % len(photos)])], Plan(size=100))

    with (
        sharing_cores(),
        serving(home, "corel") as served,
        Client(served.grpc) as client,
        Engine(str(home / "corel"), extractors=home / "extractors") as engine,
    ):
        ms = interleaved(
            {
                "in process": lambda at: by_vector(engine, at),
                "over gRPC": lambda at: by_vector(client, at),
                "by image": lambda at: by_image(client, at),
            }
        )
    return [
        {"figure": "Search by vector in process, p50 ms", "value": ms["in process"], "limit": "", "ok": True},
        report.at_most(
            "Search by vector, gRPC over in-process, p50 ms", ms["over gRPC"] - ms["in process"], OVERHEAD_MS
        ),
        report.at_most("Search by image over gRPC, 1,000 items, p50 ms", ms["by image"], BY_IMAGE_MS),
    ]


def _starts(home: Path) -> list[report.Row]:
    environment = {**os.environ, "PIXKIN_HOME": str(home), "PIXKIN_STORE": str(home / "corel")}
    helps = median(run(environment, "--help")[0] for _ in range(11))
    rows = [report.at_most("pixkin --help, s", helps, HELP_SECONDS)]
    corel = report.corel()
    if corel is not None:
        photo = str(next(corel.rglob("*.jpg")))
        cold = median(run(environment, "search", "corel", photo)[0] for _ in range(11))
        rows.append(report.at_most("a cold pixkin search, s", cold, COLD_SECONDS))
        with serving(home, "corel") as served:
            rows.append(report.at_most("server ready, Corel-1k, s", served.seconds, READY_SECONDS))
    return rows


def _memory(home: Path) -> list[report.Row]:
    """Peak memory of a server with lite0 and many vectors, before and after kl's derived matrix is made."""
    count, dim = MANY
    matrix = count * dim * 4 / 2**20
    draw = np.random.default_rng(0)
    with Engine(str(home / "many"), extractors=home / "extractors") as engine:
        engine.create("many", descriptors=[Descriptor("d", dim, non_negative=True)])
        rows = (NewItem(f"{at:06}", vectors={"d": draw.random(dim, dtype=np.float32)}) for at in range(count))
        engine.add("many", rows, timeout=600)
        engine.create("few", [ExtractorChoice("efficientnet-lite0")])
    query = [Query(vectors={"": draw.random(dim, dtype=np.float32)})]
    with serving(home, "many") as served, Client(served.grpc) as client:
        for image in _pictures(32):
            client.embed(image, extractor="efficientnet-lite0")
        for name in ("cosine", "chi2", "euclidean"):
            client.search("many", query, Plan(descriptors=(DescriptorChoice("d", name),)))
        without = _peak_mib(served.pid)
        client.search("many", query, Plan(descriptors=(DescriptorChoice("d", "kl"),)))
        with_kl = _peak_mib(served.pid)
    return [
        report.at_most(f"server ready, {count:,}x{dim}, s", served.seconds, READY_SECONDS),
        report.at_most(f"server with lite0 and {count:,}x{dim}, peak MiB", without, WITHOUT_KL * matrix + FIXED_MIB),
        report.at_most("the same after kl, peak MiB", with_kl, WITH_KL * matrix + FIXED_MIB),
    ]


def _pictures(count: int) -> list[bytes]:
    corel = report.corel()
    return [path.read_bytes() for path in sorted(corel.rglob("*.jpg"))[:count]] if corel else []


def _peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else float("nan")


if __name__ == "__main__":
    report.main(measure, PACKAGES, __doc__)
