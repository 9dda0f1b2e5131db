from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pixkin_embedding.images import Box
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import DimensionMismatch, InvalidArgument, InvalidPlan, PixkinError, UnknownCollection
from pixkin_scoring.plan import DescriptorChoice, Plan
from pixkin_scoring.stores.layout import IndexLayout
from pixkin_server.api import Query
from pixkin_server.client import Client
from pixkin_server.engine import Engine

GAP = (DescriptorChoice("gap"),)


def test_a_picture_of_the_collection_is_its_own_best_hit(client: Client, photos: Path) -> None:
    result = client.search("photos", [Query(image=(photos / "red/2.jpg").read_bytes())], Plan(descriptors=GAP))
    assert result.hits[0].id == "red/2.jpg"
    assert result.hits[0].labels == ("red",)
    assert result.hits[0].score == pytest.approx(1.0)


def test_the_server_answers_as_the_engine_does(client: Client, store: Path, extractors: Path, photos: Path) -> None:
    query = [Query(image=(photos / "blue/1.jpg").read_bytes(), crop=Box(10, 10, 60.4, 50))]
    with Engine(str(store), extractors=extractors, device="cpu") as engine:
        for name in ("gap", "histogram"):
            plan = Plan(descriptors=(DescriptorChoice(name),), size=24)
            here, there = engine.search("photos", query, plan), client.search("photos", query, plan)
            assert here.hits == there.hits
            assert here.plan == there.plan


def test_a_query_by_id_leaves_the_item_out_unless_asked(client: Client) -> None:
    ids = [hit.id for hit in client.search("photos", [Query(id="red/1.jpg")], Plan(descriptors=GAP, size=24)).hits]
    assert len(ids) == 23
    assert "red/1.jpg" not in ids
    kept = client.search("photos", [Query(id="red/1.jpg")], Plan(descriptors=GAP, include_self=True))
    assert kept.hits[0].id == "red/1.jpg"


def test_the_server_explains_hits_as_the_engine_does(client: Client, store: Path, extractors: Path) -> None:
    plan = Plan(descriptors=(DescriptorChoice("histogram"), DescriptorChoice("gap")), explain=True, size=3)
    with Engine(str(store), extractors=extractors, device="cpu") as engine:
        here, there = (each.search("photos", [Query(id="blue/1.jpg")], plan) for each in (engine, client))
    assert here.explanations == there.explanations
    assert there.plan.explain
    for [explanation] in there.explanations:
        assert {region.name for region in explanation.regions} == {
            "top left", "top right", "bottom left", "bottom right", "centre",
        }  # fmt: skip
        assert explanation.bins[0].name.endswith("of 3")


def test_the_reply_names_the_plan_that_ran_and_the_milliseconds_of_every_stage(client: Client, photos: Path) -> None:
    image = (photos / "red/1.jpg").read_bytes()
    result = client.search("photos", [Query(image=image)], Plan(descriptors=(DescriptorChoice("histogram"),)))
    assert result.plan.descriptors == (DescriptorChoice("hsv-histogram.histogram", "chi2"),)
    assert result.plan.candidates == "exact:depth=100"
    assert list(result.timings_ms) == ["decode", "prepare", "encode", "query", "candidates", "page"]


def test_pages_together_are_the_whole_ranking(client: Client) -> None:
    query = [Query(id="grey/0.jpg")]
    whole = client.search("photos", query, Plan(descriptors=GAP, size=100)).hits
    pages = [client.search("photos", query, Plan(descriptors=GAP, size=7, offset=at)).hits for at in range(0, 28, 7)]
    assert tuple(hit for page in pages for hit in page) == whole
    assert [hit.rank for hit in whole] == list(range(1, 24))


@pytest.mark.parametrize("scale", [1e308, 1e-308, 5e-324])
def test_weights_of_examples_count_in_proportion_alone(client: Client, scale: float) -> None:
    def found(weight: float) -> list[str]:
        queries = [Query(id="red/0.jpg", weight=weight), Query(id="blue/0.jpg", weight=weight)]
        return client.search("photos", queries, Plan(descriptors=GAP)).hits.ids

    assert found(scale) == found(1.0)


def test_several_weighted_examples_move_the_result(client: Client) -> None:
    plan = Plan(descriptors=(DescriptorChoice("histogram", "intersection"),), size=23)
    towards = client.search("photos", [Query(id="red/0.jpg"), Query(id="blue/0.jpg")], plan).hits
    assert {hit.labels[0] for hit in towards[:6]} == {"red", "blue"}
    away = client.search("photos", [Query(id="red/0.jpg"), Query(id="blue/0.jpg", weight=-0.5)], plan).hits
    assert {hit.labels[0] for hit in away[:3]} == {"red"}


def test_filters_keep_only_what_fits(client: Client) -> None:
    plan = Plan(descriptors=GAP, filter=("label=blue", "label=grey"), size=24)
    hits = client.search("photos", [Query(id="red/0.jpg")], plan).hits
    assert {hit.labels[0] for hit in hits} == {"blue", "grey"}
    assert len(hits) == 8


def test_vectors_search_without_any_extractor(client: Client) -> None:
    vector = client.get("vectors", "v07", vectors=True).vectors["plain"]
    result = client.search("vectors", [Query(vectors={"": vector})], Plan(size=3))
    assert result.hits[0].id == "v07"


def test_a_bad_request_of_a_batch_costs_its_own_outcome_alone(client: Client) -> None:
    good = ("photos", [Query(id="red/0.jpg")], Plan(descriptors=GAP))
    bad = ("nowhere", [Query(id="red/0.jpg")], Plan())
    wrong = ("vectors", [Query(vectors={"": np.zeros(9, np.float32)})], Plan())
    found = client.search_batch([good, bad, wrong, good])
    assert isinstance(found[1], UnknownCollection)
    assert isinstance(found[2], DimensionMismatch)
    assert found[2].expected == 8
    assert not isinstance(found[3], Exception)
    assert len(found[3].hits) == 10


def test_the_engine_answers_a_batch_as_it_answers_each_search(store: Path, extractors: Path, photos: Path) -> None:
    searches = [
        ("photos", [Query(image=(photos / "red/2.jpg").read_bytes())], Plan(descriptors=GAP)),
        ("photos", [Query(image=b"no picture")], Plan(descriptors=GAP)),
        ("vectors", [Query(id="v07")], Plan(size=3)),
        ("nowhere", [Query(id="v07")], Plan()),
    ]
    refused = InvalidPlan("refused before")
    with Engine(str(store), extractors=extractors, device="cpu") as engine:
        found = engine.search_batch([searches[0], refused, *searches[1:]])
        assert [getattr(each, "reason", "") for each in found] == [
            *("", "INVALID_PLAN", "INVALID_IMAGE", "", "UNKNOWN_COLLECTION"),
        ]
        for at, search in ((0, searches[0]), (3, searches[2])):
            result = found[at]
            assert not isinstance(result, PixkinError)
            assert result.hits == engine.search(*search).hits
        assert list(getattr(found[0], "timings_ms", {}))[-3:] == ["query", "candidates", "page"]
        assert engine.search_batch([]) == []


def test_a_directory_refuses_the_layout_of_an_index(client: Client) -> None:
    with pytest.raises(InvalidArgument, match="belong to an index of OpenSearch"):
        client.create("laid-out", descriptors=[Descriptor("plain", 8)], layout=IndexLayout(shards=2))
    assert "laid-out" not in [each.name for each in client.collections()]
    described = client.describe("vectors")
    assert described.approximate is None
    assert described.layout == {}
