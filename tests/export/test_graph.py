"""The way to write a graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto
from pixkin_embedding.encoder import Session
from pixkin_export.graph import OPSET, Graph

Pixels = NDArray[np.uint8]
PICTURE = np.random.default_rng(1).integers(0, 256, (2, 6, 8, 3), dtype=np.uint8)


@pytest.fixture
def mean() -> Callable[[Graph], str]:
    """Adds the mean colour, float32 (n, 3)."""

    def add(graph: Graph) -> str:
        values = graph.add("Cast", Graph.pixels, to=TensorProto.FLOAT)
        return graph.add("ReduceMean", values, np.array([1, 2]), keepdims=0)

    return add


def run(model: onnx.ModelProto, names: Sequence[str], pixels: Pixels = PICTURE) -> list[NDArray[np.float32]]:
    return list(Session(model.SerializeToString(), "cpu").run(pixels, names).values())


def test_equal_constants_are_stored_once_and_kinds_are_kept_apart() -> None:
    graph = Graph("constants")
    names = [graph.constant(each) for each in (np.float32(1), np.float32(1), np.float64(1), np.array([1], np.float32))]
    assert names[0] == names[1]
    assert len(set(names)) == 3


def test_a_constant_of_any_layout_is_stored_row_by_row(mean: Callable[[Graph], str]) -> None:
    matrix = np.arange(9, dtype=np.float32).reshape(3, 3)
    graph = Graph("layout")
    colour = mean(graph)
    graph.name({"turned": graph.add("MatMul", colour, matrix.T), "plain": graph.add("MatMul", colour, matrix)})
    turned, plain = run(graph.model({"turned": 3, "plain": 3}), ["turned", "plain"])
    colours = PICTURE.mean(axis=(1, 2))
    assert turned == pytest.approx(colours @ matrix.T, rel=1e-5)
    assert plain == pytest.approx(colours @ matrix, rel=1e-5)


def test_two_outputs_of_one_tensor_have_its_values(mean: Callable[[Graph], str]) -> None:
    graph = Graph("twice")
    colour = mean(graph)
    graph.name({"one": colour, "other": colour, "more": graph.add("Mul", colour, np.float32(2))})
    one, other, more = run(graph.model(dict.fromkeys(("one", "other", "more"), 3)), ["one", "other", "more"])
    assert np.array_equal(one, other)
    assert np.array_equal(more, one * 2)


@pytest.fixture
def scaled() -> Callable[[Graph], str]:
    """Adds the pixels as the small network takes them."""

    def add(graph: Graph) -> str:
        values = graph.add("Cast", graph.add("Transpose", Graph.pixels, perm=[0, 3, 1, 2]), to=TensorProto.FLOAT)
        return graph.add("Div", values, np.float32(64))

    return add


def test_a_model_may_be_inserted_twice(small_model: onnx.ModelProto, scaled: Callable[[Graph], str]) -> None:
    graph = Graph("inserted")
    values = scaled(graph)
    first = graph.insert(small_model, values, ["flat", "scores"])
    second = graph.insert(small_model, graph.add("Neg", values), ["scores"])
    graph.name({"flat": first["flat"], "scores": first["scores"], "other": second["scores"]})
    flat, scores, other = run(graph.model({"flat": 6, "scores": 5, "other": 5}), ["flat", "scores", "other"])
    [weights] = [onnx.numpy_helper.to_array(each) for each in small_model.graph.initializer if each.name == "k3"]
    assert scores == pytest.approx(flat @ weights, abs=1e-5)
    assert abs(scores - other).max() > 0.1


def test_what_a_model_says_of_the_machine_that_made_it_is_left_out(
    small_model: onnx.ModelProto, scaled: Callable[[Graph], str]
) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(small_model)
    for node in model.graph.node:
        node.doc_string = "/home/somebody/network.py(12): forward"
        node.metadata_props.add(key="stack", value="/home/somebody")
    graph = Graph("quiet")
    graph.name({"scores": graph.insert(model, scaled(graph), ["scores"])["scores"]})
    content = graph.model({"scores": 5}).SerializeToString()
    assert b"somebody" not in content
    assert model.graph.node[0].doc_string


def test_a_newer_model_makes_the_graph_newer_and_an_older_one_does_not(
    small_model: onnx.ModelProto, scaled: Callable[[Graph], str]
) -> None:
    for given, expected in ((17, OPSET), (20, 20)):
        model = onnx.version_converter.convert_version(small_model, given)
        graph = Graph("opset")
        graph.name({"scores": graph.insert(model, scaled(graph), ["scores"])["scores"]})
        assert [each.version for each in graph.model({"scores": 5}).opset_import] == [expected]


def test_a_graph_of_one_size_says_so(mean: Callable[[Graph], str]) -> None:
    for sides, expected in ((("h", "w"), ["n", "h", "w", 3]), ((6, 8), ["n", 6, 8, 3])):
        graph = Graph("size", *sides)
        graph.name({"colour": mean(graph)})
        [pixels] = graph.model({"colour": 3}).graph.input
        assert [each.dim_param or each.dim_value for each in pixels.type.tensor_type.shape.dim] == expected


def test_the_same_calls_give_the_same_bytes(small_model: onnx.ModelProto, scaled: Callable[[Graph], str]) -> None:
    contents = set()
    for _ in range(2):
        graph = Graph("same")
        graph.name({"scores": graph.insert(small_model, scaled(graph), ["scores"])["scores"]})
        contents.add(graph.model({"scores": 5}).SerializeToString(deterministic=True))
    assert len(contents) == 1
