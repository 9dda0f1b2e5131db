"""Pictures that are damaged, hostile or too large, through a server that has to live on."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from PIL import Image
from pixkin_proto.errors import InvalidImage
from pixkin_proto.v1 import embedding_pb2, search_pb2
from pixkin_server.api import Embedding, ExtractorChoice, NewItem
from pixkin_server.client import Client
from pixkin_server.statuses import error_of_call

MIB = 2**20
Call = Callable[[bytes], Any]


def png(width: int, height: int) -> bytes:
    out = BytesIO()
    Image.fromarray(np.full((height, width, 3), 90, np.uint8)).save(out, "PNG")
    return out.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_declaring(width: int, height: int) -> bytes:
    data = png(16, 16)
    return data[:8] + chunk(b"IHDR", struct.pack(">2I", width, height) + data[24:29]) + data[33:]


def photo() -> bytes:
    out = BytesIO()
    pixels = np.random.default_rng(3).integers(0, 255, (200, 300, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(out, "JPEG")
    return out.getvalue()


PHOTO = photo()
BAD = {
    "no bytes": (b"", "empty"),
    "a text": (b"this is no picture", "unsupported_format"),
    "a TIFF": (b"II*\0" + bytes(100), "unsupported_format"),
    "the first half of a JPEG": (PHOTO[: len(PHOTO) // 2], "corrupt"),
    "only the beginning of a JPEG": (PHOTO[:3], "corrupt"),
    "a PNG with a broken body": (png(64, 64)[:60] + bytes(40), "corrupt"),
    "a file of 16 MiB and a byte": (PHOTO + bytes(16 * MIB + 1 - len(PHOTO)), "too_large"),
    "a bomb of 60000x60000": (png_declaring(60_000, 60_000), "too_many_pixels"),
}


@pytest.fixture(scope="module")
def calls(stubs: Any) -> dict[str, Call]:
    """The three ways by which a stranger's picture comes in."""

    def embed(extractor: str) -> Call:
        return lambda image: stubs.embedding.Embed(
            embedding_pb2.EmbedRequest(extractor=extractor, image=image), timeout=30
        )

    def search(image: bytes) -> Any:
        plan = search_pb2.Plan(descriptors=[search_pb2.DescriptorChoice(name="histogram")])
        queries = [search_pb2.Query(image=search_pb2.ImageQuery(data=image))]
        return stubs.search.Search(
            search_pb2.SearchRequest(collection="photos", queries=queries, plan=plan), timeout=30
        )

    return {"lite0": embed("efficientnet-lite0"), "hsv": embed("hsv-histogram"), "search": search}


def outcome(call: Call, image: bytes) -> str:
    """Return `answered` or the detail of the refusal."""
    error = refused(call, image)
    if error is None:
        return "answered"
    known = error_of_call(error, "the server")
    assert isinstance(known, InvalidImage), known
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    return known.detail


def refused(call: Call, image: bytes) -> grpc.RpcError | None:
    try:
        call(image)
    except grpc.RpcError as error:
        return error
    return None


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("way", ["lite0", "hsv", "search"])
def test_a_bad_picture_is_refused_for_what_it_is(calls: dict[str, Call], way: str, name: str) -> None:
    data, detail = BAD[name]
    assert outcome(calls[way], data) == detail


@pytest.mark.parametrize("height", [5_000, 16_384])
def test_a_thin_picture_that_would_grow_without_end_is_refused_at_once(calls: dict[str, Call], height: int) -> None:
    data = png(1, height)
    outcome(calls["lite0"], data)
    assert outcome(calls["lite0"], data) == "too_many_pixels"


def test_a_message_beyond_17_mib_ends_its_own_call_alone(stubs: Any, client: Client, served: Any) -> None:
    request = embedding_pb2.EmbedRequest(extractor="hsv-histogram", image=bytes(18 * MIB))
    with pytest.raises(grpc.RpcError) as refused:
        stubs.embedding.Embed(request, timeout=20)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert served.alive
    assert client.embed(PHOTO, extractor="hsv-histogram").vectors


def files(data: Path) -> Iterator[bytes]:
    for path in sorted((data / "bad-images" / "libpng").rglob("*")):
        if path.is_file():
            yield path.read_bytes()
    with zipfile.ZipFile(data / "bad-images" / "go-fuzz-corpus.zip") as archive:
        for name in archive.namelist():
            if not name.endswith("/"):
                yield archive.read(name)


def sweep(calls: dict[str, Call], pictures: list[bytes]) -> Counter[str]:
    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(outcome, call, picture) for picture in pictures for call in calls.values()]
        return Counter(future.result() for future in done)


def test_a_sample_of_the_bad_pictures_of_others_is_answered_or_refused(
    calls: dict[str, Call], data: Path, served: Any
) -> None:
    found = sweep(calls, list(files(data))[::25])
    assert found["corrupt"] > 10
    assert found["answered"] > 10
    assert served.alive


@pytest.mark.slow
def test_every_bad_picture_of_others_is_answered_or_refused_within_two_seconds(
    calls: dict[str, Call], data: Path, served: Any
) -> None:
    pictures = list(files(data))
    assert len(pictures) > 1800
    found = sweep(calls, pictures)
    assert found["answered"] > 500
    assert found["corrupt"] > 500
    assert served.alive


def test_a_bad_picture_of_an_embed_stream_costs_its_own_reply_alone(client: Client) -> None:
    pictures = [PHOTO, *(data for data, _ in BAD.values()), bytes(18 * MIB), PHOTO]
    replies = list(client.embed_stream(pictures, extractor="hsv-histogram"))
    details = [reply.detail if isinstance(reply, InvalidImage) else type(reply).__name__ for reply in replies]
    assert details == ["Embedding", *(detail for _, detail in BAD.values()), "InvalidArgument", "Embedding"]
    first, last = replies[0], replies[-1]
    assert isinstance(first, Embedding)
    assert isinstance(last, Embedding)
    assert first.vectors["histogram"].tobytes() == last.vectors["histogram"].tobytes()


def test_a_bad_picture_of_an_add_stream_costs_its_own_result_alone(client: Client) -> None:
    client.create("bad-pictures", [ExtractorChoice("hsv-histogram")])
    items = [NewItem(f"{number}", image=data) for number, (data, _) in enumerate(BAD.values())]
    items = [
        NewItem("first", image=PHOTO),
        *items,
        NewItem("vast", image=bytes(18 * MIB)),
        NewItem("last", image=PHOTO),
    ]
    results = client.add("bad-pictures", items)
    assert [result.id for result in results] == [item.id for item in items]
    assert [result.state for result in results] == ["added", *["refused"] * (len(items) - 2), "added"]
    details = [result.error.detail for result in results[1:-2] if isinstance(result.error, InvalidImage)]
    assert details == [detail for _, detail in BAD.values()]
    assert {item.id for item in client.list_items("bad-pictures")} == {"first", "last"}
    client.drop("bad-pictures")
