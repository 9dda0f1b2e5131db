"""What every classic descriptor keeps."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_export.classic import bovw, histogram, hog, lbp, sift
from pixkin_export.graph import Graph

Pixels = NDArray[np.uint8]
Start = Callable[..., Callable[[Pixels], NDArray[np.float32]]]
Head = tuple[ModuleType, dict[str, Any]]

COUNTED: list[Head] = [
    *((histogram, {"space": space, "regions": "quadrants-ellipse"}) for space in ("hsv", "rgb", "lab", "grey")),
    (histogram, {"space": "hsv", "bins": (8, 12, 3), "regions": "3x5"}),
    (histogram, {"space": "grey", "bins": (256,), "regions": "whole"}),
    (lbp, {}),
    (lbp, {"codes": "uniform", "regions": "whole"}),
    (bovw, {}),
]
OF_GRADIENTS: list[Head] = [
    (hog, {}),
    (hog, {"orientations": 8, "cell": 6, "block": 2}),
    (sift, {}),
    (sift, {"cell": 3, "step": 5, "root": True}),
]
HEADS = COUNTED + OF_GRADIENTS


@pytest.fixture(
    params=HEADS, ids=lambda head: "-".join([head[0].__name__.rpartition(".")[2], *map(str, head[1].values())])
)
def head(request: pytest.FixtureRequest, words: NDArray[np.float32]) -> Head:
    module, parameters = request.param
    return module, {**parameters, "vocabulary": words} if module is bovw else parameters


def test_the_graph_computes_the_formula(head: Head, start: Start, squares: Pixels) -> None:
    module, parameters = head
    some = np.concatenate([squares[:3], np.random.default_rng(3).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)])
    made = start(module, **parameters)(some)
    formula = np.stack([module.formula(picture, **parameters) for picture in some])
    assert made.shape == formula.shape == (4, module.dim(**parameters))
    assert abs(made - formula).max() <= 3e-7 * max(1, formula.max())


def test_a_batch_gives_what_single_pictures_give(head: Head, start: Start, squares: Pixels) -> None:
    run = start(head[0], **head[1])
    assert np.array_equal(run(squares), np.concatenate([run(picture[np.newaxis]) for picture in squares]))


def test_pictures_of_one_colour_have_finite_vectors(head: Head, start: Start) -> None:
    module, parameters = head
    plain = np.empty((3, 64, 64, 3), np.uint8)
    plain[:] = np.array([(0, 0, 0), (77, 77, 77), (255, 200, 0)], np.uint8)[:, np.newaxis, np.newaxis]
    made = start(module, **parameters)(plain)
    sums = made.sum(axis=1)
    assert sums == pytest.approx(1 if module in (histogram, lbp, bovw) else 0, abs=1e-6)
    assert np.array_equal(made[0], module.formula(plain[0], **parameters).astype(np.float32))


def test_the_same_parameters_give_the_same_bytes(head: Head) -> None:
    files = set()
    for _ in range(2):
        graph = Graph("twice")
        graph.name({"made": head[0].add(graph, **head[1])})
        files.add(graph.model({"made": head[0].dim(**head[1])}).SerializeToString(deterministic=True))
    assert len(files) == 1


@pytest.mark.parametrize("module", [histogram, lbp])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (3, 2), (20, 500)])
def test_descriptors_of_any_size_take_tiny_and_thin_pictures(
    module: ModuleType, shape: tuple[int, int], start: Start
) -> None:
    pixels = np.random.default_rng(4).integers(0, 256, (2, *shape, 3), dtype=np.uint8)
    made = start(module)(pixels)
    assert made == pytest.approx(np.stack([module.formula(picture) for picture in pixels]), abs=1e-7)
    assert made.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize(("module", "parameters"), COUNTED)
def test_a_counted_descriptor_is_non_negative_and_sums_to_1(
    module: ModuleType, parameters: dict[str, Any], start: Start, squares: Pixels, words: NDArray[np.float32]
) -> None:
    given = {**parameters, "vocabulary": words} if module is bovw else parameters
    made = start(module, **given)(squares)
    assert made.min() >= 0
    assert made.sum(axis=1) == pytest.approx(1, abs=1e-5)
