"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data; a missing one is a failure in CI and a skip elsewhere."""
    folder = Path(os.environ.get("PIXKIN_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        reason = f"no test data in {folder}; name its folder with PIXKIN_TEST_DATA"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def extractors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An extractor directory with the two extractors of the catalogue, exported once."""
    from pixkin_export.exporting import export_model

    directory = tmp_path_factory.mktemp("extractors")
    for name in ("efficientnet-lite0", "hsv-histogram"):
        export_model(name, directory=directory)
    return directory


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 24 generated pictures, 4 of each of 6 colours, in one folder a colour."""
    folder = tmp_path_factory.mktemp("photos")
    draw = np.random.default_rng(5)
    colours = {"red": (200, 30, 30), "green": (30, 180, 40), "blue": (30, 40, 200), "grey": (128, 128, 128),
               "yellow": (220, 210, 30), "violet": (150, 40, 180)}  # fmt: skip
    for name, colour in colours.items():
        (folder / name).mkdir()
        for number in range(4):
            noise = draw.integers(-40, 40, (96 + 8 * number, 128, 3))
            pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.jpg", quality=92)
    return folder
