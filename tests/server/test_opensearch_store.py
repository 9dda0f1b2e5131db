"""A server over a cluster: what it does, what it says of its health, and what callers see when the cluster fails."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import Deadline, InvalidArgument, PixkinError, StoreUnavailable, UnknownCollection, UnknownItem
from pixkin_scoring.items import FileFacts, ItemUpdate
from pixkin_scoring.plan import DescriptorChoice, Plan
from pixkin_scoring.results import SearchResult
from pixkin_scoring.stores.layout import IndexLayout
from pixkin_server.api import ExtractorChoice, FileState, NewItem, Query
from pixkin_server.client import Client
from pixkin_server.engine import Engine
from pixkin_server.folders import Report, add_pictures, walk
from pixkin_server.health import COLLECTIONS, EMBEDDING, SEARCH
from pixkin_server.opensearch_node.node import Node, start_node

from tests.scoring.stores.opensearch.fault_proxy import FaultProxy, Held, answer, error

pytestmark = pytest.mark.slow

Start = Callable[..., Any]
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
NAME = "served-photos"
ROWS = np.random.default_rng(4).random((40, 8), dtype=np.float32)
REPEATABLE = {"STORE_UNAVAILABLE", "PARTIAL_RESULT", "OVERLOADED", "DEADLINE"}
"""What a caller may be told while a cluster restarts: all of it says that repeating helps."""


@pytest.fixture(scope="module")
def front(opensearch: Node) -> Iterator[FaultProxy]:
    """A proxy in front of a real node, which counts what passes."""
    with FaultProxy(opensearch.url) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def over(start: Start, front: FaultProxy, extractors: Path, photos: Path) -> Iterator[Any]:
    """A server over the node, with the generated photos."""
    with start(front.url, extractors) as served:
        with Client(served.address) as client:
            client.create(NAME, [ExtractorChoice("hsv-histogram")], layout=IndexLayout(shards=2, slices=2))
            report = Report()
            add_pictures(client, NAME, walk(photos, labels_from_folders=True), report, root=str(photos))
            assert report.added == 24
        yield served
        assert not [line for line in served.log if "internal error" in line]
        with Client(served.address) as client:
            client.drop(NAME)


@pytest.fixture
def there(over: Any, front: FaultProxy) -> Iterator[Client]:
    """A client of that server; nothing is in the way of its calls but what the test puts there."""
    front.reset()
    with Client(over.address) as client:
        yield client
    front.reset()


def found_by_id(result: SearchResult) -> dict[str, Any]:
    return {hit.id: (pytest.approx(hit.value, rel=1e-6, abs=1e-12), hit.labels) for hit in result.hits}


def test_a_collection_has_the_layout_that_was_asked_for(there: Client, opensearch: Node) -> None:
    described = there.describe(NAME)
    assert described.layout["index"] == f"{NAME}-v0001"
    assert (described.layout["shards"], described.layout["slices"]) == ("2", "2")
    assert described.approximate == frozenset()
    assert described.items == 24
    assert NAME in [each.name for each in there.collections()]


def test_pictures_ids_and_vectors_find_what_the_embedded_store_finds(
    there: Client, store: Path, extractors: Path, photos: Path
) -> None:
    image = (photos / "violet/3.jpg").read_bytes()
    vector = there.get(NAME, "grey/1.jpg", vectors=True).vectors["hsv-histogram.histogram"]
    plan = Plan(descriptors=(DescriptorChoice("histogram"),), size=24)
    with Engine(str(store), extractors=extractors, device="cpu") as engine:
        for query in (Query(image=image), Query(id="blue/2.jpg"), Query(vectors={"histogram": vector})):
            here, remote = engine.search("photos", [query], plan), there.search(NAME, [query], plan)
            assert found_by_id(remote) == found_by_id(here)
            assert remote.hits[0].id == here.hits[0].id
            assert remote.plan == here.plan
            assert remote.partial == ""


def test_a_batch_is_one_request_to_the_cluster_and_a_bad_one_costs_itself_alone(
    there: Client, front: FaultProxy, photos: Path
) -> None:
    image = (photos / "red/0.jpg").read_bytes()
    good = [(NAME, [Query(image=image)], Plan(size=size)) for size in range(1, 9)]
    alone = [there.search(*request).hits for request in good]
    bad = [
        (NAME, [Query(image=b"no picture")], Plan()),
        ("nowhere", [Query(image=image)], Plan()),
        (NAME, [Query(id="nobody")], Plan()),
    ]
    front.reset()
    found = there.search_batch([bad[0], *good[:4], bad[1], *good[4:], bad[2]])
    assert [each.reason for each in found if isinstance(each, PixkinError)] == [
        *("INVALID_IMAGE", "UNKNOWN_COLLECTION", "UNKNOWN_ITEM"),
    ]
    assert [each.hits for each in found if isinstance(each, SearchResult)] == alone
    asked = Counter(request.path.partition("?")[0].rpartition("/")[2] for request in front.requests)
    assert asked["_msearch"] == 1
    several = [len(request.body.splitlines()) for request in front.requests if "_msearch" in request.path]
    assert several == [2 * len(good)]


def test_items_are_listed_changed_told_missing_removed_and_verified(there: Client, photos: Path) -> None:
    assert [item.id for item in there.list_items(NAME, ["label=grey"], size=3)] == [f"grey/{n}.jpg" for n in range(3)]
    before = there.get(NAME, "red/0.jpg", vectors=True, thumbnail=True)
    assert before.thumbnail
    [updated] = there.update(NAME, [ItemUpdate("red/0.jpg", labels=frozenset({"crimson"}), attributes={"year": 1990})])
    assert (updated.id, updated.state) == ("red/0.jpg", "updated")
    after = there.get(NAME, "red/0.jpg", vectors=True)
    assert (after.labels, dict(after.attributes)) == (frozenset({"crimson"}), {"year": 1990})
    for name, vector in before.vectors.items():
        np.testing.assert_array_equal(after.vectors[name], vector)
    assert there.missing(NAME, [("red/0.jpg", before.file), ("new", FileFacts())]) == [
        *(FileState.UNCHANGED, FileState.NEW),
    ]
    assert there.remove(NAME, ["red/0.jpg", "nobody"]) == ["red/0.jpg"]
    with pytest.raises(UnknownItem):
        there.get(NAME, "red/0.jpg")
    found = there.verify(NAME)
    assert (found.items, found.problems) == (23, ())
    image = (photos / "red/0.jpg").read_bytes()
    [added] = there.add(NAME, [NewItem("red/0.jpg", image, labels=frozenset({"red"}))], root=str(photos))
    assert added.state == "added"


def test_neighbours_are_refused_or_used_as_the_cluster_can(there: Client, opensearch: Node) -> None:
    def make() -> Any:
        return there.create("served-ann", descriptors=[Descriptor("plain", 8)], layout=IndexLayout(ann=True, m=8))

    if opensearch.version == "3.8.0":
        with pytest.raises(InvalidArgument, match="k-NN"):
            make()
        return
    assert make().approximate == {"plain"}
    items = (NewItem(f"{number:02}", vectors={"plain": row}) for number, row in enumerate(ROWS))
    assert {result.state for result in there.add("served-ann", items)} == {"added"}
    near = there.search("served-ann", [Query(id="07")], Plan(candidates="approximate"))
    assert near.plan.candidates.startswith("approximate")
    assert near.hits == there.search("served-ann", [Query(id="07")], Plan(candidates="exact")).hits
    there.drop("served-ann")


def test_a_cluster_that_is_too_slow_for_the_caller_is_a_deadline_in_time(there: Client, front: FaultProxy) -> None:
    there.search(NAME, [Query(id="red/1.jpg")])
    held = Held()
    front.always(held)

    def slow(_: int) -> None:
        with pytest.raises(Deadline):
            there.search(NAME, [Query(id="red/1.jpg")], timeout=0.3)

    with ThreadPoolExecutor(48) as pool:  # three times as many as the server has threads for
        list(pool.map(slow, range(48)))
    front.reset()
    assert len(there.search(NAME, [Query(id="red/1.jpg")]).hits) == 10
    assert held.waiting  # none of those that gave up holds a thread until its cluster answers
    held.let_go()


def test_a_batch_that_is_too_slow_is_a_deadline_for_each_of_its_searches(there: Client, front: FaultProxy) -> None:
    request = (NAME, [Query(id="red/1.jpg")], Plan())
    there.search(*request)
    held = Held()
    front.always(held)
    try:
        reasons = [getattr(each, "reason", "hits") for each in there.search_batch([request] * 3, timeout=0.3)]
    except Deadline as passed:  # the caller's clock and the server's run to the same instant
        reasons = [passed.reason] * 3
    assert reasons == ["DEADLINE"] * 3
    assert held.waiting
    held.let_go()


def test_a_cluster_that_goes_away_while_collections_are_listed_is_not_an_empty_list(
    there: Client, front: FaultProxy
) -> None:
    time.sleep(1.1)  # nothing is known from before
    gone = error(503, "cluster_manager_not_discovered_exception", "gone")
    front.when(lambda request: None if "*-v*" in unquote(request.path) else gone)
    with pytest.raises(StoreUnavailable, match="gone"):
        there.collections()
    asked = [unquote(request.path) for request in front.requests]
    assert any("*-v*" in path for path in asked)  # the names were told
    assert any(NAME in path for path in asked)
    front.reset()
    assert NAME in [each.name for each in there.collections()]


def test_a_collection_that_is_dropped_while_it_is_searched_is_unknown_and_never_empty(there: Client) -> None:
    there.create("served-brief", descriptors=[Descriptor("plain", 8)])
    items = (NewItem(f"{number:02}", vectors={"plain": row}) for number, row in enumerate(ROWS))
    assert {result.state for result in there.add("served-brief", items)} == {"added"}
    with searching(there, "served-brief") as outcomes:
        time.sleep(1)
        there.drop("served-brief")
        time.sleep(2)
    assert {"hits", "UNKNOWN_COLLECTION"} <= set(outcomes) <= {"hits", "UNKNOWN_COLLECTION"} | REPEATABLE, outcomes
    with pytest.raises(UnknownCollection):
        there.describe("served-brief")


@contextmanager
def searching(client: Client, name: str, *, threads: int = 4) -> Iterator[Counter[str]]:
    """Search without pause; counts whole answers as `hits`, others by what they are."""
    outcomes: Counter[str] = Counter()
    ended = threading.Event()

    def ask(number: int) -> None:
        while not ended.is_set():
            query = [Query(vectors={"plain": ROWS[number]})] if number % 2 else [Query(id=f"{number:02}")]
            try:
                hits = client.search(name, query, Plan(size=20), timeout=10).hits
                outcomes["hits" if len(hits) == 20 else f"{len(hits)} hits"] += 1
            except PixkinError as refused:
                outcomes[refused.reason] += 1

    with ThreadPoolExecutor(threads) as pool:
        asking = [pool.submit(ask, number) for number in range(threads)]
        try:
            yield outcomes
        finally:
            ended.set()
    for each in asking:
        each.result()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node of its own that tests may stop, with one collection of 40 vectors."""
    settings = {"script.allowed_types": "stored"}
    with start_node("3.8.0", data=tmp_path_factory.mktemp("cluster"), heap="512m", settings=settings) as node:
        with Engine(node.url) as engine:
            engine.create("vectors", descriptors=[Descriptor("plain", 8)])
            items = (NewItem(f"{number:02}", vectors={"plain": row}) for number, row in enumerate(ROWS))
            assert {result.state for result in engine.add("vectors", items)} == {"added"}
        yield node


def statuses(channel: grpc.Channel) -> dict[str, int]:
    stub = health_pb2_grpc.HealthStub(channel)
    names = ("", SEARCH, COLLECTIONS, EMBEDDING)
    return {name: stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=10).status for name in names}


def of_all(status: int) -> dict[str, int]:
    """Return the statuses when the store has this one; embedding needs no store."""
    return {"": status, SEARCH: status, COLLECTIONS: status, EMBEDDING: SERVING}


def test_a_server_starts_before_its_cluster_and_serves_by_itself_when_that_is_there(
    start: Start, cluster: Node, extractors: Path, photos: Path
) -> None:
    cluster.stop()
    with (
        start(cluster.url, extractors, wait="waiting for the store") as served,
        grpc.insecure_channel(served.address) as channel,
        Client(served.address) as client,
    ):
        time.sleep(3)
        assert statuses(channel) == of_all(NOT_SERVING)
        assert client.embed((photos / "red/0.jpg").read_bytes(), extractor="hsv-histogram").vectors
        cluster.start()
        served.wait_for("pixkin: serving")
        assert statuses(channel) == of_all(SERVING)
        assert client.search("vectors", [Query(id="07")], Plan(size=20)).hits
    assert len([line for line in served.log if "waiting for the store" in line]) == 1
    assert not [line for line in served.log if "Traceback" in line]


def test_health_follows_a_node_that_is_stopped_and_started_again(start: Start, cluster: Node, extractors: Path) -> None:
    with (
        start(cluster.url, extractors) as served,
        grpc.insecure_channel(served.address) as channel,
        Client(served.address) as client,
    ):
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=SEARCH), timeout=300)
        assert next(watch).status == SERVING
        cluster.stop()
        assert next(watch).status == NOT_SERVING
        assert statuses(channel) == of_all(NOT_SERVING)
        with pytest.raises(PixkinError) as refused:
            client.search("vectors", [Query(id="07")])
        assert refused.value.reason == "STORE_UNAVAILABLE"
        cluster.start()
        assert next(watch).status == SERVING
        assert statuses(channel) == of_all(SERVING)
        assert len(client.search("vectors", [Query(id="07")], Plan(size=20)).hits) == 20
    assert len([line for line in served.log if "NOT_SERVING" in line]) == 1
    assert len([line for line in served.log if "answers again" in line]) == 1


def test_health_follows_a_cluster_that_takes_calls_and_answers_none(
    start: Start, cluster: Node, extractors: Path
) -> None:
    with (
        FaultProxy(cluster.url) as proxy,
        start(proxy.url, extractors) as served,
        grpc.insecure_channel(served.address) as channel,
    ):
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=120)
        assert next(watch).status == SERVING
        held = Held()
        proxy.always(held)
        assert next(watch).status == NOT_SERVING
        assert held.waiting
        proxy.reset()
        assert next(watch).status == SERVING
        held.let_go()


def test_a_node_restarted_while_it_is_searched_never_looks_empty(start: Start, cluster: Node, extractors: Path) -> None:
    with start(cluster.url, extractors) as served, Client(served.address) as client:
        with searching(client, "vectors") as outcomes:
            time.sleep(1)
            cluster.restart()
            restarted = outcomes["hits"]
            until = time.monotonic() + 30
            while outcomes["hits"] < restarted + 20 and time.monotonic() < until:
                time.sleep(0.2)
        assert set(outcomes) <= {"hits"} | REPEATABLE, outcomes
        assert outcomes["hits"] >= restarted + 20, outcomes
        assert not [line for line in served.log if "Traceback" in line]


ELASTIC = {"name": "e", "version": {"number": "8.15.0", "build_flavor": "default"}, "tagline": "You Know, for Search"}
OLD = {"name": "o", "version": {"distribution": "opensearch", "number": "2.11.0"}, "tagline": "The OpenSearch Project"}


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (answer(200, ELASTIC), "Elasticsearch 8.15.0"),
        (answer(200, OLD), "OpenSearch 2.11.0"),
        (error(401, "security_exception", "no"), "STORE_DENIED"),
    ],
    ids=["elasticsearch", "too-old", "no-credentials"],
)
def test_a_cluster_that_does_not_fit_ends_the_start_with_one_line(
    start: Start, extractors: Path, behaviour: Any, said: str
) -> None:
    with FaultProxy("http://127.0.0.1:1") as proxy:
        proxy.always(behaviour)
        with start(proxy.url, extractors, wait="") as served:
            assert served.process.wait(30) != 0
            served.wait_for("[STORE_")
    [line] = [line for line in served.log if "[STORE_" in line]
    assert line.startswith("pixkin: ")
    assert said in line
    assert not [line for line in served.log if "Traceback" in line]
