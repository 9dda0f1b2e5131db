"""What is said in messages is what comes out of them."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pixkin_embedding.images import Box
from pixkin_proto.descriptors import Descriptor, Norm
from pixkin_proto.errors import Internal, InvalidArgument, InvalidImage, PartialResult
from pixkin_proto.v1 import collections_pb2 as pb
from pixkin_proto.v1 import types_pb2
from pixkin_scoring.items import AddResult, Collection, FileFacts, Item, ItemUpdate
from pixkin_scoring.plan import DescriptorChoice, Plan
from pixkin_scoring.results import Hits, SearchResult
from pixkin_scoring.stores.layout import IndexLayout, Twin
from pixkin_server.api import Embedding, ExtractorInfo, FileState, NewItem, Query
from pixkin_server.messages.collections import (
    FILE_STATES,
    add_result_from_proto,
    add_result_to_proto,
    collection_from_proto,
    collection_to_proto,
    file_state_from_proto,
    item_from_proto,
    item_to_proto,
    layout_from_proto,
    layout_to_proto,
    new_item_from_proto,
    new_item_to_proto,
    update_from_proto,
    update_to_proto,
)
from pixkin_server.messages.embedding import (
    embedding_from_proto,
    embedding_to_proto,
    extractor_from_proto,
    extractor_to_proto,
)
from pixkin_server.messages.search import (
    outcome_from_proto,
    outcome_to_proto,
    plan_from_proto,
    plan_to_proto,
    query_from_proto,
    query_to_proto,
    request_from_proto,
    request_to_proto,
    result_from_proto,
    result_to_proto,
)
from pixkin_server.messages.types import vectors_from_proto, vectors_to_proto

M = TypeVar("M")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
numbers = st.floats(allow_nan=False)
whole = st.integers(-(2**31), 2**31 - 1)
counts = st.integers(0, 2**31 - 1)
vectors = st.lists(st.floats(width=32, allow_nan=False), max_size=6).map(lambda row: np.array(row, np.float32))
named = st.dictionaries(words, vectors, max_size=3)
labels = st.frozensets(texts, max_size=3)
attributes = st.dictionaries(words, st.one_of(texts, numbers), max_size=3)
facts = st.builds(FileFacts, st.integers(0, 2**62), st.integers(-(2**62), 2**62), st.binary(max_size=32))
boxes = st.builds(Box, numbers, numbers, numbers, numbers)
stages = st.sampled_from(["auto", "exact:depth=10", "approximate:depth=7"])
choices = st.builds(DescriptorChoice, texts, texts, numbers)
plans = st.builds(
    Plan,
    descriptors=st.lists(choices, max_size=3).map(tuple),
    fuse=texts,
    candidates=stages,
    expand=texts,
    rerank=st.lists(texts, max_size=3).map(tuple),
    filter=st.lists(texts, max_size=3).map(tuple),
    normalise=st.sampled_from(["mass", "none"]),
    include_self=st.booleans(),
    fit_deadline=st.booleans(),
    allow_partial=st.booleans(),
    omit_labels=st.booleans(),
    explain=st.booleans(),
    size=whole,
    offset=whole,
)
queries = st.one_of(
    st.builds(Query, image=st.binary(max_size=20), crop=st.none() | boxes, weight=numbers),
    st.builds(Query, id=texts, weight=numbers),
    st.builds(Query, vectors=named, weight=numbers),
)
descriptors = st.builds(
    Descriptor, texts, st.integers(0, 2**31 - 1), st.sampled_from(Norm), st.booleans(), words, texts
)
hits = st.lists(st.tuples(texts, numbers, numbers, st.lists(texts, max_size=2).map(tuple)), max_size=4)
items = st.builds(
    Item, id=texts, vectors=named, labels=labels, attributes=attributes, source=texts, file=facts,
    width=st.integers(0, 2**31 - 1), height=st.integers(0, 2**31 - 1), thumbnail=st.binary(max_size=9),
)  # fmt: skip
updates = st.builds(
    ItemUpdate, texts, st.none() | labels, st.none() | attributes, st.none() | facts, st.none() | texts,
    st.none() | texts,
)  # fmt: skip


def wired(message: M) -> M:
    """Return a message as the other side parses it."""
    parsed: M = type(message).FromString(message.SerializeToString())  # type: ignore[attr-defined]  # any message
    return parsed


def comparable(value: Any) -> Any:
    """Return a value with its vectors as bytes, which compare."""
    if isinstance(value, np.ndarray):
        return value.astype("<f4").tobytes()
    if isinstance(value, dict):
        return {key: comparable(each) for key, each in value.items()}
    return {key: comparable(each) for key, each in vars(value).items()} if hasattr(value, "__dict__") else value


@given(plans)
def test_a_plan_survives(plan: Plan) -> None:
    message = wired(plan_to_proto(plan))
    assert plan_from_proto(message, size=plan.size, offset=plan.offset, explain=plan.explain) == plan


@given(queries)
def test_a_query_survives(query: Query) -> None:
    again = query_from_proto(wired(query_to_proto(query)))
    assert comparable(again) == comparable(query)


@given(texts, st.lists(queries, max_size=3), plans)
def test_a_search_survives(collection: str, examples: list[Query], plan: Plan) -> None:
    name, again, planned = request_from_proto(wired(request_to_proto(collection, examples, plan)))
    assert (name, planned) == (collection, plan)
    assert list(map(comparable, again)) == list(map(comparable, examples))


@given(items)
def test_an_item_survives(item: Item) -> None:
    assert comparable(item_from_proto(wired(item_to_proto(item)))) == comparable(item)


@given(updates)
def test_an_update_survives_with_what_it_leaves_alone(update: ItemUpdate) -> None:
    assert update_from_proto(wired(update_to_proto(update))) == update


@given(hits, plans, st.dictionaries(texts, numbers, max_size=3), st.lists(texts, max_size=2).map(tuple), texts)
def test_a_result_survives(
    rows: Any, plan: Plan, timings: dict[str, float], skipped: tuple[str, ...], partial: str
) -> None:
    found = {item: (score, value, names) for item, score, value, names in rows}
    scores, values = (np.array([row[at] for row in found.values()], np.float64) for at in (0, 1))
    named = {} if plan.omit_labels else {item: frozenset(names) for item, (_, _, names) in found.items()}
    hits = Hits(list(found), scores, values, named, plan.offset)
    result = SearchResult(hits, plan, timings, skipped, partial)
    assert result_from_proto(wired(result_to_proto(result)), plan) == result
    assert outcome_from_proto(wired(outcome_to_proto(result)), plan) == result


def test_an_outcome_that_is_an_error_survives() -> None:
    again = outcome_from_proto(wired(outcome_to_proto(PartialResult("1 of 2 shards failed"))), Plan())
    assert isinstance(again, PartialResult)
    assert again.message == "1 of 2 shards failed"


@given(st.builds(NewItem, id=texts, vectors=named.filter(bool), labels=labels, attributes=attributes, source=texts,
                 file=facts))  # fmt: skip
def test_an_item_with_vectors_to_add_survives(item: NewItem) -> None:
    again = new_item_from_proto(wired(new_item_to_proto(item, b"")))
    assert comparable(again) == comparable(item)


@given(texts, st.binary(max_size=20), labels)
def test_an_item_with_a_picture_to_add_survives(name: str, image: bytes, of: frozenset[str]) -> None:
    item = NewItem(name, image=image, labels=of)
    assert new_item_from_proto(wired(new_item_to_proto(item, image))) == item


@given(st.builds(Collection, texts, st.lists(descriptors, max_size=2).map(tuple), st.integers(0, 2**62),
                 st.integers(0, 2**62), st.lists(texts, max_size=2).map(tuple), st.booleans(),
                 st.dictionaries(texts, st.integers(0, 2**62), max_size=2), texts,
                 st.none() | st.frozensets(texts, max_size=2), st.dictionaries(texts, texts, max_size=2),
                 st.integers(0, 2**62)))  # fmt: skip
def test_a_collection_survives(collection: Collection) -> None:
    assert collection_from_proto(wired(collection_to_proto(collection))) == collection


twins = st.lists(st.builds(Twin, texts, texts, texts, counts), max_size=2).map(tuple)


@given(st.builds(IndexLayout, counts, st.none() | counts, counts, st.booleans(), counts, counts, st.none() | counts,
                 st.booleans(), twins))  # fmt: skip
def test_a_layout_survives_with_what_it_leaves_to_the_cluster(layout: IndexLayout) -> None:
    message = layout_to_proto(layout)
    assert message is not None
    assert layout_from_proto(wired(message)) == layout


def test_a_layout_of_which_little_is_said_has_the_other_defaults() -> None:
    assert layout_from_proto(pb.IndexLayout()) == IndexLayout()
    assert layout_from_proto(pb.IndexLayout(replicas=0)) == IndexLayout(replicas=0)
    assert layout_to_proto(None) is None


def test_a_server_that_knows_no_index_of_neighbours_looks_at_all_items() -> None:
    assert collection_from_proto(pb.Collection(name="a")).approximate is None
    indexed = pb.Collection(name="a", approximate_by_index=True)
    assert collection_from_proto(indexed).approximate == frozenset()


@given(st.builds(ExtractorInfo, texts, texts, st.lists(descriptors, max_size=2).map(tuple), texts, texts, texts, texts))
def test_an_extractor_survives(info: ExtractorInfo) -> None:
    assert extractor_from_proto(wired(extractor_to_proto(info))) == info


@given(st.builds(Embedding, named, texts, st.dictionaries(texts, numbers, max_size=3)))
def test_an_embedding_survives(embedding: Embedding) -> None:
    again = embedding_from_proto(wired(embedding_to_proto(embedding, ())))
    assert comparable(again) == comparable(embedding)


@given(vectors)
def test_vectors_travel_bit_by_bit(vector: NDArray[np.float32]) -> None:
    [message] = vectors_to_proto({"plain": vector})
    assert message.data == vector.astype("<f4").tobytes()
    assert vectors_from_proto([wired(message)])["plain"].tobytes() == vector.tobytes()


@pytest.mark.parametrize("state", ["added", "replaced", "refused"])
def test_a_result_of_an_addition_survives(state: str) -> None:
    error = InvalidImage("empty", "nothing") if state == "refused" else None
    again = add_result_from_proto(wired(add_result_to_proto(AddResult("a", state, error))))
    assert (again.id, again.state) == ("a", state)
    assert type(again.error) is type(error)


@pytest.mark.parametrize("state", FileState)
def test_a_state_of_a_file_survives(state: FileState) -> None:
    assert file_state_from_proto(FILE_STATES[state]) is state


def test_a_state_of_a_newer_server_is_an_error_that_says_so() -> None:
    with pytest.raises(Internal, match="upgrade"):
        file_state_from_proto(99)
    with pytest.raises(Internal, match="upgrade"):
        add_result_from_proto(pb.AddResult(id="a"))


def test_absent_parts_take_the_defaults_of_the_plan() -> None:
    assert plan_from_proto(plan_to_proto(Plan()).FromString(b"")) == Plan()


def test_broken_bytes_of_a_vector_name_the_vector() -> None:
    for size in (1, 2, 3, 33):
        with pytest.raises(InvalidArgument, match="'plain'"):
            vectors_from_proto([types_pb2.NamedVector(descriptor="plain", data=bytes(size))])
