"""How long evaluations take: the grid of Corel-1k, and CIFAR-10's test pictures against its training pictures.

Each is `pixkin evaluate` as its user calls it, in a process of its own; the grid includes encoding every picture.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import report

GRID_MINUTES = 15.0
CIFAR_MINUTES = 5.0
VGG16 = (
    *("--channels", "bgr", "--mean", "103.939,116.779,123.68", "--size", "224", "--cut", "block5_conv3"),
    *("--descriptor", "sum"),
)
EXTRACTORS = ("efficientnet-lite0", "hsv-histogram", "vgg16-conv")
PACKAGES = ("numpy", "numba", "onnxruntime")


def measure() -> Iterator[report.Row]:
    """Yield a row for each figure."""
    corel = report.corel()
    if corel is None:
        yield {"figure": "evaluations", "value": "no data", "limit": "", "ok": False}
        return
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        environment = {**os.environ, "PIXKIN_HOME": str(home), "PIXKIN_STORE": str(home / "store")}
        for name in EXTRACTORS[:2]:
            run(environment, "export-model", name)
        vgg16 = f"onnx:{corel.parent / 'models' / 'vgg16_conv.onnx'}"
        run(environment, "export-model", EXTRACTORS[2], "--from", vgg16, *VGG16)
        yield from _grid(environment, corel)
        yield from _cifar(environment, corel.parent / "cifar10", home)


def run(environment: dict[str, str], *arguments: str) -> tuple[float, str]:
    """Run pixkin; returns seconds and what it printed."""
    began = perf_counter()
    command = [sys.executable, "-m", "pixkin_server", *arguments]
    ran = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if ran.returncode:
        raise SystemExit(f"pixkin {' '.join(arguments)} ended with {ran.returncode}")
    return perf_counter() - began, ran.stdout


def _grid(environment: dict[str, str], corel: Path) -> Iterator[report.Row]:
    extractors = [word for name in EXTRACTORS for word in ("--extractor", name)]
    seconds, printed = run(
        environment, "evaluate", "labels", "corel", "--grid", "--from", str(corel), *extractors, "--json"
    )
    yield report.at_most(f"Corel-1k, {len(json.loads(printed))} combinations, minutes", seconds / 60, GRID_MINUTES)


def _cifar(environment: dict[str, str], archives: Path, home: Path) -> Iterator[report.Row]:
    for part in ("train", "test"):
        with zipfile.ZipFile(archives / f"{part}.zip") as archive:
            archive.extractall(home)
        run(environment, "index", "create", part, "--extractor", "hsv-histogram")
        run(environment, "index", "add", part, str(home / part), "--labels-from-folders")
    seconds, printed = run(
        environment, "evaluate", "cifar", "train", "--queries", "collection:test", "--measure", "chi2", "--json"
    )
    figures = json.loads(printed)
    yield report.at_most("CIFAR-10, 10,000 queries × 50,000, chi2, minutes", seconds / 60, CIFAR_MINUTES)
    for name in ("mAP", "mAP@100", "1-NN accuracy"):
        yield {"figure": f"CIFAR-10, hsv-histogram, chi2, {name}", "value": f"{figures['measures'][name]:.4f}",
               "limit": "", "ok": True}  # fmt: skip


if __name__ == "__main__":
    report.main(measure, PACKAGES, __doc__)
