"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
import signal
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pixkin_server.opensearch_node.node import Node, start_node

QUICK_START = ("-XX:TieredStopAtLevel=1",)  # one compiler in place of two: half the processor time until a node answers


@pytest.fixture(scope="session", autouse=True)
def _signals_as_usual() -> None:
    """Have processes that tests start end by Ctrl-C and hangups, also where whoever runs the tests ignores them."""
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data; a missing one is a failure in CI and a skip elsewhere."""
    folder = Path(os.environ.get("PIXKIN_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        reason = f"no test data in {folder}; name its folder with PIXKIN_TEST_DATA"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def extractors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An extractor directory with the two extractors of the catalogue, exported once."""
    from pixkin_export.exporting import export_model

    directory = tmp_path_factory.mktemp("extractors")
    for name in ("efficientnet-lite0", "hsv-histogram"):
        export_model(name, directory=directory)
    return directory


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 24 generated pictures, 4 of each of 6 colours, in one folder a colour."""
    folder = tmp_path_factory.mktemp("photos")
    draw = np.random.default_rng(5)
    colours = {"red": (200, 30, 30), "green": (30, 180, 40), "blue": (30, 40, 200), "grey": (128, 128, 128),
               "yellow": (220, 210, 30), "violet": (150, 40, 180)}  # fmt: skip
    for name, colour in colours.items():
        (folder / name).mkdir()
        for number in range(4):
            noise = draw.integers(-40, 40, (96 + 8 * number, 128, 3))
            pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.jpg", quality=92)
    return folder


@pytest.fixture(scope="session")
def histograms(data: Path, extractors: Path) -> NDArray[np.float32]:
    """The HSV histograms of 1,000 photos of Corel and 1,000 pictures of CIFAR, (2000, 405) float32."""
    from pixkin_embedding.encoder import load_encoder
    from pixkin_embedding.images import decode
    from pixkin_embedding.preprocessing import prepare

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


@pytest.fixture(scope="session")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Node]]:
    """Real OpenSearch nodes by version, each started at its first use: 3.8.0, and 2.19.1 with the k-NN plugin.

    Scripts must be stored ones: a cluster may refuse all others, and pixkin needs no others.
    """
    with ExitStack() as running:

        @cache
        def node(version: str) -> Node:
            started = start_node(
                version,
                knn=version == "2.19.1",
                data=tmp_path_factory.mktemp(f"opensearch-{version}"),
                settings={"script.allowed_types": "stored"},
                java_options=QUICK_START,
            )
            return running.enter_context(started)

        yield node


@pytest.fixture(scope="session", params=["3.8.0", "2.19.1"], ids=["opensearch-3.8.0", "opensearch-2.19.1"])
def opensearch(request: pytest.FixtureRequest, nodes: Callable[[str], Node]) -> Node:
    """Both nodes, one after the other."""
    return nodes(request.param)


ENDLESS = """
    trip = Constant<value = int64 {9223372036854775807}>()
    means = ReduceMean<keepdims = 0, axes = [1, 2]>(values)
    brightest = ReduceMax<keepdims = 0>(means)
    limit = Constant<value = float {LIMIT}>()
    going = Greater(brightest, limit)
    start = Div(means, means)
    v = Loop(trip, going, start)<body = b (int64 i, bool before, float[n, 3] x) => (bool after, float[n, 3] y) {
        after = Identity(before)
        y = Identity(x)
    }>
"""


@pytest.fixture(scope="session")
def written() -> Callable[..., Path]:
    """Writes an extractor file whose descriptor `v` (3) is what nodes make of `values`, float (n, h, w, 3).

    `endless`: a loop without an end; `endless_on_white`: on white pictures alone, (1, 1, 1) on others.
    """
    from onnx import parser
    from pixkin_embedding.bundle import seal
    from pixkin_embedding.preprocessing import Preprocessing
    from pixkin_proto.descriptors import Descriptor

    named = {"endless": ENDLESS.replace("LIMIT", "-1.0"), "endless_on_white": ENDLESS.replace("LIMIT", "250.0")}

    def write(folder: Path, name: str, nodes: str) -> Path:
        text = f'<ir_version: 8, opset_import: ["": 17]> g (uint8[n, h, w, 3] pixels) => (float[n, 3] v) {{\
            values = Cast<to = 1>(pixels) {named.get(nodes, nodes)} }}'
        sealed = seal(
            parser.parse_model(text).SerializeToString(),
            name=name,
            preprocessing=Preprocessing("exact", (24, 24)),
            descriptors=(Descriptor("v", 3),),
            golden={"v": np.ones((8, 3), np.float32)},
            provenance={},
        )
        path = folder / f"{name}.onnx"
        path.write_bytes(sealed)
        return path

    return write
