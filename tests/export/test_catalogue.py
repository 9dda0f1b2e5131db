"""What every entry of the catalogue keeps. A new entry is tested by being there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from pixkin_embedding.bundle import read_extractor
from pixkin_embedding.encoder import load_encoder
from pixkin_embedding.preprocessing import prepare
from pixkin_export.catalogue import CATALOGUE, find_entry, register_entry
from pixkin_export.exporting import export_model
from pixkin_proto.descriptors import Norm
from pixkin_proto.errors import InvalidArgument


def test_an_exported_file_says_what_the_catalogue_says(exported: Path) -> None:
    extractor, _ = read_extractor(exported)
    entry = CATALOGUE[extractor.name]
    assert exported.name == f"{entry.name}.onnx"
    assert (extractor.descriptors, extractor.preprocessing) == (entry.descriptors, entry.preprocessing)
    assert extractor.provenance["licence"] == entry.licence


def test_an_exported_file_loads_with_its_golden_vectors_and_keeps_its_word_on_photos(
    exported: Path, photos: list[NDArray[np.uint8]]
) -> None:
    encoder = load_encoder(exported, "cpu")
    entry = CATALOGUE[encoder.extractor.name]
    prepared = [prepare(photo, entry.preprocessing)[np.newaxis] for photo in photos]
    for descriptor in entry.descriptors:
        vectors = np.concatenate([encoder.encode(picture)[descriptor.name] for picture in prepared])
        assert vectors.shape == (len(photos), descriptor.dim)
        assert vectors.dtype == np.float32
        assert np.isfinite(vectors).all()
        assert vectors.min() >= 0 or not descriptor.non_negative
        if descriptor.norm != Norm.NONE:
            order = {Norm.L1: 1, Norm.L2: 2}[descriptor.norm]
            assert np.linalg.norm(vectors, ord=order, axis=1) == pytest.approx(1, abs=1e-5)
        assert len(np.unique(vectors, axis=0)) == len(photos)


def test_exporting_again_gives_the_same_bytes(exported: Path, tmp_path: Path) -> None:
    again = export_model(exported.stem, directory=tmp_path)
    assert again.read_bytes() == exported.read_bytes()


def test_an_exported_graph_is_small_talk_free_and_readable_by_onnx_runtime_1_20(exported: Path) -> None:
    model = onnx.load(exported, load_external_data=False)
    assert model.ir_version <= 10
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 18)]
    assert not any(weight.external_data for weight in model.graph.initializer)
    assert not any(node.doc_string or node.metadata_props for node in model.graph.node)
    assert str(exported.parent).encode() not in exported.read_bytes()


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_an_entry_is_described_to_people(name: str) -> None:
    entry = CATALOGUE[name]
    assert all(len(words) > 5 and "\n" not in words for words in (entry.title, entry.source, entry.licence))


def test_an_unknown_name_is_answered_with_the_nearest_ones() -> None:
    with pytest.raises(InvalidArgument, match=r"'efficientnet_lite0'; did you mean efficientnet-lite0\?"):
        find_entry("efficientnet_lite0")
    with pytest.raises(InvalidArgument, match=r"it has: .*hsv-histogram"):
        find_entry("zzz")


def test_a_name_is_given_once() -> None:
    with pytest.raises(InvalidArgument, match="already"):
        register_entry(CATALOGUE["hsv-histogram"])
