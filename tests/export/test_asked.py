"""From the words in which descriptors are asked for to a graph and what is declared of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pixkin_embedding.encoder import Session
from pixkin_embedding.preprocessing import Preprocessing
from pixkin_export.asked import ask
from pixkin_export.sources.onnx_file import OnnxFile
from pixkin_export.sources.options import SourceOptions
from pixkin_export.sources.pixels import PixelSource
from pixkin_export.sources.source import Seen
from pixkin_proto.descriptors import Descriptor, Norm
from pixkin_proto.errors import InvalidArgument

PIXELS = PixelSource(Preprocessing("exact", (64, 64), filter="bilinear"), {})
NATIVE = PixelSource(Preprocessing("longest", 384, filter="box"), {})


@pytest.fixture
def network(small_network: Path, small_options: SourceOptions) -> OnnxFile:
    return OnnxFile(small_network, small_options)


def test_several_descriptors_come_from_one_pass_through_the_network(network: OnnxFile) -> None:
    texts = ["gap:layer=relu2", "mac:layer=relu1", "scores", "cnn-hist:layer=relu1/relu2", "class:layer=scores"]
    asked = ask("net", network, texts)
    assert asked.layers == ("relu2", "relu1", "scores")
    assert sum(node.op_type == "Conv" for node in asked.model.graph.node) == 2
    assert [
        (each.name, each.dim, each.norm, each.non_negative, each.default_measure) for each in asked.descriptors
    ] == [
        ("gap", 6, Norm.L2, True, "cosine"),
        ("mac", 4, Norm.L2, True, "cosine"),
        ("scores", 5, Norm.L2, False, "cosine"),
        ("cnn-hist", 30, Norm.NONE, True, "chi2"),
        ("class", 5, Norm.L2, True, "cosine"),
    ]


def test_only_what_is_needed_of_the_network_is_there(network: OnnxFile) -> None:
    model = ask("net", network, ["gap:layer=relu1"]).model
    assert sum(node.op_type == "Conv" for node in model.graph.node) == 1
    assert not [each.name for each in model.graph.initializer if each.name.endswith(("k2", "k3"))]


def test_a_measure_of_masses_is_no_default_where_numbers_may_be_negative(network: OnnxFile) -> None:
    # chi2 is what a histogram is compared by, and cosine what anything can be.
    [declared] = ask("net", network, ["cnn-hist:layer=relu1,norm=l2"]).descriptors
    assert declared.default_measure == "chi2"
    [fused] = ask("net", PIXELS, ["gch+hog"]).descriptors
    assert fused == Descriptor("gch-hog", 64 + 2916, Norm.L2, non_negative=True, default_measure="cosine")


def test_a_fused_descriptor_is_its_normalised_parts_by_their_weights(network: OnnxFile) -> None:
    picture = np.random.default_rng(3).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    asked = ask("net", network, ["both=gap:layer=relu2@3+gch:bins=8@0.5", "gap:layer=relu2", "gch:bins=8,norm=l2"])
    made = Session(asked.model.SerializeToString(), "cpu").run(picture[np.newaxis], ["both", "gap", "gch"])
    parts = np.concatenate([3 * made["gap"][0], 0.5 * made["gch"][0]])
    assert made["both"][0] == pytest.approx(parts / np.sqrt(9.25), abs=1e-6)
    seen = network.see(picture, asked.layers)
    assert asked.expected(seen, picture)["both"] == pytest.approx(made["both"][0], abs=1e-6)


def test_the_same_words_give_the_same_bytes(network: OnnxFile) -> None:
    texts = ["gap:layer=relu2", "rmac:layer=relu1+gch"]
    first, second = (ask("net", network, texts).model.SerializeToString(deterministic=True) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["gap:layer=relu3"], r"no layer or head 'relu3'; did you mean .*relu1, relu2"),
        (["gem"], "no layer or head 'features'"),
        (["gapp"], r"no layer or head 'gapp'; did you mean gap"),
        (["gap:layer=scores"], "gap takes a map, and layer scores gives a vector; take it as it is"),
        (["relu1"], r"layer takes a vector, and layer relu1 gives a map; pool it with .*gap:layer=relu1"),
        (["cnn-hist:layer=relu1/scores"], "cnn-hist takes a map, and layer scores gives a vector"),
        (["class:layer=relu2"], "class takes a vector, and layer relu2 gives a map"),
        (["scores", "scores"], "scores comes twice; name one of them otherwise: OTHER=scores"),
        (["bovw"], "bovw needs a vocabulary: learn it from a folder of pictures with --train FOLDER"),
    ],
)
def test_what_cannot_be_computed_is_said_in_one_line(texts: list[str], said: str, network: OnnxFile) -> None:
    with pytest.raises(InvalidArgument, match=said) as refused:
        ask("net", network, texts)
    assert "\n" not in refused.value.message


@pytest.mark.parametrize("head", ["hog", "sift"])
def test_a_head_of_one_size_needs_pictures_of_one_size(head: str) -> None:
    with pytest.raises(InvalidArgument, match=f"{head} needs pictures of one size: give --size N in place of --native"):
        ask("net", NATIVE, [head])


@pytest.mark.parametrize("text", ["gap", "scores", "class"])
def test_a_formula_of_the_pixels_has_no_layers(text: str) -> None:
    with pytest.raises(InvalidArgument, match="no layer or head"):
        ask("net", PIXELS, [text])


def test_what_is_declared_of_pictures_of_any_size_is_their_formula_too() -> None:
    asked = ask("net", NATIVE, ["histogram", "lbp:regions=2x2"])
    for shape in ((1, 1), (7, 300), (64, 48)):
        picture = np.random.default_rng(9).integers(0, 256, (*shape, 3), dtype=np.uint8)
        made = Session(asked.model.SerializeToString(), "cpu").run(picture[np.newaxis], ["histogram", "lbp"])
        for name, expected in asked.expected(Seen(np.zeros(0), {}), picture).items():
            assert made[name][0] == pytest.approx(expected, abs=1e-6)
