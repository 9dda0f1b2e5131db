"""Networks in ONNX files of any origin."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from pixkin_embedding.bundle import read_extractor
from pixkin_embedding.encoder import load_encoder
from pixkin_embedding.preprocessing import Preprocessing
from pixkin_export.exporting import export_model
from pixkin_export.heads.registry import HEADS, Takes
from pixkin_export.sources.options import InputForm, SourceOptions
from pixkin_proto.errors import InvalidArgument, InvalidExtractor, PixkinError

SaveNetwork = Callable[..., Path]
HEAD = '<ir_version: 8, opset_import: ["" : 17{more}]> g ({input}) => (float[n, 3] y) {{ {nodes} }}'
PLAIN = "a = Relu(x)\n p = GlobalAveragePool(a)\n y = Flatten(p)"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes an ONNX file of one input x and the output y; edit changes the model before."""

    def run(nodes: str = PLAIN, *, kind: str = "float[n, 3, h, w] x", more: str = "", edit: Any = None) -> Path:
        model = onnx.parser.parse_model(HEAD.format(more=more, input=kind, nodes=nodes))
        if edit:
            edit(model)
        path = tmp_path / "network.onnx"
        path.write_bytes(model.SerializeToString())
        return path

    return run


def export(path: Path, directory: Path, *cuts: str, **options: Any) -> Path:
    given = SourceOptions(**{"size": 32, "cuts": {cut: cut for cut in cuts or ("y",)}, **options})
    return export_model("mine", directory=directory, options=given, onnx_file=path)


def refused(path: Path, directory: Path, *cuts: str, **options: Any) -> str:
    """Return what is said against a file, which must be one line and leave nothing behind."""
    with pytest.raises(PixkinError) as error:
        export(path, directory / "out", *cuts, **options)
    assert isinstance(error.value, InvalidArgument | InvalidExtractor)
    assert "\n" not in error.value.message
    assert not (directory / "out").exists()
    return error.value.message


def test_what_it_is_cut_at_is_what_it_computes_and_maps_are_averaged(
    small_network: Path, small_options: SourceOptions, tmp_path: Path
) -> None:
    path = export_model("mine", directory=tmp_path, options=small_options, onnx_file=small_network)
    extractor, content = read_extractor(path)
    assert path.name == "mine.onnx"
    assert [each.dim for each in extractor.descriptors] == [4, 6, 6, 5]
    assert len({each.name for each in extractor.descriptors}) == 4
    assert extractor.provenance["source"] == "the ONNX file small.onnx"
    assert str(small_network.parent).encode() not in content


@pytest.mark.parametrize("opset", [9, 11, 13, 15, 17, 18, 19, 20, 21])
def test_files_of_every_opset_that_onnx_runtime_1_20_reads_are_exported(
    opset: int, save_network: SaveNetwork, small_options: SourceOptions, tmp_path: Path
) -> None:
    network = save_network(tmp_path / "network.onnx", opset=opset)
    texts = ["gap:layer=relu2", "scores"]
    path = export_model("mine", directory=tmp_path, options=small_options, onnx_file=network, descriptors=texts)
    assert onnx.load(path).opset_import[0].version == max(opset, 18)


@pytest.mark.parametrize("opset", [6, 22])
def test_files_of_other_opsets_are_not(write: Callable[..., Path], opset: int, tmp_path: Path) -> None:
    path = write(edit=lambda model: setattr(model.opset_import[0], "version", opset))
    assert f"has opset {opset}; 7 to 21 can be exported" in refused(path, tmp_path)


@pytest.mark.parametrize("head", [head.name for head in HEADS.values() if head.takes in {Takes.MAP, Takes.MAPS}])
def test_every_head_of_maps_takes_pictures_in_their_own_proportions(
    head: str, small_network: Path, small_options: SourceOptions, tmp_path: Path
) -> None:
    native = replace(small_options, size=None, native=True, longest=160)
    texts = [f"{head}:layer=relu2"]
    path = export_model("mine", directory=tmp_path, options=native, onnx_file=small_network, descriptors=texts)
    encoder = load_encoder(path, "cpu")
    assert encoder.extractor.preprocessing.output_shape is None
    for shape in ((2, 160, 120), (1, 96, 160)):
        pixels = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
        assert encoder.encode(pixels)[head].shape == (shape[0], encoder.extractor.descriptors[0].dim)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("channels", ["rgb", "bgr"])
def test_pixels_reach_the_network_in_the_form_that_is_said(
    layout: Any, channels: Any, write: Callable[..., Path], tmp_path: Path
) -> None:
    if layout == "nchw":
        path = write("p = GlobalAveragePool(x)\n y = Flatten(p)")
    else:
        path = write("y = ReduceMean <axes = [1, 2], keepdims = 0> (x)", kind="float[n, h, w, 3] x")
    form = InputForm(layout, channels, scale=1 / 255, mean=(0.5, 0.25, 0.125), std=(0.5, 1.0, 2.0))
    made = export_model(
        "mine",
        directory=tmp_path,
        options=SourceOptions(size=8, cuts={"y": "y"}, form=form),
        onnx_file=path,
        descriptors=["y:norm=none"],
    )
    pixels = np.random.default_rng(5).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    ordered = pixels[..., ::-1] if channels == "bgr" else pixels
    expected = (ordered.mean(axis=(1, 2)) / 255 - [0.5, 0.25, 0.125]) / [0.5, 1, 2]
    assert load_encoder(made, "cpu").encode(pixels)["y"] == pytest.approx(expected, abs=1e-5)


def test_a_network_of_one_size_brings_it_along(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write(kind="float[n, 3, 24, 40] x")
    made = export(path, tmp_path / "made", size=None)
    assert read_extractor(made)[0].preprocessing == Preprocessing("exact", (24, 40), filter="bilinear")
    assert "takes pictures of 24x40 only, not of 32x32" in refused(path, tmp_path)
    assert "takes pictures of 24x40 only; leave out --native" in refused(path, tmp_path, size=None, native=True)


def test_a_network_of_any_size_needs_one(write: Callable[..., Path], tmp_path: Path) -> None:
    assert "say --size N or --native" in refused(write(), tmp_path, size=None)


def test_a_tensor_that_is_not_there_is_answered_with_the_nearest(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write("relu5 = Relu(x)\n relu6 = Relu(relu5)\n p = GlobalAveragePool(relu6)\n y = Flatten(p)")
    assert "no tensor 'relu4'; it has for instance relu5, relu6" in refused(path, tmp_path, "relu4")


def test_a_file_that_is_cut_nowhere_is_answered_with_its_outputs(write: Callable[..., Path], tmp_path: Path) -> None:
    said = refused(write(), tmp_path, cuts={})
    assert said.startswith("say where to cut network.onnx with --cut TENSOR; its outputs are y")


@pytest.mark.parametrize("name", ["a/b", "a=b", "a,b", "a+b", "", "a:0"])
def test_a_tensor_whose_name_the_words_could_not_hold_needs_another(
    name: str, write: Callable[..., Path], tmp_path: Path
) -> None:
    assert "cannot be the name of a layer; give it another: --cut layer1=" in refused(
        write(), tmp_path, cuts={name: "y"}
    )


@pytest.mark.parametrize("location", ["weights.bin", "../secret.bin", "{folder}/secret.bin", "linked.bin", "hard.bin"])
def test_a_file_that_keeps_its_weights_in_another_file_is_refused_and_that_one_is_not_read(
    location: str, write: Callable[..., Path], tmp_path: Path
) -> None:
    secret = tmp_path / "secret.bin"
    secret.write_bytes(np.full(3, 7, np.float32).tobytes())
    (tmp_path / "network").mkdir()
    (tmp_path / "network" / "weights.bin").write_bytes(secret.read_bytes())
    (tmp_path / "network" / "linked.bin").symlink_to(secret)
    os.link(secret, tmp_path / "network" / "hard.bin")

    def outside(model: onnx.ModelProto) -> None:
        weights = TensorProto(name="k", data_type=TensorProto.FLOAT, dims=[3], data_location=TensorProto.EXTERNAL)
        weights.external_data.add(key="location", value=location.format(folder=tmp_path))
        model.graph.initializer.append(weights)

    path = write("a = Relu(x)\n p = GlobalAveragePool(a)\n f = Flatten(p)\n y = Mul(f, k)", edit=outside)
    path = path.rename(tmp_path / "network" / "network.onnx")
    assert "keeps its weights in other files, which are not read" in refused(path, tmp_path)


def test_weights_outside_are_found_inside_branches_too(write: Callable[..., Path], tmp_path: Path) -> None:
    weights = TensorProto(name="k", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    weights.external_data.add(key="location", value="weights.bin")
    inner = helper.make_node("Constant", [], ["o"], value=weights)
    graph = helper.make_graph([inner], "branch", [], [helper.make_tensor_value_info("o", TensorProto.FLOAT, [1])])

    def branch(model: onnx.ModelProto) -> None:
        model.graph.node.append(helper.make_node("If", ["c"], ["b"], then_branch=graph, else_branch=graph))

    assert "keeps its weights in other files" in refused(write(edit=branch), tmp_path)


@pytest.mark.parametrize("content", [b"", b"no model", b"\x08\x08", b"\x80\x04\x95"])
def test_a_file_that_is_no_model_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "network.onnx"
    path.write_bytes(content)
    assert str(path) in refused(path, tmp_path)


def test_a_file_that_is_cut_off_is_refused(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write()
    whole = path.read_bytes()
    for kept in (1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:kept])
        assert str(path) in refused(path, tmp_path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "none.onnx cannot be read as ONNX" in refused(tmp_path / "none.onnx", tmp_path)


def _sparse(model: onnx.ModelProto) -> None:
    values = numpy_helper.from_array(np.ones(1, np.float32), "k")
    places = numpy_helper.from_array(np.array([1]), "places")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [3]))


FUNCTION = """<ir_version: 8, opset_import: ["" : 17, "own" : 1]>
g (float[n, 3, h, w] x) => (float[n, 3] y) { a = own.twice(x)\n p = GlobalAveragePool(a)\n y = Flatten(p) }
<domain: "own", opset_import: ["" : 17]> twice (i) => (o) { o = Add(i, i) }"""


@pytest.mark.parametrize(
    "change",
    [
        {"nodes": "a = Thing(x)\n p = GlobalAveragePool(a)\n y = Flatten(p)"},
        {"nodes": "a = own.Thing(x)\n p = GlobalAveragePool(a)\n y = Flatten(p)", "more": ', "own" : 1'},
        {"more": ', "ai.onnx" : 17'},
        {"edit": lambda model: model.ClearField("opset_import")},
        {"kind": "uint8[n, 3, h, w] x", "nodes": "f = Cast <to = 1> (x)\n p = GlobalAveragePool(f)\n y = Flatten(p)"},
        {"kind": "float[n, 4, h, w] x", "nodes": PLAIN},
        {"kind": "float[n, 3, h, w] x, float[n] z"},
        {"nodes": "a = Relu(x)\n y = ReduceMean <keepdims = 0> (a)"},
        {"nodes": "y = Constant <value = float[1, 3] {1, 2, 3}> ()"},
        {"nodes": f"{PLAIN.replace('y =', 'f =')}\n y = Mul(f, k)", "edit": _sparse},
        {"nodes": "n = Constant <value = float {nan}> ()\n a = Mul(x, n)\n p = GlobalAveragePool(a)\n y = Flatten(p)"},
        {"nodes": "s = Constant <value = int64[2] {1, 3}> ()\n p = GlobalAveragePool(x)\n y = Reshape(p, s)"},
    ],
    ids=[
        "an operator that there is not",
        "an operator of another domain",
        "two opsets",
        "no opset",
        "whole numbers",
        "four channels",
        "two inputs",
        "one number for all",
        "a vector of no picture",
        "sparse weights",
        "not a number",
        "one picture at a time",
    ],
)
def test_a_network_that_cannot_be_an_extractor_is_refused_in_one_line(
    change: dict[str, Any], write: Callable[..., Path], tmp_path: Path
) -> None:
    assert refused(write(**change), tmp_path)


def test_whole_numbers_are_no_descriptor(write: Callable[..., Path], tmp_path: Path) -> None:
    assert refused(write(f"{PLAIN}\n k = Cast <to = 7> (y)"), tmp_path, "k")


def test_a_network_with_functions_of_its_own_is_exported_or_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "network.onnx"
    path.write_bytes(onnx.parser.parse_model(FUNCTION).SerializeToString())
    try:
        load_encoder(export(path, tmp_path / "out"), "cpu")
    except InvalidExtractor as error:
        said = error.message
    else:
        said = ""
    assert "\n" not in said


def test_the_other_layout_is_a_line(write: Callable[..., Path], tmp_path: Path) -> None:
    assert "--layout" in refused(write(), tmp_path, form=InputForm(layout="nhwc"))


def test_a_file_holds_its_weights(write: Callable[..., Path], tmp_path: Path) -> None:
    assert "an ONNX file holds its weights" in refused(write(), tmp_path, untrained=True)
