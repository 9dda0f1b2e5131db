"""Requests that cannot be answered as they came, each with the error that says so."""

from __future__ import annotations

import itertools
import math
from typing import Any

import grpc
import numpy as np
import pytest
from pixkin_proto.v1 import collections_pb2 as pb
from pixkin_proto.v1 import embedding_pb2, search_pb2, types_pb2

INVALID, MISSING = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
BAD_NAMES = ["", "../x", "Photos", "a" * 65, "a b", "_a", "\u00e4", "a\n", "a/b", "a\0b", "x" * 100_000]
BAD_IDS = ["", "x" * 600, "a\nb", "a\0b", "\x7f", "ü" * 257]


@pytest.fixture(scope="session")
def photo(photos: Any) -> bytes:
    data: bytes = (photos / "red/0.jpg").read_bytes()
    return data


def vector(values: Any, name: str = "") -> search_pb2.Query:
    data = values if isinstance(values, bytes) else np.asarray(values, "<f4").tobytes()
    named = types_pb2.NamedVector(descriptor=name, data=data)
    return search_pb2.Query(vector=search_pb2.VectorQuery(vectors=[named]))


def choice(name: str = "", **rest: Any) -> search_pb2.DescriptorChoice:
    return search_pb2.DescriptorChoice(name=name, **rest)


def search(*queries: search_pb2.Query, collection: str = "vectors", size: int | None = None, offset: int = 0,
           **plan: Any) -> search_pb2.SearchRequest:  # fmt: skip
    return search_pb2.SearchRequest(
        collection=collection, queries=queries, size=size, offset=offset, plan=search_pb2.Plan(**plan)
    )


ONES = vector(np.ones(8))
BY_ID = search_pb2.Query(id="red/0.jpg")
NAN = math.nan

SEARCHES = {
    "a vector of 9 for 8 dimensions": (search(vector(np.ones(9))), "DIMENSION_MISMATCH"),
    "a vector of no bytes": (search(vector(b"")), "DIMENSION_MISMATCH"),
    "a vector with NaN": (search(vector([NAN] + [1] * 7)), "NOT_FINITE"),
    "a vector with infinity": (search(vector([math.inf] + [1] * 7)), "NOT_FINITE"),
    "a vector with 1e30": (search(vector([1e30] + [1] * 7)), "NOT_FINITE"),
    "a zero vector under cosine": (search(vector(np.zeros(8))), "ZERO_VECTOR"),
    "a vector of 33 bytes": (search(vector(bytes(33))), "INVALID_ARGUMENT"),
    "a vector of 8 MiB": (search(vector(bytes(8 * 2**20))), "DIMENSION_MISMATCH"),
    "one descriptor under two names": (
        search(search_pb2.Query(vector=search_pb2.VectorQuery(
            vectors=[types_pb2.NamedVector(descriptor=name, data=bytes(32)) for name in ("", "plain")]))),
        "INVALID_ARGUMENT",
    ),
    "a query of no vectors": (search(search_pb2.Query(vector=search_pb2.VectorQuery())), "INVALID_ARGUMENT"),
    "a vector of an unknown descriptor": (search(vector(np.ones(8), "gap")), "UNKNOWN_DESCRIPTOR"),
    "no query": (search(), "INVALID_ARGUMENT"),
    "a query of nothing": (search(search_pb2.Query()), "INVALID_ARGUMENT"),
    "a query of nothing but a weight": (search(search_pb2.Query(weight=1)), "INVALID_ARGUMENT"),
    "101 examples": (search(*[ONES] * 101), "INVALID_ARGUMENT"),
    "an unknown collection": (search(ONES, collection="nowhere"), "UNKNOWN_COLLECTION"),
    "an unknown id": (search(search_pb2.Query(id="nowhere")), "UNKNOWN_ITEM"),
    "an id of 600 bytes": (search(search_pb2.Query(id="x" * 600)), "INVALID_ID"),
    "an unknown descriptor": (search(ONES, descriptors=[choice("nope")]), "UNKNOWN_DESCRIPTOR"),
    "no descriptor named, of two": (search(BY_ID, collection="photos"), "AMBIGUOUS_NAME"),
    "an unknown measure": (search(ONES, descriptors=[choice(measure="l7")]), "UNKNOWN_MEASURE"),
    "a mass measure on signed vectors": (search(ONES, descriptors=[choice(measure="chi2")]), "MEASURE_NOT_APPLICABLE"),
    "a picture for imported vectors": (
        search(search_pb2.Query(image=search_pb2.ImageQuery(data=b"x"))), "INVALID_ARGUMENT"
    ),
    "an empty picture": (
        search(search_pb2.Query(image=search_pb2.ImageQuery()), collection="photos", descriptors=[choice("gap")]),
        "INVALID_IMAGE",
    ),
    "size 0": (search(ONES, size=0), "INVALID_SIZE"),
    "size -1": (search(ONES, size=-1), "INVALID_SIZE"),
    "size 2147483647": (search(ONES, size=2**31 - 1), "INVALID_SIZE"),
    "offset -1": (search(ONES, offset=-1), "INVALID_SIZE"),
    "a depth below the page": (search(ONES, size=20, candidates="exact:depth=10"), "INVALID_PLAN"),
    "a depth of 0": (search(ONES, candidates="exact:depth=0"), "INVALID_PLAN"),
    "a depth of letters": (search(ONES, candidates="exact:depth=ten"), "INVALID_PLAN"),
    "a depth of 5000 digits": (search(ONES, candidates="exact:depth=" + "9" * 5000), "INVALID_PLAN"),
    "an unknown option": (search(ONES, candidates="exact:width=3"), "INVALID_PLAN"),
    "unknown candidates": (search(ONES, candidates="quick"), "INVALID_PLAN"),
    "unknown candidates of 100 kB": (search(ONES, candidates="ü" * 50_000), "INVALID_PLAN"),
    "an unknown expansion": (search(ONES, expand="magic:n=1"), "INVALID_PLAN"),
    "an unknown reranker": (search(ONES, rerank=["magic"]), "INVALID_PLAN"),
    "an unknown fusion": (search(ONES, fuse="magic"), "INVALID_PLAN"),
    "a fusion of a descriptor with itself": (
        search(BY_ID, collection="photos", descriptors=[choice("gap"), choice("gap", weight=2)]), "INVALID_PLAN"
    ),
    "an expansion by more items than there are": (search(ONES, expand="average:n=51"), "INVALID_PLAN"),
    "a judgement after a choice": (search(ONES, rerank=["mmr", "diffusion"]), "INVALID_PLAN"),
    "an unknown normalisation": (search(ONES, normalise="half"), "INVALID_PLAN"),
    "a descriptor's weight of NaN": (search(ONES, descriptors=[choice(weight=NAN)]), "INVALID_PLAN"),
    "a descriptor's weight of 0": (search(ONES, descriptors=[choice(weight=0)]), "INVALID_PLAN"),
    "a query's weight of NaN": (
        search(search_pb2.Query(id="v01", weight=NAN)), "INVALID_ARGUMENT"
    ),
    "queries' weights of 0": (
        search(*[search_pb2.Query(id=item, weight=0) for item in ("v01", "v02")]), "INVALID_ARGUMENT"
    ),
    "a filter without a value": (search(ONES, filter=["colour"]), "INVALID_FILTER"),
    "a filter without a key": (search(ONES, filter=["=red"]), "INVALID_FILTER"),
    "a filter with a key of other letters": (search(ONES, filter=["col our=red"]), "INVALID_FILTER"),
    "a filter with an empty range": (search(ONES, filter=["year=5..2"]), "INVALID_FILTER"),
    "a filter of 5,000 keys": (search(ONES, filter=[f"key{n}=1" for n in range(5000)]), "INVALID_FILTER"),
    "a filter of 200,000 ranges": (search(ONES, filter=["year=1..2"] * 200_000), "INVALID_FILTER"),
}  # fmt: skip


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_that_cannot_be_is_refused_for_its_reason(stubs: Any, refusal: Any, name: str) -> None:
    request, reason = SEARCHES[name]
    code, error = refusal(stubs.search.Search, request)
    assert error.reason == reason
    assert code is (MISSING if reason.startswith("UNKNOWN_") and reason != "UNKNOWN_MEASURE" else INVALID)


def test_a_batch_refuses_the_same_requests_in_their_places(stubs: Any) -> None:
    requests = [request for request, _ in SEARCHES.values() if request.ByteSize() < 2**20]
    reply = stubs.search.SearchBatch(search_pb2.SearchBatchRequest(requests=[*requests, search(ONES)]), timeout=20)
    reasons = [reason for request, reason in SEARCHES.values() if request.ByteSize() < 2**20]
    assert [outcome.error.reason for outcome in reply.outcomes] == [*reasons, ""]
    assert len(reply.outcomes[-1].reply.ids) == 10


def test_explaining_what_has_no_bins_is_refused(stubs: Any, refusal: Any) -> None:
    request = search(ONES)
    request.explain = True
    code, error = refusal(stubs.search.Search, request)
    assert (code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_PLAN")


def test_a_size_beyond_the_collection_returns_all_and_an_offset_beyond_its_end_nothing(stubs: Any) -> None:
    assert len(stubs.search.Search(search(ONES, size=100_000), timeout=20).ids) == 50
    for offset in (50, 51, 100_000):
        assert not stubs.search.Search(search(ONES, size=7, offset=offset), timeout=20).ids
    assert len(stubs.search.Search(search(ONES, size=7, offset=48), timeout=20).ids) == 2


@pytest.mark.parametrize("box", [
    (0, 0, 1000, 10), (-1, 0, 10, 10), (200, 200, 5, 5), (0, 0, 0, 10), (0, 0, 10, -10), (NAN, 0, 10, 10),
    (0, 0, math.inf, 10), (-math.inf, 0, math.inf, 10), (0, 0, 10, NAN), (1e308, 1e308, 1e308, 1e308),
])  # fmt: skip
def test_a_crop_that_is_no_part_of_the_picture_is_refused(
    stubs: Any, refusal: Any, photo: bytes, box: tuple[float, ...]
) -> None:
    crop = types_pb2.Box(x=box[0], y=box[1], width=box[2], height=box[3])
    embed = embedding_pb2.EmbedRequest(extractor="hsv-histogram", image=photo, crop=crop)
    query = search_pb2.Query(image=search_pb2.ImageQuery(data=photo, crop=crop))
    find = search(query, collection="photos", descriptors=[choice("gap")])
    for method, request in ((stubs.embedding.Embed, embed), (stubs.search.Search, find)):
        code, error = refusal(method, request)
        assert (code, error.reason) == (INVALID, "INVALID_CROP")


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_bad_name_is_refused_everywhere(stubs: Any, refusal: Any, name: str) -> None:
    descriptor = types_pb2.Descriptor(name="plain", dim=8)
    for method, request in (
        (stubs.collections.Create, pb.CreateRequest(name=name, descriptors=[descriptor])),
        (stubs.collections.Describe, pb.DescribeRequest(name=name)),
        (stubs.collections.Drop, pb.DropRequest(name=name)),
        (stubs.collections.Update, pb.UpdateRequest(collection=name)),
        (stubs.collections.Remove, pb.RemoveRequest(collection=name)),
        (stubs.collections.ListItems, pb.ListItemsRequest(collection=name)),
        (stubs.collections.GetItem, pb.GetItemRequest(collection=name, id="a")),
        (stubs.collections.Missing, pb.MissingRequest(collection=name)),
        (stubs.collections.Verify, pb.VerifyRequest(collection=name)),
        (stubs.search.Search, search(ONES, collection=name)),
        (stubs.collections.Create, pb.CreateRequest(name="good", descriptors=[types_pb2.Descriptor(name=name, dim=8)])),
    ):
        code, error = refusal(method, request)
        assert (code, error.reason) == (INVALID, "INVALID_NAME"), method


@pytest.mark.parametrize("name", BAD_NAMES[1:])
def test_a_bad_name_of_an_extractor_reads_no_file(stubs: Any, refusal: Any, photo: bytes, name: str) -> None:
    code, error = refusal(stubs.embedding.Embed, embedding_pb2.EmbedRequest(extractor=name, image=photo))
    assert (code, error.reason) == (INVALID, "INVALID_NAME")
    request = pb.CreateRequest(name="good", extractors=[pb.ExtractorChoice(name=name)])
    code, error = refusal(stubs.collections.Create, request)
    assert (code, error.reason) == (INVALID, "INVALID_NAME")


@pytest.mark.parametrize("item", BAD_IDS)
def test_a_bad_id_is_refused_and_names_nothing(stubs: Any, refusal: Any, item: str) -> None:
    code, error = refusal(stubs.collections.GetItem, pb.GetItemRequest(collection="vectors", id=item))
    assert (code, error.reason) == (INVALID, "INVALID_ID")
    added = pb.AddRequest(item=pb.NewItem(id=item, vectors=[types_pb2.NamedVector(data=np.ones(8, "<f4").tobytes())]))
    header = pb.AddRequest(header=pb.AddHeader(collection="vectors"))
    [result] = stubs.collections.Add(iter([header, added]), timeout=20)
    assert (result.state, result.error.reason) == (pb.AddResult.REFUSED, "INVALID_ID")


# A text field of invalid UTF-8, and a message that ends in the middle.
BROKEN = [b"\x0a\x02\xff\xfe", b"\x0a\x7fabc", b"\xff\xff\xff\xff"]


@pytest.mark.parametrize("data", BROKEN)
@pytest.mark.parametrize(
    "method", ["Search/Search", "Search/SearchBatch", "Embedding/Embed", "Collections/Create", "Collections/Describe",
               "Collections/GetItem", "Collections/Update", "Collections/Missing"],
)  # fmt: skip
def test_a_message_that_cannot_be_parsed_is_invalid_and_no_defect(
    stubs: Any, refusal: Any, method: str, data: bytes
) -> None:
    code, error = refusal(stubs.channel.unary_unary(f"/pixkin.v1.{method}"), data)
    assert (code, error.reason) == (INVALID, "INVALID_ARGUMENT")


def test_a_broken_message_of_a_stream_is_refused_in_its_place(stubs: Any, photo: bytes) -> None:
    add = stubs.channel.stream_stream("/pixkin.v1.Collections/Add", response_deserializer=pb.AddResult.FromString)
    header = pb.AddRequest(header=pb.AddHeader(collection="vectors"))
    good = pb.AddRequest(item=pb.NewItem(id="v00", vectors=[types_pb2.NamedVector(data=np.ones(8, "<f4").tobytes())]))
    bad_id = pb.AddRequest(item=pb.NewItem(id="12345678")).SerializeToString().replace(b"12345678", b"\xff" * 8)
    parts = (good.SerializeToString(), bad_id, b"\x0a\x7f", good.SerializeToString())
    results = list(add(itertools.chain([header.SerializeToString()], parts), timeout=20))
    assert [result.error.reason for result in results] == ["", "INVALID_ARGUMENT", "INVALID_ARGUMENT", ""]

    embed = stubs.channel.stream_stream(
        "/pixkin.v1.Embedding/EmbedStream", response_deserializer=embedding_pb2.EmbedStreamReply.FromString
    )
    request = embedding_pb2.EmbedRequest(extractor="hsv-histogram", image=photo).SerializeToString()
    replies = list(embed(iter([request, b"\x0a\x7f", request]), timeout=20))
    assert [reply.error.reason for reply in replies] == ["", "INVALID_ARGUMENT", ""]
