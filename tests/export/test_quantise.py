from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from pixkin_embedding.encoder import Session
from pixkin_export.compare import Encode, how_near
from pixkin_export.graph import Graph
from pixkin_export.heads.normalisation import add_norm
from pixkin_export.heads.pooling import add_gap
from pixkin_export.heads.registry import HEADS
from pixkin_export.heads.whitening import add_whitening
from pixkin_export.networks.efficientnet_lite_layers import LITE0
from pixkin_export.quantise import quantise
from pixkin_export.sources.efficientnet_lite import LiteSource
from pixkin_proto.descriptors import Norm
from pixkin_proto.errors import InvalidArgument
from pixkin_proto.whitening import Whitening

Pixels = NDArray[np.uint8]
CHANNELS = 12
LAYER = "features"


def weights(out: int, into: int, size: int) -> NDArray[np.float32]:
    draw = np.random.default_rng(out * into * size)
    return (draw.normal(size=(out, into, size, size)) / np.sqrt(into * size**2)).astype(np.float32)


@pytest.fixture(scope="module")
def small() -> onnx.ModelProto:
    """A network of eight convolutions with two residuals, constants as PyTorch writes them, and three heads.

    gap; HOG, which has convolutions of its own; gap whitened, which is a convolution. The second and the third layer
    take the same tensor.
    """
    graph = Graph("small", 64, 64)
    add = graph.add
    values = add("Cast", add("Transpose", graph.pixels, perm=[0, 3, 1, 2]), to=onnx.TensorProto.FLOAT)
    values = add("Mul", add("Sub", values, np.float32(127)), np.float32(1 / 64))
    stem = add("Relu", add("Conv", values, weights(CHANNELS, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1]))
    left = add("Conv", stem, weights(CHANNELS, CHANNELS, 1))
    right = add("Conv", stem, weights(CHANNELS, CHANNELS, 3), pads=[1, 1, 1, 1])
    maps = add("Relu", add("Add", left, right))
    for block in range(5):
        kernel = add("Constant", value=numpy_helper.from_array(weights(CHANNELS, CHANNELS, 3) * (1 + block / 9)))
        shared = np.linspace(-1, 1, CHANNELS, dtype=np.float32)
        bias = add("Identity", shared) if block % 2 else shared
        inner = add("Relu", add("Conv", maps, kernel, bias, pads=[1, 1, 1, 1]))
        maps = add("Add", inner, maps) if block % 2 else inner
    add("Relu", maps, output=LAYER)
    gap = add_norm(graph, add_gap(graph, LAYER), Norm.L2)
    basis = np.linalg.qr(np.random.default_rng(1).normal(size=(CHANNELS, CHANNELS)))[0]
    whitening = Whitening(np.zeros(CHANNELS), basis, np.ones(CHANNELS), "0" * 64, "gap")
    white = add_whitening(graph, gap, whitening, dims=8, whiten=True)
    hog = HEADS["hog"].add(graph, orientations=9, cell=8, block=3, size=(64, 64))
    graph.name({"gap": gap, "hog": hog, "white": white})
    return graph.model({"gap": CHANNELS, "hog": 2916, "white": 8})


@pytest.fixture(scope="module")
def squares(photos: list[Pixels]) -> list[Pixels]:
    """The photos' centres, (64, 64, 3)."""
    return [np.ascontiguousarray(photo[90:154, 90:154]) for photo in photos]


@pytest.fixture(scope="module")
def made(small: onnx.ModelProto, squares: list[Pixels]) -> onnx.ModelProto:
    """The small network with 8 bits."""
    return quantise(small, squares[::2], layers=[LAYER])


def encoder(model: onnx.ModelProto) -> Encode:
    session = Session(model.SerializeToString(), "cpu")
    return lambda pixels: session.run(pixels, session.outputs)


def with_eight_bits(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """The convolutions whose weights have 8 bits."""
    opened = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    return (node for node in model.graph.node if node.op_type == "Conv" and node.input[1] in opened)


def test_heads_and_preprocessing_keep_their_precision(made: onnx.ModelProto, small: onnx.ModelProto) -> None:
    kinds = {each.name: each.data_type for each in made.graph.initializer}
    convolutions = [node for node in made.graph.node if node.op_type == "Conv"]
    eight_bit = list(with_eight_bits(made))
    assert len(convolutions) == sum(node.op_type == "Conv" for node in small.graph.node)
    assert len(eight_bit) == 5
    for node in convolutions:
        if node not in eight_bit:
            assert kinds[node.input[1]] == onnx.TensorProto.FLOAT


def test_heads_of_pixels_are_computed_exactly(
    made: onnx.ModelProto, small: onnx.ModelProto, squares: list[Pixels]
) -> None:
    pixels = np.stack(squares)
    assert np.array_equal(encoder(made)(pixels)["hog"], encoder(small)(pixels)["hog"])


def test_what_a_float_layer_takes_has_no_8_bits(made: onnx.ModelProto) -> None:
    opened = {node.output[0] for node in made.graph.node if node.op_type == "DequantizeLinear"}
    eight_bit = [node.output[0] for node in with_eight_bits(made)]
    for node in made.graph.node:
        if node.op_type == "Conv" and node.output[0] not in eight_bit:
            assert node.input[0] not in opened


def test_each_channel_of_a_weight_has_a_scale_of_its_own(made: onnx.ModelProto) -> None:
    scales = {each.name: tuple(each.dims) for each in made.graph.initializer}
    makers = {node.output[0]: node for node in made.graph.node}
    assert {scales[makers[node.input[1]].input[1]] for node in with_eight_bits(made)} == {(CHANNELS,)}
    assert "DynamicQuantizeLinear" not in {node.op_type for node in made.graph.node}


def test_the_small_network_comes_near_to_itself(
    made: onnx.ModelProto, small: onnx.ModelProto, squares: list[Pixels]
) -> None:
    for near in how_near(encoder(small), encoder(made), squares):
        assert near.cosine_min > 0.99, near.descriptor


def test_a_picture_has_the_same_vector_alone_and_among_others(made: onnx.ModelProto, squares: list[Pixels]) -> None:
    encode, pixels = encoder(made), np.stack(squares)
    alone = np.concatenate([encode(pixels[place : place + 1])["white"] for place in range(len(pixels))])
    assert np.array_equal(encode(pixels)["white"], alone)


def test_the_file_says_nothing_of_how_it_was_made(
    small: onnx.ModelProto, squares: list[Pixels], monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    before = small.SerializeToString(deterministic=True)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    content = quantise(small, squares[:3], layers=[LAYER]).SerializeToString(deterministic=True)
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")
    assert str(tmp_path).encode() not in content
    made = onnx.ModelProto.FromString(content)
    assert (made.producer_name, made.producer_version, list(made.metadata_props)) == ("pixkin", "", [])
    assert small.SerializeToString(deterministic=True) == before


def test_a_quantised_file_is_as_old_in_form_as_the_one_it_came_from(
    made: onnx.ModelProto, small: onnx.ModelProto
) -> None:
    assert made.ir_version == small.ir_version
    assert made.opset_import == small.opset_import
    assert made.graph.input == small.graph.input
    assert made.graph.output == small.graph.output


def test_another_process_makes_the_same_bytes(
    made: onnx.ModelProto, small: onnx.ModelProto, squares: list[Pixels], tmp_path: Path
) -> None:
    onnx.save(small, tmp_path / "small.onnx")
    np.save(tmp_path / "pictures.npy", np.stack(squares[::2]))
    script = (
        "import hashlib, sys, onnx, numpy; from pixkin_export.quantise import quantise; "
        f"made = quantise(onnx.load('small.onnx'), numpy.load('pictures.npy'), layers=['{LAYER}']); "
        "print(hashlib.sha256(made.SerializeToString(deterministic=True)).hexdigest())"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "1"}
    there = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert there.stdout.strip() == hashlib.sha256(made.SerializeToString(deterministic=True)).hexdigest()


@pytest.mark.parametrize("layers", [[], ["hog"]], ids=["no layers", "a formula of the pixels"])
def test_without_a_network_there_is_nothing_to_quantise(layers: list[str], squares: list[Pixels]) -> None:
    graph = Graph("histogram", 64, 64)
    graph.name({"gch": HEADS["gch"].add(graph, bins=None, regions="whole")})
    model = graph.model({"gch": 64})
    with pytest.raises(InvalidArgument, match="histogram computes with no network"):
        quantise(model, squares, layers=layers)


def test_a_network_of_two_layers_is_refused(squares: list[Pixels]) -> None:
    graph = Graph("tiny", 64, 64)
    values = graph.add("Cast", graph.add("Transpose", graph.pixels, perm=[0, 3, 1, 2]), to=onnx.TensorProto.FLOAT)
    maps = graph.add("Conv", graph.add("Conv", values, weights(4, 3, 3)), weights(4, 4, 3))
    graph.name({"gap": add_gap(graph, maps)})
    with pytest.raises(InvalidArgument, match="tiny has 2 layers"):
        quantise(graph.model({"gap": 4}), squares, layers=[maps])


def test_without_a_picture_nothing_can_be_calibrated(small: onnx.ModelProto) -> None:
    with pytest.raises(InvalidArgument, match="no readable picture to calibrate with"):
        quantise(small, [], layers=[LAYER])


@pytest.mark.slow
def test_efficientnet_lite0_with_8_bits_is_near_and_small(
    weights: dict[str, NDArray[np.float32]], crops: Pixels
) -> None:
    source = LiteSource(LITE0, weights)
    graph = Graph("efficientnet-lite0", 224, 224)
    features = source.add(graph, ["features"])["features"]
    graph.name({"gap": add_norm(graph, add_gap(graph, features), Norm.L2)})
    model = graph.model({"gap": 1280})
    small = quantise(model, crops[::5], layers=[features])
    assert small.ByteSize() < 0.3 * model.ByteSize()
    held_out = [crop for place, crop in enumerate(crops) if place % 5]
    [near] = how_near(encoder(model), encoder(small), held_out)
    assert near.cosine_mean >= 0.99
    assert near.top_10 >= 0.8
