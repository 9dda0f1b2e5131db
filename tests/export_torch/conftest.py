"""Networks of PyTorch, exported with random weights. Without PyTorch the whole folder is skipped."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pixkin_export.catalogue import CATALOGUE
from pixkin_export.exporting import export_model
from pixkin_export.sources.options import SourceOptions

Pixels = NDArray[np.uint8]
Serve = Callable[..., AbstractContextManager[str]]
Run = Callable[..., subprocess.CompletedProcess[str]]
PACKAGES = ("torch", "torchvision", "timm", "safetensors")
TORCH = [name for name, entry in CATALOGUE.items() if entry.origin.partition(":")[0] in {"torchvision", "timm"}]
SMALLER = {
    "convnext-tiny": 96,
    "dinov2-small": 98,
    "efficientnetv2-l": 128,
    "googlenet": 128,
    "inception-resnet-v2": 139,
    "inception-v3": 139,
    "resnet50": 128,
    "resnetv2-152": 96,
    "xception": 128,
}
"""Sizes of pictures with which the larger networks are tried, so that all take minutes and not an hour."""


class _Skipped(pytest.Module):
    def collect(self) -> Iterator[Any]:
        """Skip the file before it is imported."""
        pytest.skip(f"{', '.join(_missing())} not installed; make test-export runs these tests")


def _missing() -> list[str]:
    return [name for name in PACKAGES if find_spec(name) is None]


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Skip every file of this folder where PyTorch is not installed."""
    return _Skipped.from_parent(parent, path=module_path) if _missing() else None


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Let PyTorch compute with one thread: its threads wait by spinning, and were six times slower beside others."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session", params=TORCH)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Each extractor of the catalogue that comes from PyTorch, with random weights."""
    options = SourceOptions(untrained=True, size=SMALLER.get(request.param))
    path = export_model(request.param, directory=tmp_path_factory.mktemp("extractors"), options=options)
    yield path
    path.unlink()  # half a gigabyte


@pytest.fixture(scope="session")
def photo() -> Pixels:
    """A picture (300, 401, 3) with large and small forms."""
    coarse = np.random.default_rng(7).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((401, 300), Image.Resampling.BICUBIC))


@pytest.fixture(scope="session")
def photo_file(photo: Pixels) -> bytes:
    """The picture as a file."""
    out = BytesIO()
    Image.fromarray(photo).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="session")
def pixkin() -> Run:
    """Run a command in a process of its own."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pixkin_server", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

    return run


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """Run `pixkin serve` over an extractor directory until the block ends; gives its address once it serves."""

    @contextmanager
    def run(extractors: Path, *flags: str) -> Iterator[str]:
        command = [sys.executable, "-m", "pixkin_server", "serve", "--grpc", "127.0.0.1:0", "--device", "cpu"]
        command += ["--drain", "0"]
        command += ["--create", "--store", str(tmp_path / "store"), "--extractors", str(extractors), *flags]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            try:
                yield _address(process)
            finally:
                process.terminate()

    return run


def _address(process: subprocess.Popen[str]) -> str:
    said = []
    for line in process.stderr or ():
        said.append(line)
        if "pixkin: serving" in line:
            [listening] = [each for each in said if "listening on " in each]
            return listening.rpartition(" ")[2].strip()
    pytest.fail(f"the server did not start: {''.join(said)}")
