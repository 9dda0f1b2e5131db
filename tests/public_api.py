"""The public Python API as its users write it. Never run: `make lint` checks its types, so that none changes unseen."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import numpy as np
from numpy.typing import NDArray
from pixkin_embedding.images import Box
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import DimensionMismatch, PixkinError
from pixkin_scoring.items import AddResult, Collection, Item, ItemUpdate, Verification
from pixkin_scoring.plan import DescriptorChoice, Plan
from pixkin_scoring.results import Hit, Hits, SearchResult
from pixkin_scoring.stores.layout import IndexLayout
from pixkin_server.api import Embedding, ExtractorChoice, ExtractorInfo, NewItem, Query, Service
from pixkin_server.client import Client
from pixkin_server.engine import Engine


def both_are_services() -> list[Service]:
    """Engine and Client have the same operations."""
    return [
        Engine("./pixkin.store"),
        Engine("http://10.0.0.7:9200", insecure=True),
        Client("127.0.0.1:7475", timeout=5),
    ]


def search(service: Service) -> float:
    """Search by picture, id and vector."""
    plan = Plan(descriptors=(DescriptorChoice("gap", "cosine"),), filter=("label=red",), size=5, offset=5)
    queries = [
        Query(image=b"", crop=Box(0, 0, 10, 10)),
        Query(id="a", weight=-0.5),
        Query(vectors={"gap": np.zeros(3, np.float32)}),
    ]
    result = service.search("photos", queries, plan, timeout=1.5)
    assert_type(result, SearchResult)
    assert_type(result.hits, Hits)
    assert_type(result.hits[0], Hit)
    assert_type(result.hits[:2], tuple[Hit, ...])
    assert_type(result.hits.scores, NDArray[np.float64])
    assert_type(result.timings_ms, dict[str, float])
    assert_type(result.partial, str)
    assert_type(service.search_batch([("photos", queries, plan)], timeout=1.5), list[SearchResult | PixkinError])
    return result.hits[0].score


def embed(service: Service) -> NDArray[np.float32]:
    """Embed one picture."""
    found = service.embed(Path("a.jpg").read_bytes(), extractor="efficientnet-lite0")
    assert_type(found, Embedding)
    assert_type(service.extractors(), list[ExtractorInfo])
    return found.vectors["gap"]


def collections(service: Service) -> None:
    """Make, fill and look after collections."""
    assert_type(service.create("a", [ExtractorChoice("hsv-histogram", ("histogram",))]), Collection)
    assert_type(service.create("b", descriptors=[Descriptor("mine", 128)], thumbnails=False), Collection)
    layout = IndexLayout(shards=2, replicas=1, slices=8, ann=True, m=32, ef_construction=200, ef_search=400, lean=True)
    described = service.create("c", [ExtractorChoice("hsv-histogram")], layout=layout)
    assert_type(described.approximate, frozenset[str] | None)
    assert_type(described.layout["shards"], str)
    items = [NewItem("x", Path("x.jpg"), labels=frozenset({"l"}), attributes={"n": 1.0})]
    assert_type(service.add("a", items), list[AddResult])
    for result in service.add_stream("a", items, root="/photos"):
        assert_type(result, AddResult)
        assert_type(result.error, PixkinError | None)
    assert_type(service.update("a", [ItemUpdate("x", labels=frozenset())]), list[AddResult])
    assert_type(service.remove("a", ["x"]), list[str])
    assert_type(service.list_items("a", ["label=l"], size=10, after="w"), list[Item])
    assert_type(service.get("a", "x", thumbnail=True, vectors=True), Item)
    assert_type(service.verify("a"), Verification)
    service.drop("a")


def errors(service: Service) -> int:
    """Errors carry data."""
    try:
        service.search("photos", [])
    except DimensionMismatch as error:
        return error.expected - error.got
    except PixkinError as error:
        assert_type(error.reason, str)
        assert_type(error.message, str)
    return 0
