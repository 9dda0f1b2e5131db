"""Collections over the wire: made, filled, changed, listed and dropped, and what of that is refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import CollectionExists, InvalidId, UnknownCollection, UnknownItem
from pixkin_proto.v1 import collections_pb2 as pb
from pixkin_proto.v1 import types_pb2
from pixkin_scoring.items import AddResult, FileFacts, ItemUpdate
from pixkin_server.api import ExtractorChoice, FileState, NewItem
from pixkin_server.client import Client

INVALID = grpc.StatusCode.INVALID_ARGUMENT
ROW = np.arange(1, 5, dtype=np.float32)


@pytest.fixture
def made(client: Client) -> Iterator[str]:
    """A collection of vectors (d=4) with the items a, b and c."""
    client.create("made", descriptors=[Descriptor("plain", 4)])
    items = [NewItem(name, vectors={"plain": ROW * n}) for n, name in enumerate("abc", 1)]
    assert [result.state for result in client.add_stream("made", items)] == ["added"] * 3
    yield "made"
    client.drop("made")


def vector(values: Any, descriptor: str = "") -> types_pb2.NamedVector:
    data = values if isinstance(values, bytes) else np.asarray(values, "<f4").tobytes()
    return types_pb2.NamedVector(descriptor=descriptor, data=data)


def declared(**changes: Any) -> types_pb2.Descriptor:
    return types_pb2.Descriptor(**{"name": "plain", "dim": 4, **changes})


LITE0 = pb.ExtractorChoice(name="efficientnet-lite0")
CREATIONS = {
    "neither extractors nor descriptors": (pb.CreateRequest(), "INVALID_ARGUMENT"),
    "extractors and descriptors": (
        pb.CreateRequest(extractors=[LITE0], descriptors=[declared()]), "INVALID_ARGUMENT"
    ),
    "an extractor twice": (pb.CreateRequest(extractors=[LITE0, LITE0]), "INVALID_ARGUMENT"),
    "an extractor's descriptor twice": (
        pb.CreateRequest(extractors=[pb.ExtractorChoice(name="hsv-histogram", descriptors=["histogram"] * 2)]),
        "INVALID_ARGUMENT",
    ),
    "an unknown extractor": (pb.CreateRequest(extractors=[pb.ExtractorChoice(name="nope")]), "UNKNOWN_EXTRACTOR"),
    "no extractor named, of two": (pb.CreateRequest(extractors=[pb.ExtractorChoice()]), "AMBIGUOUS_NAME"),
    "an unknown descriptor of an extractor": (
        pb.CreateRequest(extractors=[pb.ExtractorChoice(name="hsv-histogram", descriptors=["gap"])]),
        "UNKNOWN_DESCRIPTOR",
    ),
    "a descriptor twice": (pb.CreateRequest(descriptors=[declared()] * 2), "INVALID_ARGUMENT"),
    "101 descriptors": (
        pb.CreateRequest(descriptors=[declared(name=f"d{n}") for n in range(101)]), "INVALID_ARGUMENT"
    ),
    "no dimensions": (pb.CreateRequest(descriptors=[declared(dim=0)]), "INVALID_ARGUMENT"),
    "less than no dimensions": (pb.CreateRequest(descriptors=[declared(dim=-4)]), "INVALID_ARGUMENT"),
    "two billion dimensions": (pb.CreateRequest(descriptors=[declared(dim=2**31 - 1)]), "INVALID_ARGUMENT"),
    "an unknown norm": (pb.CreateRequest(descriptors=[declared(norm="l3")]), "INVALID_ARGUMENT"),
    "an unknown measure": (pb.CreateRequest(descriptors=[declared(default_measure="l3")]), "UNKNOWN_MEASURE"),
    "a mass measure for signed vectors": (
        pb.CreateRequest(descriptors=[declared(default_measure="chi2")]), "INVALID_ARGUMENT"
    ),
    "the fingerprint of an extractor": (
        pb.CreateRequest(descriptors=[declared(fingerprint="ab" * 32)]), "INVALID_ARGUMENT"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CREATIONS)
def test_a_collection_that_cannot_be_is_refused_and_not_made(
    stubs: Any, refusal: Any, client: Client, name: str
) -> None:
    request, reason = CREATIONS[name]
    request.name = "impossible"
    code, error = refusal(stubs.collections.Create, request)
    assert error.reason == reason
    unknown = reason in {"UNKNOWN_EXTRACTOR", "UNKNOWN_DESCRIPTOR"}
    assert code is (grpc.StatusCode.NOT_FOUND if unknown else INVALID)
    with pytest.raises(UnknownCollection):
        client.describe("impossible")


def test_a_collection_is_not_made_twice_and_not_dropped_twice(client: Client, made: str) -> None:
    with pytest.raises(CollectionExists):
        client.create(made, descriptors=[Descriptor("plain", 4)])
    client.create("short-lived", descriptors=[Descriptor("plain", 4)])
    client.drop("short-lived")
    with pytest.raises(UnknownCollection) as unknown:
        client.drop("short-lived")
    assert unknown.value.collection == "short-lived"


def test_a_collection_of_a_server_describes_itself(client: Client, photos: Path) -> None:
    found = client.describe("photos")
    assert [descriptor.name for descriptor in found.descriptors] == [
        "efficientnet-lite0.gap",
        "hsv-histogram.histogram",
    ]
    assert all(len(descriptor.fingerprint) == 64 for descriptor in found.descriptors)
    assert (found.items, found.roots, found.thumbnails) == (24, (str(photos),), True)
    assert found.bytes["disk"] > 0
    assert {each.name for each in client.collections()} >= {"photos", "vectors"}


REFUSED_VECTORS = {
    "of a wrong dimension": ([vector(np.ones(5))], "DIMENSION_MISMATCH"),
    "of no bytes": ([vector(b"")], "DIMENSION_MISMATCH"),
    "of 15 bytes": ([vector(bytes(15))], "INVALID_ARGUMENT"),
    "with NaN": ([vector([np.nan, 1, 1, 1])], "NOT_FINITE"),
    "with 1e30": ([vector([1e30, 1, 1, 1])], "NOT_FINITE"),
    "of an unknown descriptor": ([vector(ROW, "gap")], "UNKNOWN_DESCRIPTOR"),
    "twice under one name": ([vector(ROW, "plain")] * 2, "INVALID_ARGUMENT"),
    "twice under two names": ([vector(ROW, "plain"), vector(ROW)], "INVALID_ARGUMENT"),
    "that is missing": ([], "INVALID_IMAGE"),
}


def test_a_bad_item_of_a_stream_costs_its_own_result_alone(stubs: Any, client: Client, made: str) -> None:
    good = [pb.NewItem(id=name, vectors=[vector(ROW)]) for name in ("first", "last")]
    bad = [pb.NewItem(id=name, vectors=vectors) for name, (vectors, _) in REFUSED_VECTORS.items()]
    bad += [
        pb.NewItem(id="a picture too", vectors=[vector(ROW)], image=b"x"),
        pb.NewItem(id="a label without letters", vectors=[vector(ROW)], labels=[""]),
        pb.NewItem(id="a label of 600 bytes", vectors=[vector(ROW)], labels=["x" * 600]),
        pb.NewItem(
            id="an attribute of NaN", vectors=[vector(ROW)], attributes={"a": types_pb2.Attribute(number=np.nan)}
        ),
        pb.NewItem(id="an attribute named label", vectors=[vector(ROW)], attributes={"label": types_pb2.Attribute()}),
        pb.NewItem(id="an attribute without a name", vectors=[vector(ROW)], attributes={"": types_pb2.Attribute()}),
        pb.NewItem(id="a hash of 3 bytes", vectors=[vector(ROW)], file=types_pb2.FileFacts(sha256=b"abc")),
    ]
    reasons = [reason for _, reason in REFUSED_VECTORS.values()]
    reasons += ["INVALID_ARGUMENT"] * 5 + ["INVALID_FILTER", "INVALID_ARGUMENT"]
    sent = [good[0], *bad, good[1]]
    stream = [pb.AddRequest(header=pb.AddHeader(collection=made)), *(pb.AddRequest(item=item) for item in sent)]
    results = list(stubs.collections.Add(iter(stream), timeout=20))
    assert [result.id for result in results] == [item.id for item in sent]
    assert [result.error.reason for result in results] == ["", *reasons, ""]
    assert {item.id for item in client.list_items(made)} == {"a", "b", "c", "first", "last"}


def test_an_empty_picture_is_refused_where_pictures_are_wanted(client: Client) -> None:
    [result] = client.add("photos", [NewItem("nothing")])
    assert result.error is not None
    assert (result.error.reason, getattr(result.error, "detail", "")) == ("INVALID_IMAGE", "empty")


HEADER = pb.AddRequest(header=pb.AddHeader(collection="made"))
ITEM = pb.AddRequest(item=pb.NewItem(id="new", vectors=[vector(ROW)]))
STREAMS = {
    "nothing": ([], "INVALID_ARGUMENT"),
    "no header": ([ITEM], "INVALID_ARGUMENT"),
    "an empty message first": ([pb.AddRequest(), ITEM], "INVALID_ARGUMENT"),
    "a header twice": ([HEADER, ITEM, HEADER], "INVALID_ARGUMENT"),
    "an unknown collection": ([pb.AddRequest(header=pb.AddHeader(collection="none")), ITEM], "UNKNOWN_COLLECTION"),
    "a bad name": ([pb.AddRequest(header=pb.AddHeader(collection="../x")), ITEM], "INVALID_NAME"),
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_that_is_none_is_refused_and_stores_nothing(
    stubs: Any, refusal: Any, client: Client, made: str, name: str
) -> None:
    messages, reason = STREAMS[name]
    _, error = refusal(stubs.collections.Add, iter(messages))
    assert error.reason == reason
    assert client.describe(made).items == 3


def test_a_stream_of_a_header_alone_adds_nothing(stubs: Any, client: Client, made: str) -> None:
    assert list(stubs.collections.Add(iter([HEADER]), timeout=20)) == []
    assert client.describe(made).items == 3


def test_what_came_is_durable_while_the_stream_pauses(stubs: Any, client: Client, made: str) -> None:
    go_on, ended = threading.Event(), threading.Event()

    def requests() -> Iterator[pb.AddRequest]:
        yield HEADER
        yield ITEM
        go_on.wait(50)
        ended.set()

    stream = stubs.collections.Add(requests(), timeout=60)
    assert next(stream).state == pb.AddResult.ADDED
    assert not ended.is_set()
    assert client.get(made, "new").id == "new"
    go_on.set()
    assert list(stream) == []


def test_what_the_items_raise_reaches_the_caller_once_those_before_are_stored(client: Client, made: str) -> None:
    def items() -> Iterator[NewItem]:
        yield NewItem("before", vectors={"plain": ROW})
        raise LookupError("the list of items broke off")

    stored: list[AddResult] = []
    with pytest.raises(LookupError, match="broke off"):
        stored.extend(client.add_stream(made, items()))
    assert [result.state for result in stored] == ["added"]
    assert client.get(made, "before").id == "before"


def test_items_that_cannot_be_sent_are_refused_in_their_places(client: Client, made: str, tmp_path: Path) -> None:
    items = [
        NewItem("new", vectors={"plain": ROW}),
        NewItem("file\udcff.jpg", vectors={"plain": ROW}),
        NewItem("gone", image=tmp_path / "gone.jpg"),
        NewItem("vast", vectors={"plain": np.ones(5_000_000, np.float32)}),
        NewItem("odd", vectors={"plain": ROW}, source="\udcff"),
        NewItem("newer", vectors={"plain": ROW}),
    ]
    results = client.add(made, items)
    assert [result.id for result in results] == [item.id for item in items]
    reasons = [result.error.reason if result.error else result.state for result in results]
    assert reasons == ["added", "INVALID_ID", "INVALID_IMAGE", "INVALID_ARGUMENT", "INVALID_ARGUMENT", "added"]


def test_a_picture_of_another_root_does_not_take_an_id(client: Client, photos: Path) -> None:
    [result] = client.add("photos", [NewItem("red/0.jpg", image=photos / "red/0.jpg")], root="/elsewhere")
    assert isinstance(result.error, InvalidId)
    assert client.get("photos", "red/0.jpg").source.endswith("red/0.jpg")


def test_updates_change_what_they_name_and_are_refused_one_by_one(client: Client, made: str) -> None:
    facts = FileFacts(7, 8, bytes(32))
    changes: dict[str, Any] = {"labels": frozenset({"x"}), "attributes": {"year": 1999.0}, "file": facts, "source": "s"}
    done = client.update(made, [
        ItemUpdate("a", **changes),
        ItemUpdate("nope", labels=frozenset({"x"})),
        ItemUpdate("b", new_id="a"),
        ItemUpdate("b", new_id="x\n"),
        ItemUpdate("b", labels=frozenset({""})),
        ItemUpdate("b", attributes={"label": "x"}),
        ItemUpdate("b", attributes={"n": 2**53 + 1}),
        ItemUpdate("b", file=FileFacts(sha256=b"abc")),
        ItemUpdate("c", new_id="d"),
    ])  # fmt: skip
    reasons = [(result.id, result.error.reason if result.error else result.state) for result in done]
    assert reasons == [
        ("a", "updated"), ("c", "updated"), ("nope", "UNKNOWN_ITEM"), ("b", "INVALID_ID"), ("b", "INVALID_ID"),
        ("b", "INVALID_ARGUMENT"), ("b", "INVALID_ARGUMENT"), ("b", "INVALID_ARGUMENT"), ("b", "INVALID_ARGUMENT"),
    ]  # fmt: skip
    found = client.get(made, "a", vectors=True)
    assert (found.labels, found.attributes, found.file, found.source) == tuple(changes.values())
    assert np.array_equal(found.vectors["plain"], ROW)
    assert [item.id for item in client.list_items(made)] == ["a", "b", "d"]


def test_removing_names_what_was_there(client: Client, made: str) -> None:
    assert client.remove(made, ["a", "nope", "b", "x" * 600]) == ["a", "b"]
    assert [item.id for item in client.list_items(made)] == ["c"]
    assert client.remove(made, []) == []


@pytest.mark.parametrize("size", [0, -1, 10_001, 2**31 - 1])
def test_a_page_has_1_to_10000_items(stubs: Any, refusal: Any, size: int) -> None:
    request = pb.ListItemsRequest(collection="vectors", size=size)
    code, error = refusal(stubs.collections.ListItems, request)
    assert (code, error.reason) == (INVALID, "INVALID_SIZE")


def test_pages_of_items_follow_each_other_to_the_end(stubs: Any) -> None:
    seen, after = [], ""
    for _ in range(10):
        page = stubs.collections.ListItems(pb.ListItemsRequest(collection="vectors", size=13, after=after), timeout=20)
        seen += [item.id for item in page.items]
        after = page.next
        if not after:
            break
    assert seen == [f"v{number:02}" for number in range(50)]


def test_an_item_comes_with_what_was_asked_for(client: Client) -> None:
    bare = client.get("photos", "red/1.jpg")
    assert (bare.thumbnail, dict(bare.vectors), bare.labels, bare.width) == (b"", {}, frozenset({"red"}), 128)
    full = client.get("photos", "red/1.jpg", thumbnail=True, vectors=True)
    assert full.thumbnail.startswith(b"\xff\xd8")
    assert {name: len(each) for name, each in full.vectors.items()} == {
        "efficientnet-lite0.gap": 1280,
        "hsv-histogram.histogram": 405,
    }
    with pytest.raises(UnknownItem):
        client.get("photos", "red/99.jpg")


def test_missing_tells_which_pictures_must_travel(client: Client, photos: Path) -> None:
    known = client.get("photos", "red/1.jpg").file
    other = FileFacts(known.size + 1, known.mtime_ns, bytes(32))
    asked = [
        ("new.jpg", known),
        ("red/1.jpg", known),
        ("red/1.jpg", FileFacts(known.size, 5)),
        ("red/1.jpg", FileFacts(known.size, 5, known.sha256)),
        ("red/1.jpg", other),
    ]
    assert client.missing("photos", asked) == [
        FileState.NEW, FileState.UNCHANGED, FileState.CHECKSUM_NEEDED, FileState.UNCHANGED, FileState.CHANGED
    ]  # fmt: skip
    assert client.missing("photos", asked[1:2], checksum=True) == [FileState.UNCHANGED]
    assert client.missing("photos", []) == []


def test_thousands_of_files_are_asked_about_in_messages_that_fit(client: Client) -> None:
    files = [(f"{number}/{'x' * 400}", FileFacts(number, number, bytes(32))) for number in range(60_000)]
    assert set(client.missing("vectors", files)) == {FileState.NEW}


def test_a_new_collection_verifies_without_findings(client: Client) -> None:
    client.create("fresh", [ExtractorChoice("hsv-histogram")])
    assert client.verify("fresh").problems == ()
    assert client.verify("photos").items == 24
    client.drop("fresh")


def test_a_collection_that_cannot_be_read_is_named_beside_the_others(
    client: Client, served: Any, stubs: Any, caplog: pytest.LogCaptureFixture
) -> None:
    damaged = served.store / "damaged.sqlite"
    damaged.write_bytes(b"not a database" * 1000)
    try:
        reply = stubs.collections.List(pb.ListRequest(), timeout=10)
        listed = [each.name for each in client.collections()]
    finally:
        damaged.unlink()
    assert [(each.name, each.error.reason) for each in reply.unreadable] == [("damaged", "STORE_FORMAT")]
    assert listed == [each.name for each in reply.collections]
    assert "collection damaged cannot be read" in caplog.text
    assert str(served.store) not in reply.unreadable[0].error.message
