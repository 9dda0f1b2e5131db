"""Speed and memory of indexing: Corel-1k with both extractors, the second run, and 12-megapixel JPEGs.

Each run is `pixkin index add` as its user calls it, in a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
import report
from PIL import Image

LARGE = 200
LARGE_SIZE = (4000, 3000)
COREL_PER_SECOND = 25.0
AGAIN_SECONDS = 2.0
LARGE_PER_SECOND = 4.0
LARGE_MIB = 1536
PACKAGES = ("numpy", "pillow", "onnxruntime")


def measure() -> list[report.Row]:
    """Return a row for each figure."""
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        environment = {**os.environ, "PIXKIN_HOME": str(home), "PIXKIN_STORE": str(home / "store")}
        for name in ("efficientnet-lite0", "hsv-histogram"):
            run(environment, "export-model", name)
        return [*_corel(environment, report.corel()), *_large(environment, home / "large")]


def run(environment: dict[str, str], *arguments: str) -> tuple[float, float]:
    """Run pixkin; returns seconds and peak MiB of the process."""
    began = perf_counter()
    command = [sys.executable, "-m", "pixkin_server", *arguments]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"pixkin {' '.join(arguments)} ended with {process.returncode}")
    return perf_counter() - began, usage.ru_maxrss / 1024


def _create(environment: dict[str, str], name: str) -> None:
    run(environment, "index", "create", name, "--extractor", "efficientnet-lite0", "--extractor", "hsv-histogram")


def _corel(environment: dict[str, str], corel: Path | None) -> list[report.Row]:
    if corel is None:
        return [{"figure": "Corel-1k", "value": "no data", "limit": "", "ok": False}]
    _create(environment, "corel")
    count = len(list(corel.rglob("*.jpg")))
    first, _ = run(environment, "index", "add", "corel", str(corel), "--labels-from-folders")
    again, _ = run(environment, "index", "add", "corel", str(corel), "--labels-from-folders")
    return [
        report.at_least("Corel-1k, both extractors, images/s", count / first, COREL_PER_SECOND),
        report.at_most("Corel-1k again, nothing encoded, s", again, AGAIN_SECONDS),
    ]


def _large(environment: dict[str, str], folder: Path) -> list[report.Row]:
    make_large(folder)
    _create(environment, "large")
    seconds, mib = run(environment, "index", "add", "large", str(folder))
    return [
        report.at_least("12-megapixel JPEGs, both extractors, images/s", LARGE / seconds, LARGE_PER_SECOND),
        report.at_most("12-megapixel JPEGs, peak MiB", mib, LARGE_MIB),
    ]


def make_large(folder: Path) -> None:
    """Write JPEGs of 12 megapixels with the grain of a photo, all different."""
    folder.mkdir()
    draw = np.random.default_rng(0)
    width, height = LARGE_SIZE
    grain = draw.integers(0, 40, (height, width, 3), dtype=np.uint8)
    for number in range(LARGE):
        coarse = Image.fromarray(draw.integers(0, 215, (24, 32, 3), dtype=np.uint8)).resize(LARGE_SIZE)
        pixels = np.asarray(coarse) // 2 + np.roll(grain, number * 37, axis=1)
        Image.fromarray(pixels).save(folder / f"{number:03}.jpg", quality=85)


if __name__ == "__main__":
    report.main(measure, PACKAGES, __doc__)
