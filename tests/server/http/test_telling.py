"""Callers are told what is wrong, and neither where the server keeps its files nor commands for its shell."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import httpx
import pytest
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.v1 import collections_pb2, embedding_pb2, search_pb2
from pixkin_server.engine import Engine
from pixkin_server.messages.telling import without_commands

LINES = {"content-type": "application/x-ndjson"}
BROKEN = "broken"


@pytest.fixture(scope="module")
def telling(start: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server with a damaged collection, and with a file that is no extractor."""
    place = tmp_path_factory.mktemp("secret-place")
    (place / "extractors").mkdir()
    (place / "extractors/bad.onnx").write_bytes(b"noise")
    with Engine(str(place / "store"), extractors=place / "extractors") as engine:
        engine.create("good", descriptors=[Descriptor("plain", 2)])
        engine.create(BROKEN, descriptors=[Descriptor("plain", 2)])
    (place / "store" / f"{BROKEN}.sqlite").write_bytes(b"noise" * 1000)
    with start(place / "store", place / "extractors") as server:
        yield server


def asked(page: str) -> Iterator[httpx.Response]:
    with httpx.Client(base_url=page, timeout=30, trust_env=False) as web:
        nowhere = {"collection": "nowhere", "queries": [{"id": "x"}]}
        for body in (nowhere, {**nowhere, "collection": BROKEN}):
            yield web.post("/v1/search", json=body)
        yield web.post("/v1/search/batch", json={"requests": [nowhere]})
        yield web.post("/v1/embed", json={"extractor": "none", "image": "AAAA"})
        yield web.post("/v1/embed", json={"extractor": "bad", "image": "AAAA"})
        yield web.post("/v1/embed/stream", content=b'{"extractor":"none","image":"AAAA"}', headers=LINES)
        for path in ("nowhere", BROKEN, f"{BROKEN}/items", "good/items/none", "good/items/none/thumbnail"):
            yield web.get(f"/v1/collections/{path}")
        yield web.post("/v1/collections/broken/verify", json={})
        yield web.post("/v1/collections", json={"name": "good", "descriptors": [{"name": "plain", "dim": 2}]})
        yield web.post("/v1/collections", json={"name": "new", "extractors": [{"name": "none"}]})
        yield web.post("/v1/collections/nowhere/remove", json={"ids": ["x"]})


@pytest.mark.slow
def test_no_answer_over_http_tells_a_path_or_a_command(telling: Any) -> None:
    for answer in asked(telling.page):
        assert "secret-place" not in answer.text, answer.text
        assert "pixkin index" not in answer.text, answer.text
        assert "pixkin export" not in answer.text, answer.text
        assert "--store" not in answer.text, answer.text
        for line in answer.content.splitlines():
            assert json.loads(line)


@pytest.mark.slow
def test_no_answer_over_grpc_tells_a_path(telling: Any) -> None:
    calls = [
        ("Search/Search", search_pb2.SearchRequest(collection="nowhere", queries=[{"id": "x"}])),
        ("Search/Search", search_pb2.SearchRequest(collection=BROKEN, queries=[{"id": "x"}])),
        ("Embedding/Embed", embedding_pb2.EmbedRequest(extractor="none", image=b"x")),
        ("Embedding/Embed", embedding_pb2.EmbedRequest(extractor="bad", image=b"x")),
        ("Collections/Describe", collections_pb2.DescribeRequest(name=BROKEN)),
        ("Collections/Remove", collections_pb2.RemoveRequest(collection=BROKEN, ids=["x"])),
    ]
    with grpc.insecure_channel(telling.address) as channel:
        for method, request in calls:
            with pytest.raises(grpc.RpcError) as refused:
                channel.unary_unary(f"/pixkin.v1.{method}")(request.SerializeToString(), timeout=20)
            said = str(refused.value.details()) + str(refused.value.trailing_metadata())
            assert "secret-place" not in said


def test_what_is_wrong_stays_and_what_to_type_goes() -> None:
    assert without_commands("a; name b or another --store; see: pixkin index list x; or c") == "a; or c"
    assert without_commands("pixkin index is first; start it with --allow-writes") == (
        "pixkin index is first; start it with --allow-writes"
    )
