"""One picture has one vector, and one pair of vectors one value, whichever way they come in."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pixkin_proto.descriptors import MEASURES, Descriptor, Kind
from pixkin_scoring.measures import MEASURES as REGISTRY
from pixkin_scoring.measures import Better, values
from pixkin_scoring.plan import DescriptorChoice, Plan
from pixkin_server.api import Embedding, ExtractorChoice, NewItem, Query
from pixkin_server.client import Client
from pixkin_server.engine import Engine
from pixkin_server.folders import Report, add_pictures, walk

EXTRACTORS = {"efficientnet-lite0": "gap", "hsv-histogram": "histogram"}
EXIF_TRANSPOSITIONS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How an upright picture is stored under each orientation tag."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five pictures of different kinds and sizes."""
    folder = tmp_path_factory.mktemp("kinds")
    draw = np.random.default_rng(2)
    for name, (height, width) in {
        "a.jpg": (333, 500),
        "b.png": (300, 170),
        "c.webp": (256, 256),
        "d.bmp": (90, 400),
    }.items():
        coarse = draw.integers(0, 256, (height // 9, width // 9, 3), np.uint8)
        Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(folder / name)
    Image.fromarray(draw.integers(0, 256, (64, 64, 4), np.uint8)).save(folder / "e.png")
    return folder


@pytest.fixture
def engine(tmp_path: Path, extractors: Path) -> Iterator[Engine]:
    with Engine(str(tmp_path / "store"), extractors=extractors, device="cpu") as engine:
        yield engine


def _vector(found: object, descriptor: str) -> bytes:
    assert isinstance(found, Embedding)
    return found.vectors[descriptor].tobytes()


@pytest.mark.parametrize("extractor", EXTRACTORS)
def test_a_picture_has_the_same_vector_through_every_entry(
    client: Client, engine: Engine, files: Path, extractor: str
) -> None:
    descriptor, full = EXTRACTORS[extractor], f"{extractor}.{EXTRACTORS[extractor]}"
    pictures = {path.name: path.read_bytes() for path in sorted(files.iterdir())}
    alone = {name: _vector(engine.embed(data, extractor=extractor), descriptor) for name, data in pictures.items()}
    over_grpc = {name: _vector(client.embed(data, extractor=extractor), descriptor) for name, data in pictures.items()}
    streamed = client.embed_stream(pictures.values(), extractor=extractor)
    in_stream = {name: _vector(found, descriptor) for name, found in zip(pictures, streamed, strict=True)}

    engine.create("paths", [ExtractorChoice(extractor)])
    add_pictures(engine, "paths", walk(files), Report(), root=str(files))
    engine.create("bytes", [ExtractorChoice(extractor)])
    added = engine.add("bytes", [NewItem(name, data) for name, data in pictures.items()])
    name = f"entry-{descriptor}"
    client.create(name, [ExtractorChoice(extractor)])
    added += client.add(name, [NewItem(item, files / item) for item in pictures])
    assert {result.state for result in added} == {"added"}

    def stored(service: Engine | Client, collection: str) -> dict[str, bytes]:
        return {item: service.get(collection, item, vectors=True).vectors[full].tobytes() for item in pictures}

    ways = [over_grpc, in_stream, stored(engine, "paths"), stored(engine, "bytes"), stored(client, name)]
    client.drop(name)
    for way in ways:
        assert way == alone


@pytest.mark.parametrize("extractor", EXTRACTORS)
def test_a_picture_has_the_same_vector_under_every_orientation_tag(engine: Engine, extractor: str) -> None:
    upright = Image.fromarray(np.random.default_rng(1).integers(0, 256, (150, 260, 3), np.uint8))
    found = set()
    for tag, how in EXIF_TRANSPOSITIONS.items():
        stored = io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = tag
        (upright if how is None else upright.transpose(how)).save(stored, "png", exif=exif)
        found.add(_vector(engine.embed(stored.getvalue(), extractor=extractor), EXTRACTORS[extractor]))
    assert len(found) == 1


@pytest.fixture(scope="module")
def pairs() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A query (40,) and documents (207, 40): itself, its neighbours, strangers, and the cases that are hard."""
    draw = np.random.default_rng(8)
    query = np.where(draw.random(40) < 0.6, draw.random(40), 0).astype(np.float32)
    close = [query * np.float32(scale) for scale in (1, 1, 1000, 1e-3)]
    close += [np.maximum(query + draw.normal(size=40).astype(np.float32) * np.float32(1e-6), 0)]
    disjoint = np.where(query == 0, draw.random(40), 0).astype(np.float32)
    one_empty = query.copy()
    one_empty[np.flatnonzero(query)[0]] = 0
    single = np.eye(40, dtype=np.float32)[:8] * 3
    strangers = (draw.random((190, 40)) * draw.integers(0, 2, (190, 40))).astype(np.float32)
    return query, np.vstack([*close, disjoint, one_empty, np.zeros((2, 40), np.float32), single, strangers])


@pytest.fixture(scope="module")
def conform(served: object, pairs: tuple[NDArray[np.float32], NDArray[np.float32]]) -> Iterator[tuple[Client, str]]:
    with Client(served.address) as client:  # type: ignore[attr-defined]  # the fixture's class is in conftest
        client.create("conform", descriptors=[Descriptor("d", 40, non_negative=True)])
        rows = (NewItem(f"{at:03}", vectors={"d": row}) for at, row in enumerate(pairs[1]))
        assert {result.state for result in client.add_stream("conform", rows)} == {"added"}
        yield client, "conform"
        client.drop("conform")


@pytest.mark.parametrize("normalise", ["mass", "none"])
@pytest.mark.parametrize("measure", MEASURES)
def test_replies_over_grpc_have_the_values_and_the_order_of_the_formula(
    conform: tuple[Client, str],
    pairs: tuple[NDArray[np.float32], NDArray[np.float32]],
    measure: str,
    normalise: str,
) -> None:
    client, collection = conform
    query, documents = pairs
    plan = Plan(descriptors=(DescriptorChoice("d", measure),), normalise=normalise, size=len(documents))
    hits = client.search(collection, [Query(vectors={"d": query})], plan).hits
    expected = values(measure, query, documents, normalise=normalise == "mass")
    found = np.array([hit.value for hit in hits])
    rows = [int(hit.id) for hit in hits]
    assert np.all(np.abs(found - expected[rows]) <= 1e-6 * np.maximum(np.abs(expected[rows]), 1e-6))
    costs = expected if REGISTRY[measure].better is Better.LOW else -expected
    assert rows == sorted(range(len(documents)), key=lambda row: (costs[row], row))
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) >= 0
    assert np.isfinite(scores).all()
    if normalise == "mass" or MEASURES[measure] is Kind.ANY:
        assert rows[0] in (0, 1)
