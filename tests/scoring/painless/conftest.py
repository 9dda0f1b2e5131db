"""Connections to real nodes on which pixkin's scripts are registered."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_embedding.encoder import load_encoder
from pixkin_embedding.images import decode
from pixkin_embedding.preprocessing import prepare
from pixkin_scoring.stores.opensearch.connection import Connection
from pixkin_scoring.stores.opensearch.scripts import register_scripts
from pixkin_scoring.stores.opensearch.settings import ConnectionSettings
from pixkin_server.opensearch_node.node import Node

from tests.scoring.painless.documents import Documents


@pytest.fixture(scope="session")
def registered(opensearch: Node) -> Iterator[Connection]:
    """A connection to a node that has pixkin's scripts."""
    connection = Connection(opensearch.url, ConnectionSettings())
    register_scripts(connection)
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def documents(registered: Connection) -> Documents:
    """An index for vectors."""
    return Documents(registered, "documents")


@pytest.fixture(scope="session")
def histograms(data: Path, extractors: Path) -> NDArray[np.float32]:
    """The HSV histograms of 1,000 photos of Corel and 1,000 pictures of CIFAR, (2000, 405) float32."""
    encoder = load_encoder(extractors / "hsv-histogram.onnx")
    pictures = [path.read_bytes() for path in sorted((data / "corel1k").glob("*/*.jpg"))]
    with zipfile.ZipFile(data / "cifar10" / "test.zip") as cifar:
        pictures += [cifar.read(name) for name in sorted(cifar.namelist())[::10] if name.endswith(".jpg")][:1000]
    assert len(pictures) == 2000
    rows: list[Any] = [
        encoder.encode(prepare(decode(picture), encoder.extractor.preprocessing)[np.newaxis])["histogram"]
        for picture in pictures
    ]
    return np.concatenate(rows)
