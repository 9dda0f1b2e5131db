"""Every network of the catalogue that comes from PyTorch: exported, compared with its source, served."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from pixkin_embedding.bundle import read_description, read_extractor
from pixkin_embedding.encoder import load_encoder
from pixkin_embedding.preprocessing import prepare
from pixkin_export.catalogue import CATALOGUE
from pixkin_export.heads.specs import parse_spec
from pixkin_server.client import Client

Serve = Callable[..., AbstractContextManager[str]]


def test_an_exported_file_says_what_the_catalogue_says_and_that_it_is_untrained(exported: Path) -> None:
    extractor, content = read_extractor(exported)
    entry = CATALOGUE[extractor.name]
    assert [(each.name, each.dim) for each in extractor.descriptors] == [
        (parse_spec(text).name, dim) for text, dim in entry.descriptors.items()
    ]
    assert extractor.untrained
    assert extractor.provenance["source"].endswith("untrained: random weights")
    assert extractor.provenance["weights_sha256"] is None
    assert extractor.preprocessing.rounding == "torchvision"
    assert str(Path.home()).encode() + b"/" not in content
    assert b"site-packages" not in content


def test_an_exported_file_was_compared_with_pytorch(exported: Path) -> None:
    extractor = read_description(exported)
    parity = extractor.provenance["parity"]
    assert parity["against"].startswith("PyTorch ")
    assert [row["descriptor"] for row in parity["rows"]] == [each.name for each in extractor.descriptors]
    assert all(row["cosine"] >= 0.99999 and row["same_top_10"] for row in parity["rows"])


def test_an_exported_graph_is_readable_by_onnx_runtime_1_20(exported: Path) -> None:
    model = onnx.load(exported, load_external_data=False)
    assert model.ir_version <= 10
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 18)]
    assert not any(weight.external_data for weight in model.graph.initializer)
    assert not any(node.doc_string or node.metadata_props for node in model.graph.node)


def test_a_server_answers_with_the_vectors_of_the_file(
    exported: Path, serve: Serve, photo: NDArray[np.uint8], photo_file: bytes
) -> None:
    encoder = load_encoder(exported, "cpu")
    expected = encoder.encode(prepare(photo, encoder.extractor.preprocessing)[np.newaxis])
    with serve(exported.parent, "--allow-untrained") as address, Client(address) as client:
        answer = client.embed(photo_file)
    assert answer.fingerprint == encoder.extractor.fingerprint
    assert set(answer.vectors) == set(expected)
    for name, vector in answer.vectors.items():
        assert vector == pytest.approx(expected[name][0], abs=1e-5)
        assert vector.any()
