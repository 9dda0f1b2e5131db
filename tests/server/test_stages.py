"""Expansion, fusion and re-ranking as a caller of a server has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from pixkin_proto.errors import Deadline, PixkinError
from pixkin_proto.v1 import search_pb2
from pixkin_scoring.plan import DescriptorChoice, Plan
from pixkin_scoring.rerankers import RERANKERS
from pixkin_scoring.results import SearchResult
from pixkin_scoring.stores import Store, open_store
from pixkin_server.api import Query
from pixkin_server.client import Client
from pixkin_server.engine import Engine
from pixkin_server.opensearch_node.node import Node

from tests.scoring.collections_of_vectors import fill, items
from tests.scoring.plans import COSINE, PLANS
from tests.scoring.stores.test_stages import alike

pytestmark = pytest.mark.slow

NAME, COUNT = "served-stages", 300
VECTORS = items(COUNT)[5].vectors
QUERIES = [Query(id="i0021"), Query(vectors=dict(VECTORS)), Query(id="i0002", weight=-0.4)]
PICTURES = Plan(
    descriptors=(DescriptorChoice("gap", weight=2), DescriptorChoice("histogram", "intersection")),
    expand="alpha:n=3",
    rerank=("k-reciprocal:k1=5", "mmr"),
    size=20,
)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The collection in a directory, in this process."""
    path = str(tmp_path_factory.mktemp("stages") / "store")
    with closing(open_store(path)) as store:
        fill(store, NAME, COUNT)
    with Engine(path) as engine:
        yield engine


@contextmanager
def filled(place: str) -> Iterator[Store]:
    with closing(open_store(place)) as store:
        if NAME in store.list():
            store.drop(NAME)
        fill(store, NAME, COUNT)
        yield store
        store.drop(NAME)


@pytest.fixture(scope="module", params=["embedded", "opensearch-3.8.0", "opensearch-2.19.1"])
def there(
    request: pytest.FixtureRequest,
    start: Callable[..., Any],
    nodes: Callable[[str], Node],
    extractors: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Client]:
    """A client of a server over each kind of store, with the same collection."""
    kind, _, version = request.param.partition("-")
    place = nodes(version).url if version else str(tmp_path_factory.mktemp(kind) / "store")
    with filled(place), start(place, extractors) as served, Client(served.address) as client:
        yield client


@pytest.mark.parametrize("plan", PLANS.values(), ids=list(PLANS))
def test_a_server_over_any_store_ranks_as_the_engine_does(here: Engine, there: Client, plan: Plan) -> None:
    for queries in (QUERIES[:1], QUERIES[1:2], QUERIES):
        for parts in ({"size": 40}, {"size": 9, "offset": 31, "include_self": True, "filter": ("label=red",)}):
            asked = replace(plan, **parts)  # type: ignore[arg-type]  # fields by name
            alike(there.search(NAME, queries, asked), here.search(NAME, queries, asked))


def test_a_batch_of_every_plan_answers_as_each_search_does(there: Client) -> None:
    plans = [*PLANS.values(), replace(COSINE, expand="average:n=1000"), replace(COSINE, rerank=("whiten:name=none",))]
    outcomes = there.search_batch([(NAME, QUERIES, plan) for plan in plans])
    assert [each.reason for each in outcomes if isinstance(each, PixkinError)] == ["INVALID_PLAN"] * 2
    for plan, outcome in zip(PLANS.values(), outcomes, strict=False):
        assert isinstance(outcome, SearchResult)
        assert outcome.hits == there.search(NAME, QUERIES, plan).hits


def test_pictures_go_through_every_stage(client: Client, store: Path, extractors: Path, photos: Path) -> None:
    query = [Query(image=(photos / "blue/1.jpg").read_bytes())]
    with Engine(str(store), extractors=extractors, device="cpu") as engine:
        for rerank in (PICTURES.rerank, ("diffusion", "collapse:above=0.9")):
            plan = replace(PICTURES, rerank=rerank)
            one, other = client.search("photos", query, plan), engine.search("photos", query, plan)
            assert one.hits == other.hits
            assert one.plan == other.plan
            names = [stage.partition(":")[0] for stage in rerank]
            assert list(one.timings_ms)[-6 - len(names) + 1 :] == [
                *("query", "candidates", "expand", "fuse"), *names, "page",
            ]  # fmt: skip
            assert one.hits[0].labels == ("blue",)


BAD = {
    "expand": ["average:n=51", "alpha:a=-1", "alpha:a=nan", "median", "average:m=5", "average:n=", "average:n"],
    "fuse": ["rrf", "weighted", "nothing:k=1"],
    "rerank": [
        ["mmr", "k-reciprocal"],
        ["k-reciprocal:k1=201"],
        ["whiten"],
        ["whiten:name=none"],
        ["collapse:above=2"],
    ],
    "candidates": ["exact:depth=5", "nearest"],
}


@pytest.mark.parametrize(("part", "value"), [(part, value) for part, values in BAD.items() for value in values])
def test_a_stage_that_cannot_be_is_an_invalid_plan(
    stubs: Any, refusal: Callable[..., Any], part: str, value: object
) -> None:
    plan = search_pb2.Plan(**{part: value})
    request = search_pb2.SearchRequest(collection="vectors", queries=[search_pb2.Query(id="v07")], plan=plan)
    code, error = refusal(stubs.search.Search, request)
    assert (code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_PLAN")
    [text] = value[-1:] if isinstance(value, list) else [str(value)]
    assert text.partition(":")[0] in error.message
    assert "\n" not in error.message


OWN_STAGE = """
import time
from pixkin_scoring.rerankers import register_reranker
from pixkin_scoring.rerankers.reranker import Reranker, by_score
from pixkin_scoring.stages import Option

woken = []

def doze(shortlist, options):
    time.sleep(options["seconds"])
    woken.append(options["seconds"])
    return by_score(shortlist.scores)

register_reranker(Reranker("doze", {"top": Option(int, 100, 1, 1000), "seconds": Option(float, 0.0, 0, 60)}, doze))
"""
OWN_SERVER = f"{OWN_STAGE}\nfrom pixkin_server.cli import main\n\nmain()\n"
"""What users write who serve a stage of their own."""


@pytest.fixture
def woken() -> Iterator[list[float]]:
    """A stage that takes as long as its option says, in this process; yields the times of those that are over."""
    names: dict[str, Any] = {}
    exec(OWN_STAGE, names)  # noqa: S102 (the text above)
    yield names["woken"]
    del RERANKERS["doze"]


@pytest.fixture
def beside(start: Callable[..., Any], extractors: Path, tmp_path: Path) -> Iterator[Client]:
    """A client of a server with that stage."""
    (tmp_path / "own.py").write_text(OWN_SERVER)
    place = str(tmp_path / "store")
    with (
        filled(place),
        start(place, extractors, program=(str(tmp_path / "own.py"),)) as served,
        Client(served.address) as client,
    ):
        yield client
        assert served.alive


def test_the_engine_ends_while_a_stage_is_slow(woken: list[float], here: Engine) -> None:
    assert here.search(NAME, QUERIES, COSINE, timeout=60).hits
    with pytest.raises(Deadline):
        here.search(NAME, QUERIES, replace(COSINE, rerank=("doze:seconds=2", "mmr")), timeout=0.5)
    assert woken == []
    assert here.search(NAME, QUERIES, COSINE, timeout=60).hits


def test_a_slow_stage_of_a_server_is_a_deadline_in_time_and_others_are_answered_after_it(beside: Client) -> None:
    quick = beside.search(NAME, QUERIES, replace(COSINE, rerank=("doze",)), timeout=10)
    assert "doze" in quick.timings_ms
    for _ in range(3):
        with pytest.raises(Deadline):
            beside.search(NAME, QUERIES, replace(COSINE, rerank=("doze:seconds=1", "mmr")), timeout=0.4)
    assert beside.search(NAME, QUERIES, COSINE, timeout=60).hits


def test_a_stage_that_would_not_fit_is_skipped_by_name_where_that_is_allowed(beside: Client) -> None:
    plan = replace(COSINE, rerank=("diffusion", "doze:seconds=1"))
    for _ in range(3):  # and what it costs is known from now on
        beside.search(NAME, QUERIES, plan, timeout=60)
    found = beside.search(NAME, QUERIES, replace(plan, fit_deadline=True), timeout=0.6)
    assert found.skipped == ("doze",)
    assert found.hits == beside.search(NAME, QUERIES, replace(plan, rerank=("diffusion",))).hits
