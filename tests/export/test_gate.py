"""A graph that computes something else than its source is never written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_embedding.bundle import read_extractor
from pixkin_embedding.preprocessing import Preprocessing
from pixkin_export.catalogue import CATALOGUE, Entry
from pixkin_export.differences import ParityFailed
from pixkin_export.exporting import export_model
from pixkin_export.graph import Graph
from pixkin_export.networks import efficientnet_lite
from pixkin_export.origins import ORIGINS, Opened, Origin
from pixkin_export.sources.onnx_file import OnnxFile
from pixkin_export.sources.options import SourceOptions
from pixkin_export.sources.source import Layer, Seen, Source
from pixkin_proto.errors import InvalidExtractor

SaveNetwork = Callable[..., Path]
Export = Callable[..., Path]
BILINEAR = Preprocessing("shorter", 36, (32, 32), "bilinear")
DESCRIPTORS = {"gap:layer=relu2": 6, "scores": 5, "cnn-hist:layer=relu1/relu2": 30}


class Told:
    """A source whose graph is that of one source, and whose truth is told by another."""

    against = "the network as it was meant"

    def __init__(self, made: Source, true: Source) -> None:
        self.preprocessing, self.learnt = made.preprocessing, made.learnt
        self._made, self._true = made, true

    def layer(self, name: str) -> Layer:
        """Return what a layer gives."""
        return self._made.layer(name)

    def add(self, graph: Graph, layers: Sequence[str]) -> dict[str, str]:
        """Add the one."""
        return self._made.add(graph, layers)

    def see(self, picture: NDArray[np.uint8], layers: Sequence[str]) -> Seen:
        """Compute the other."""
        return self._true.see(picture, layers)


@pytest.fixture
def export(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Export:
    """Exports the graph of one source as that of another."""

    def run(made: Source, true: Source) -> Path:
        origin = Origin("none needed", lambda _name, _options, _names: Opened(Told(made, true), "a test", "none"))
        monkeypatch.setitem(ORIGINS, "told", origin)
        monkeypatch.setitem(CATALOGUE, "told", Entry("told", "what another source tells", "told:", DESCRIPTORS))
        return export_model("told", directory=tmp_path / "out")

    return run


@pytest.fixture
def opened(small_network: Path, small_options: SourceOptions) -> Callable[..., OnnxFile]:
    """Opens the small network: its file, how it is prepared, and what else is said of the form of its input."""

    def run(path: Path = small_network, rule: Preprocessing = BILINEAR, **form: Any) -> OnnxFile:
        source = OnnxFile(path, replace(small_options, form=replace(small_options.form, **form)))
        source.preprocessing = rule
        return source

    return run


def test_the_graph_of_the_source_itself_is_written(export: Export, opened: Callable[..., OnnxFile]) -> None:
    extractor, _ = read_extractor(export(opened(), opened()))
    assert extractor.preprocessing == BILINEAR
    assert extractor.provenance["parity"]["against"] == Told.against
    assert [row["descriptor"] for row in extractor.provenance["parity"]["rows"]] == ["gap", "scores", "cnn-hist"]


FORMS: Mapping[str, Mapping[str, Any]] = {
    "another mean": {"mean": (123.0, 116.0, 104.0)},
    "no mean": {"mean": (0.0, 0.0, 0.0)},
    "another order of channels": {"channels": "bgr"},
    "another scale": {"scale": 1.01},
    "another deviation": {"std": (58.0, 57.0, 57.0)},
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_pixels_that_reach_the_network_otherwise_stop_the_export(
    form: dict[str, Any], export: Export, opened: Callable[..., OnnxFile], tmp_path: Path
) -> None:
    with pytest.raises(ParityFailed, match="does not compute what the network as it was meant computes") as failed:
        export(opened(**form), opened())
    assert {row.descriptor for row in failed.value.rows} == {"gap", "scores", "cnn-hist"}
    assert not list(tmp_path.iterdir())


RULES = {
    "another filter": replace(BILINEAR, filter="bicubic"),
    "another size before the crop": replace(BILINEAR, size=37),
    "squashed": Preprocessing("exact", (32, 32), filter="bilinear"),
    "another rounding": replace(BILINEAR, rounding="torchvision"),
    "another size": Preprocessing("exact", (31, 32), filter="bilinear"),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_pictures_that_are_prepared_otherwise_stop_the_export(
    rule: Preprocessing, export: Export, opened: Callable[..., OnnxFile], tmp_path: Path
) -> None:
    with pytest.raises(ParityFailed, match="is prepared in another way than its source does"):
        export(opened(rule=rule), opened())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "change",
    [{"pads": "0, 0, 2, 2"}, {"more": 0.01}, {"more": -0.001}],
    ids=["padding", "a weight", "a weight a little"],
)
def test_a_network_that_is_not_the_one_stops_the_export(
    change: dict[str, Any], save_network: SaveNetwork, export: Export, opened: Callable[..., OnnxFile], tmp_path: Path
) -> None:
    other = save_network(tmp_path / "other.onnx", **change)
    with pytest.raises(ParityFailed, match="nothing was written"):
        export(opened(other), opened())
    assert [each.name for each in tmp_path.iterdir()] == ["other.onnx"]


@pytest.mark.slow
def test_the_padding_of_pytorch_is_not_that_of_the_lite_networks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def symmetric(size: int, kernel: int, stride: int) -> tuple[int, int, int]:
        return kernel // 2, kernel // 2, -(-size // stride)

    monkeypatch.setattr(efficientnet_lite, "same_padding", symmetric)
    with pytest.raises(ParityFailed, match="gap"):
        export_model("efficientnet-lite0", directory=tmp_path)
    assert not list(tmp_path.iterdir())


CONSTANT = """<ir_version: 8, opset_import: ["" : 17]>
constant (float[n, 3, h, w] x) => (float[n, 3] scores) {
    nothing = Constant <value = float {0.0}> ()
    one = Constant <value = float {1.0}> ()
    none = Mul(x, nothing)
    relu2 = Add(none, one)
    relu1 = Identity(relu2)
    pooled = GlobalAveragePool(relu1)
    flat = Flatten(pooled)
    scores = Identity(flat)
}"""


def test_a_network_that_sees_nothing_is_not_exported_though_it_equals_its_source(
    save_network: SaveNetwork, export: Export, opened: Callable[..., OnnxFile], tmp_path: Path
) -> None:
    path = save_network(tmp_path / "constant.onnx", text=CONSTANT.replace("{", "{{").replace("}", "}}"))
    with pytest.raises(InvalidExtractor, match="gap is the same for every picture"):
        export(opened(path), opened(path))
    assert [each.name for each in tmp_path.iterdir()] == ["constant.onnx"]


def test_a_formula_with_another_number_is_not_exported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from pixkin_export.heads.registry import HEADS

    gap = HEADS["gch"]
    monkeypatch.setitem(HEADS, "gch", replace(gap, formula=lambda pixels, **given: gap.formula(pixels // 2, **given)))
    with pytest.raises(ParityFailed, match="gch"):
        export_model("grey-histogram", directory=tmp_path)
    assert not list(tmp_path.iterdir())
