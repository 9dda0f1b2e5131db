"""Classic extractors at work, and the pictures that they are tried on."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pixkin_embedding.encoder import Session
from pixkin_export.classic import sift, vocabulary
from pixkin_export.graph import Graph

Pixels = NDArray[np.uint8]
Vectors = NDArray[np.float32]
Started = Callable[..., Callable[[Pixels], Vectors]]


@pytest.fixture(scope="session")
def start() -> Started:
    """A starter of descriptors: module and parameters to a function from pixels (n, h, w, 3) to float32 (n, d)."""

    def started(module: ModuleType, **parameters: Any) -> Callable[[Pixels], Vectors]:
        graph = Graph("classic")
        graph.name({"made": module.add(graph, **parameters)})
        session = Session(graph.model({"made": module.dim(**parameters)}).SerializeToString(), "cpu")
        return lambda pixels: session.run(pixels, ["made"])["made"]

    return started


@pytest.fixture(scope="session")
def squares(photos: list[Pixels]) -> Pixels:
    """The photos as descriptors of a fixed size take them, (20, 64, 64, 3)."""
    small = [np.asarray(Image.fromarray(photo).resize((64, 64), Image.Resampling.BICUBIC)) for photo in photos]
    return np.stack(small)


@pytest.fixture(scope="session")
def words(start: Started, squares: Pixels) -> Vectors:
    """A vocabulary of 40 words of RootSIFT, (40, 128)."""
    return vocabulary.learn(vocabulary.sample(squares, start(sift, root=True)), 40)
