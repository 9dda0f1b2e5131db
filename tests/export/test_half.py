from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from pixkin_embedding.encoder import Session
from pixkin_export.compare import Encode, how_near
from pixkin_export.graph import Graph
from pixkin_export.half import to_half
from pixkin_export.heads.crow import add_crow
from pixkin_export.heads.normalisation import add_norm
from pixkin_export.heads.pooling import add_gap, add_sum
from pixkin_export.heads.registry import HEADS
from pixkin_export.networks.efficientnet_lite_layers import LITE0
from pixkin_export.sources.efficientnet_lite import LiteSource
from pixkin_proto.descriptors import Norm
from pixkin_proto.errors import InvalidArgument

Pixels = NDArray[np.uint8]
Both = tuple[onnx.ModelProto, onnx.ModelProto]
LARGEST = float(np.finfo(np.float16).max)


@pytest.fixture(scope="module")
def model_and_layers(weights: Mapping[str, NDArray[np.float32]]) -> tuple[onnx.ModelProto, list[str]]:
    """EfficientNet-Lite0 with four heads, and the tensors that these take."""
    graph = Graph("efficientnet-lite0", 224, 224)
    layers = LiteSource(LITE0, weights).add(graph, ["features", "logits"])
    features = layers["features"]
    graph.name(
        {
            "gap": add_norm(graph, add_gap(graph, features), Norm.L2),
            "sum": add_sum(graph, features),
            "crow": add_crow(graph, features),
            "logits": graph.add("Identity", layers["logits"]),
        }
    )
    model = graph.model({"gap": 1280, "sum": 1280, "crow": 1280, "logits": 1000})
    return model, [features, layers["logits"]]


@pytest.fixture(scope="module")
def both(model_and_layers: tuple[onnx.ModelProto, list[str]]) -> Both:
    """The network of float32 and of 16 bits."""
    model, layers = model_and_layers
    return model, to_half(model, layers=layers)


def encoder(model: onnx.ModelProto) -> Encode:
    session = Session(model.SerializeToString(), "cpu")
    return lambda pixels: session.run(pixels, session.outputs)


def test_every_descriptor_stays_near(both: Both, crops: Pixels) -> None:
    for near in how_near(*map(encoder, both), crops):
        assert near.cosine_min >= 0.999, near.descriptor
        assert near.top_10 >= 0.95, near.descriptor


def test_vectors_are_float32_as_before(both: Both) -> None:
    model, half = both
    assert half.graph.input == model.graph.input
    assert half.graph.output == model.graph.output
    assert (half.ir_version, half.opset_import) == (model.ir_version, model.opset_import)


def test_weights_take_half_of_the_bytes(both: Both) -> None:
    model, half = both
    assert half.ByteSize() < 0.51 * model.ByteSize()


def test_the_same_graph_gives_the_same_bytes_and_stays_as_it_was(
    both: Both, model_and_layers: tuple[onnx.ModelProto, list[str]]
) -> None:
    model, layers = model_and_layers
    digests = [_digest(model), _digest(to_half(model, layers=layers)), _digest(model)]
    assert digests == [_digest(each) for each in (both[0], both[1], both[0])]


def _digest(model: onnx.ModelProto) -> str:
    return sha256(model.SerializeToString(deterministic=True)).hexdigest()


def test_sums_of_a_head_may_be_larger_than_16_bits_hold() -> None:
    graph = Graph("bright", 64, 64)
    maps = graph.add("Cast", graph.add("Transpose", graph.pixels, perm=[0, 3, 1, 2]), to=onnx.TensorProto.FLOAT)
    maps = graph.add("Conv", maps, np.eye(3, dtype=np.float32)[:, :, np.newaxis, np.newaxis])
    maps = graph.add("Mul", maps, np.float32(2))
    twice = graph.add("Mul", add_sum(graph, maps), np.float32(2))  # the same constant, where 16 bits would not do
    graph.name({"sum": twice})
    model = graph.model({"sum": 3})
    half = to_half(model, layers=[maps])
    pixels = np.full((1, 64, 64, 3), 255, np.uint8)
    assert encoder(half)(pixels)["sum"].tolist() == [[4.0 * 255 * 64 * 64] * 3]
    assert LARGEST < 4.0 * 255 * 64 * 64
    assert onnx.TensorProto.FLOAT16 in {each.data_type for each in half.graph.initializer}


def test_without_a_network_there_is_nothing_to_shorten() -> None:
    graph = Graph("histogram", 64, 64)
    graph.name({"gch": HEADS["gch"].add(graph, bins=None, regions="whole")})
    with pytest.raises(InvalidArgument, match="histogram computes with no network"):
        to_half(graph.model({"gch": 64}), layers=[])
