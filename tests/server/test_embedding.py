"""Vectors over the wire, and extractor files that are not what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from pixkin_embedding.bundle import Extractor, read_extractor, seal
from pixkin_embedding.images import Box
from pixkin_proto.errors import ExtractorMismatch, InvalidArgument, InvalidExtractor, UnknownExtractor
from pixkin_proto.v1 import embedding_pb2
from pixkin_scoring.plan import DescriptorChoice, Plan
from pixkin_server.api import Embedding, ExtractorChoice, NewItem, Query
from pixkin_server.client import Client
from pixkin_server.engine import Engine

pytestmark = pytest.mark.slow

NAME = "hsv-histogram"


@pytest.fixture(scope="session")
def photo(photos: Path) -> bytes:
    return (photos / "violet/2.jpg").read_bytes()


@pytest.mark.parametrize("name", ["efficientnet-lite0", NAME])
def test_one_picture_has_the_same_vectors_by_every_way(
    client: Client, store: Path, extractors: Path, photo: bytes, name: str
) -> None:
    stored = client.get("photos", "violet/2.jpg", vectors=True).vectors
    one = client.embed(photo, extractor=name)
    [streamed] = client.embed_stream([photo], extractor=name)
    assert isinstance(streamed, Embedding)
    with Engine(str(store), extractors=extractors, device="cpu") as engine:
        here = engine.embed(photo, extractor=name)
    [short] = one.vectors
    expected = stored[f"{name}.{short}"].tobytes()
    assert all(each.vectors[short].tobytes() == expected for each in (one, streamed, here))


def test_a_crop_is_embedded_as_the_picture_that_it_cuts_out(client: Client, photo: bytes) -> None:
    whole = client.embed(photo, extractor=NAME)
    part = client.embed(photo, extractor=NAME, crop=Box(0, 0, 40, 40))
    assert not np.array_equal(whole.vectors["histogram"], part.vectors["histogram"])
    assert list(part.timings_ms) == ["load", "decode", "prepare", "encode"]


def test_extractors_say_what_they_are_and_what_runs_them(client: Client) -> None:
    found = {each.name: each for each in client.extractors()}
    assert set(found) == {"efficientnet-lite0", NAME}
    assert {each.provider for each in found.values()} == {"CPUExecutionProvider"}
    assert all(len(each.fingerprint) == 64 and each.preprocessing and each.licence for each in found.values())


def test_what_an_extractor_does_not_have_is_unknown(stubs: Any, refusal: Any, photo: bytes) -> None:
    for request, reason in (
        (embedding_pb2.EmbedRequest(extractor="nope", image=photo), "UNKNOWN_EXTRACTOR"),
        (embedding_pb2.EmbedRequest(extractor=NAME, image=photo, descriptors=["gap"]), "UNKNOWN_DESCRIPTOR"),
    ):
        code, error = refusal(stubs.embedding.Embed, request)
        assert (code, error.reason) == (grpc.StatusCode.NOT_FOUND, reason)


def test_an_extractor_that_is_not_named_among_several_is_asked_for(stubs: Any, refusal: Any, photo: bytes) -> None:
    code, error = refusal(stubs.embedding.Embed, embedding_pb2.EmbedRequest(image=photo))
    assert (code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "AMBIGUOUS_NAME")
    assert error.data["candidates"] == ["efficientnet-lite0", "hsv-histogram"]


def test_an_embed_stream_answers_in_order_and_ends_with_its_requests(client: Client, photos: Path) -> None:
    pictures = [path.read_bytes() for path in sorted(photos.rglob("*.jpg"))]
    replies = list(client.embed_stream(iter(pictures), extractor=NAME))
    single = [client.embed(picture, extractor=NAME) for picture in pictures]
    found = [reply.vectors["histogram"].tobytes() for reply in replies if isinstance(reply, Embedding)]
    assert found == [each.vectors["histogram"].tobytes() for each in single]
    assert list(client.embed_stream([], extractor=NAME)) == []


def resealed(path: Path, *, name: str = NAME, **changes: Any) -> bytes:
    """Return the same graph as another extractor, properly sealed."""
    extractor, data = read_extractor(path)
    made = Extractor(**{**vars(extractor), **changes})
    return seal(
        without_metadata(data),
        name=name,
        preprocessing=made.preprocessing,
        descriptors=made.descriptors,
        golden=made.golden,
        provenance=made.provenance,
    )


def without_metadata(data: bytes) -> bytes:
    import onnx

    model = onnx.load_model_from_string(data)
    del model.metadata_props[:]
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]


def broken_files(extractors: Path) -> Iterator[tuple[str, bytes]]:
    data = (extractors / f"{NAME}.onnx").read_bytes()
    lite0 = (extractors / "efficientnet-lite0.onnx").read_bytes()
    covered = data.index(b'"golden"')  # golden vectors are compared, not hashed
    for number, at in enumerate(np.random.default_rng(8).integers(0, covered, 25)):
        yield f"flip{number}", flipped(data, int(at))
    for number, part in enumerate((0.01, 0.3, 0.6, 0.9)):
        yield f"weights{number}", flipped(lite0, int(part * len(lite0)))
    for number, keep in enumerate((0, 1, 100, len(data) // 2, len(data) - 1)):
        yield f"cut{number}", data[:keep]
    yield "text", b"this is no model"
    yield "zeros", bytes(5000)
    yield "edited", data.replace(b'"size":384', b'"size":385', 1)
    yield "renamed", data.replace(b'"name":"hsv-histogram"', b'"name":"hsv-histogran"', 1)
    yield "bare", without_metadata(data)
    golden = read_extractor(extractors / f"{NAME}.onnx")[0].golden
    others = {key: np.ascontiguousarray(rows[::-1]) for key, rows in golden.items()}
    yield "golden", resealed(extractors / f"{NAME}.onnx", golden=others)
    yield "few", resealed(extractors / f"{NAME}.onnx", golden={key: rows[:2] for key, rows in golden.items()})


def test_an_extractor_file_that_is_not_what_it_says_is_refused(
    start: Callable[..., Any], extractors: Path, tmp_path: Path, photo: bytes
) -> None:
    directory = tmp_path / "extractors"
    directory.mkdir()
    names = []
    for name, data in broken_files(extractors):
        (directory / f"{name}.onnx").write_bytes(data)
        names.append(name)
    with start(tmp_path / "store", directory) as served, Client(served.address) as client:
        client.extractors()
        for name in names:
            with pytest.raises(InvalidExtractor) as refused:
                client.embed(photo, extractor=name)
            assert "export" in str(refused.value) or "extractor" in str(refused.value), name
            assert str(directory) not in str(refused.value)
            with pytest.raises(InvalidExtractor):
                client.create("never", [ExtractorChoice(name)])
        assert served.alive


@contextmanager
def exchanged(
    start: Callable[..., Any], store: Path, extractors: Path, folder: Path, *, keep: bool
) -> Iterator[tuple[Any, Client]]:
    """A server whose hsv-histogram is sealed with another description than the collection's, or not there."""
    folder.mkdir()
    (folder / "efficientnet-lite0.onnx").write_bytes((extractors / "efficientnet-lite0.onnx").read_bytes())
    if keep:
        old = extractors / f"{NAME}.onnx"
        descriptors = tuple(
            type(each)(each.name, each.dim, each.norm, non_negative=True, default_measure="intersection")
            for each in read_extractor(old)[0].descriptors
        )
        (folder / f"{NAME}.onnx").write_bytes(resealed(old, descriptors=descriptors))
    with start(store, folder) as served, Client(served.address) as client:
        yield served, client


def test_a_collection_of_another_extractor_is_refused_and_the_others_are_served(
    start: Callable[..., Any], store: Path, extractors: Path, tmp_path: Path, photo: bytes
) -> None:
    with exchanged(start, store, extractors, tmp_path / "other", keep=True) as (served, client):
        mine = {each.name: each.fingerprint for each in client.extractors()}[NAME]
        [made_with] = [each.fingerprint for each in client.describe("photos").descriptors if NAME in each.name]
        assert "photos" in served.wait_for("cannot be searched as it is")
        query = [Query(image=photo)]
        with pytest.raises(ExtractorMismatch) as refused:
            client.search("photos", query, plan("histogram"))
        assert (refused.value.expected, refused.value.got) == (made_with, mine)
        assert made_with[:12] in str(refused.value)
        assert mine[:12] in str(refused.value)
        with pytest.raises(ExtractorMismatch):
            client.add("photos", [NewItem("new", image=photo)])
        assert client.search("photos", query, plan("gap")).hits[0].id == "violet/2.jpg"
        assert client.search("photos", [Query(id="red/1.jpg")], plan("histogram")).hits
        assert client.search("vectors", [Query(id="v01")]).hits
        assert served.alive


def test_a_collection_whose_extractor_is_gone_costs_itself_alone(
    start: Callable[..., Any], store: Path, extractors: Path, tmp_path: Path, photo: bytes
) -> None:
    with exchanged(start, store, extractors, tmp_path / "fewer", keep=False) as (served, client):
        with pytest.raises(ExtractorMismatch, match="in no version"):
            client.search("photos", [Query(image=photo)], plan("histogram"))
        with pytest.raises(UnknownExtractor):
            client.embed(photo, extractor=NAME)
        assert client.search("vectors", [Query(id="v01")]).hits
        assert served.alive


def plan(descriptor: str) -> Plan:
    return Plan(descriptors=(DescriptorChoice(descriptor),))


def test_a_client_that_stops_reading_an_embed_stream_leaves_no_call_behind(client: Client, photo: bytes) -> None:
    sent = 0

    def pictures() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(100_000):
            sent += 1
            yield photo

    replies = client.embed_stream(pictures(), extractor=NAME)
    next(replies)
    replies.close()  # type: ignore[attr-defined]  # a generator
    assert client.embed(photo, extractor=NAME).vectors
    assert sent < 5000


def test_numbers_that_no_field_can_hold_are_refused_before_they_are_sent(client: Client) -> None:
    for call in (
        lambda: client.search("vectors", [Query(id="v01")], Plan(size=2**40)),
        lambda: client.search("vectors", [Query(id="\udcff")]),
        lambda: client.describe("\udcff"),
        lambda: client.get("vectors", "\udcff"),
        lambda: client.list_items("vectors", size=2**70),
    ):
        with pytest.raises(InvalidArgument, match="cannot be sent"):
            call()
