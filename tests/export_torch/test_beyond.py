"""Networks beyond the catalogue, their layers and their sizes."""

from __future__ import annotations

import subprocess
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pixkin_embedding.bundle import read_description, read_extractor
from pixkin_embedding.encoder import load_encoder
from pixkin_export.exporting import export_model
from pixkin_export.sources.options import SourceOptions
from pixkin_proto.errors import InvalidArgument, InvalidExtractor, PixkinError
from pixkin_server.client import Client

Serve = Callable[..., AbstractContextManager[str]]
Run = Callable[..., subprocess.CompletedProcess[str]]
SMALL = "timm:test_resnet.r160_in1k"


def untrained(name: str, directory: Path, *descriptors: str, **options: Any) -> Path:
    given = SourceOptions(untrained=True, **options)
    return export_model(name, directory=directory, options=given, descriptors=descriptors)


@pytest.mark.parametrize(
    ("name", "file", "dim"),
    [
        ("torchvision:shufflenet_v2_x0_5.IMAGENET1K_V1", "shufflenet_v2_x0_5-imagenet1k_v1", 1024),
        ("timm:resnet18", "resnet18", 512),
        ("timm:mobilenetv3_small_050", "mobilenetv3_small_050", 1024),
        ("timm:test_vit.r160_in1k", "test_vit-r160_in1k", 64),
    ],
)
def test_any_network_of_two_libraries_is_exported_by_its_name(name: str, file: str, dim: int, tmp_path: Path) -> None:
    path = untrained(name, tmp_path, size=None if "vit" in name else 64)
    assert path == tmp_path / f"{file}.onnx"
    assert [each.dim for each in read_extractor(path)[0].descriptors] == [dim]


def test_several_layers_and_heads_come_in_one_file_with_one_forward_pass(tmp_path: Path) -> None:
    words = ["gap", "first=gem:layer=layer1,p=2", "cnn-hist:layer=layer1/layer2", "logits", "class", "both=gap+gch"]
    path = untrained(SMALL, tmp_path, *words, size=64)
    extractor, _ = read_extractor(path)
    names = [each.name for each in extractor.descriptors]
    assert names == ["gap", "first", "cnn-hist", "logits", "class", "both"]
    assert [row["descriptor"] for row in extractor.provenance["parity"]["rows"]] == names
    vectors = load_encoder(path, "cpu").encode(np.zeros((1, 64, 64, 3), np.uint8))
    assert vectors["class"][0].argmax() == vectors["logits"][0].argmax()


@pytest.mark.parametrize("name", ["torchvision:squeezenet1_1", SMALL])
def test_pictures_may_keep_their_proportions(name: str, tmp_path: Path) -> None:
    path = untrained(name, tmp_path, "gap", "rmac:levels=2", native=True, longest=128)
    encoder = load_encoder(path, "cpu")
    assert encoder.extractor.preprocessing.output_shape is None
    for shape in ((1, 128, 96), (2, 97, 128)):
        assert len(encoder.encode(np.zeros((*shape, 3), np.uint8))["gap"]) == shape[0]


@pytest.mark.parametrize("name", ["torchvision:shufflenet_v2_x0_5", SMALL])
def test_exporting_again_gives_the_same_bytes_and_leaves_the_random_numbers_alone(name: str, tmp_path: Path) -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first = untrained(name, tmp_path / "first", size=64)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(6)
    assert untrained(name, tmp_path / "second", size=64).read_bytes() == first.read_bytes()


def test_exporting_says_nothing_of_its_own(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        untrained(SMALL, tmp_path, size=64)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("torchvision:resnet500", {}, r"torchvision has no 'resnet500'; did you mean .*resnet50"),
        ("torchvision:resnet50.IMAGENET1K_V9", {}, r"no 'IMAGENET1K_V9'; did you mean IMAGENET1K_V1, IMAGENET1K_V2"),
        ("torchvision:fcn_resnet50", {}, "torchvision has no 'fcn_resnet50'"),
        ("timm:resnet500", {}, r"timm has no 'resnet500'; did you mean"),
        ("timm:resnet50.nobody", {}, r"timm has no 'resnet50.nobody'; did you mean .*resnet50"),
        ("timm:vit_tiny_patch16_224.augreg_in21k", {"native": True}, "takes pictures of one size"),
        (SMALL, {"size": 5000}, "size is 1 to 4096"),
    ],
)
def test_what_there_is_not_is_said_in_one_line(name: str, options: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=said) as refused:
        untrained(name, tmp_path, **options)
    assert "\n" not in refused.value.message
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "size", "words", "said"),
    [
        (SMALL, 64, "layer1.0.conv9", r"no layer or head 'layer1\.0\.conv9'; did you mean .*layer1\.0\.conv1"),
        (SMALL, 64, "layer1", "layer takes a vector, and layer layer1 gives a map"),
        (SMALL, 64, "gap:layer=logits", "gap takes a map, and layer logits gives a vector"),
        ("timm:test_vit.r160_in1k", None, "gap:layer=blocks.0", r"a descriptor is made of \(n, d\) or \(n, c, h, w\)"),
        ("torchvision:inception_v3", 32, "penultimate", "32"),
        ("torchvision:squeezenet1_1", 64, "penultimate", "no layer or head 'penultimate'"),
    ],
)
def test_what_cannot_be_computed_is_said_in_one_line(
    name: str, size: int | None, words: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(PixkinError, match=said) as refused:
        untrained(name, tmp_path, words, size=size)
    assert "\n" not in refused.value.message
    assert not list(tmp_path.iterdir())


def test_weights_have_to_be_asked_for(tmp_path: Path) -> None:
    for name in ("torchvision:squeezenet1_1", SMALL):
        with pytest.raises(InvalidArgument, match=r"--weights FILE, .*--download, .*--random-weights"):
            export_model(name, directory=tmp_path)
    assert not list(tmp_path.iterdir())


def test_one_command_exports_and_only_a_server_that_is_told_to_runs_it(
    pixkin: Run, serve: Serve, photo_file: bytes, tmp_path: Path
) -> None:
    directory = tmp_path / "extractors"
    made = pixkin("export-model", SMALL, "--random-weights", "--size", 64, "--extractors", directory)
    path = directory / "test_resnet-r160_in1k.onnx"
    assert (made.returncode, made.stdout, made.stderr) == (0, f"{path}\n", "")
    assert read_description(path).untrained
    assert "untrained" in pixkin("inspect", path).stdout
    with serve(directory, "--allow-untrained") as address, Client(address) as client:
        assert client.embed(photo_file).vectors["penultimate"].any()
    with serve(directory) as address, Client(address) as client:
        with pytest.raises(InvalidExtractor, match="has random weights and finds nothing alike") as refused:
            client.embed(photo_file)
        assert "pixkin serve" not in refused.value.message  # its caller has no shell there
        assert "\n" not in refused.value.message
