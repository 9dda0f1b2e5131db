"""What those who look after a server learn: that it lives, whether it is ready, and what it counts."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pixkin_scoring.plan import DescriptorChoice, Plan
from pixkin_server.api import Query
from pixkin_server.client import Client

pytestmark = pytest.mark.slow

GRAFANA = Path(__file__).parents[3] / "docs" / "grafana.json"
TYPE = re.compile(r"^# TYPE (\w+) (\w+)$", re.MULTILINE)


def until(holds: Callable[[], bool], seconds: float = 12) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.1)


def test_a_server_lives_before_it_is_ready(start: Callable[..., Any], store: Path, extractors: Path) -> None:
    with start(store, extractors, wait="page on") as served, httpx.Client(base_url=served.page) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        first = client.get("/readyz")
        assert (first.status_code == 200) == first.json()["ready"]
        served.wait_for("pixkin: serving")
        ready = client.get("/readyz")
        assert ready.status_code == 200
        assert ready.json() == {
            "ready": True,
            "services": {"Embedding": True, "Search": True, "Collections": True},
            "providers": ["CPUExecutionProvider"],
        }


def test_a_broken_store_makes_a_server_unready_and_not_dead(
    start: Callable[..., Any], extractors: Path, tmp_path: Path
) -> None:
    place, aside = tmp_path / "store", tmp_path / "aside"
    place.mkdir()
    with start(place, extractors) as served, httpx.Client(base_url=served.page) as client:
        assert client.get("/readyz").status_code == 200
        place.rename(aside)
        place.write_bytes(b"no store")
        until(lambda: client.get("/readyz").status_code == 503)
        assert client.get("/readyz").json()["services"] == {"Embedding": True, "Search": False, "Collections": False}
        for _ in range(20):
            assert client.get("/healthz").status_code == 200
        broken = client.get("/v1/collections")
        assert broken.status_code in {409, 503}
        assert broken.json()["reason"] in {"STORE_FORMAT", "STORE_UNAVAILABLE"}
        assert client.get("/metrics").status_code == 200
        place.unlink()
        aside.rename(place)
        until(lambda: client.get("/readyz").status_code == 200)


@pytest.mark.parametrize("mount_point", [False, True])
def test_a_store_that_vanishes_makes_a_server_unready_until_it_is_back(
    start: Callable[..., Any], extractors: Path, tmp_path: Path, *, mount_point: bool
) -> None:
    place, aside = tmp_path / "store", tmp_path / "aside"
    flags = ("--allow-writes",)
    made = {"name": "vectors", "descriptors": [{"name": "plain", "dim": 8}]}
    with start(place, extractors, *flags) as served, httpx.Client(base_url=served.page) as client:
        assert client.post("/v1/collections", json=made).status_code == 200
        place.rename(aside)
        if mount_point:  # what is left of a volume that is not mounted any more
            place.mkdir()
        again = {**made, "name": "again"}
        for answer in (
            client.get("/v1/collections"),
            client.get("/v1/collections/vectors"),
            client.post("/v1/collections", json=again),
            client.delete("/v1/collections/vectors"),
        ):
            assert (answer.status_code, answer.json()["reason"]) == (503, "STORE_UNAVAILABLE")
        until(lambda: client.get("/readyz").status_code == 503)
        if mount_point:
            assert not [*place.iterdir()]
            place.rmdir()
        assert not place.exists()
        aside.rename(place)
        until(lambda: client.get("/readyz").status_code == 200)
        assert [each["name"] for each in client.get("/v1/collections").json()["collections"]] == ["vectors"]
        assert client.post("/v1/collections", json=again).status_code == 200


@pytest.fixture(scope="module")
def counting(start: Callable[..., Any], store: Path, extractors: Path, photos: Path) -> Iterator[str]:
    """The metrics of a server after some calls over gRPC and HTTP, good and bad."""
    picture = (photos / "red/0.jpg").read_bytes()
    plan = Plan(descriptors=(DescriptorChoice("histogram"),))
    with start(store, extractors) as served:
        with Client(served.address) as client, httpx.Client(base_url=served.page) as web:
            for _ in range(3):
                client.search("photos", [Query(image=picture)], plan)
            request = {
                "collection": "photos",
                "queries": [{"id": "red/0.jpg"}],
                "plan": {"descriptors": [{"name": "gap"}]},
            }
            for _ in range(2):
                assert web.post("/v1/search", json=request).status_code == 200
            assert web.post("/v1/search", json={**request, "collection": "nowhere"}).status_code == 404
            assert web.post("/v1/search", content=b"{}").status_code == 415
            assert web.get("/v1/nothing").status_code == 404
            web.get("/v1/collections/photos/items/red%2F0.jpg/thumbnail")
            answer = web.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=")
        yield answer.text


@pytest.mark.parametrize(
    ("sample", "value"),
    [
        ('pixkin_calls_total{code="OK",interface="grpc",method="Search.Search"}', 3),
        ('pixkin_calls_total{code="OK",interface="http",method="Search.Search"}', 2),
        ('pixkin_calls_total{code="NOT_FOUND",interface="http",method="Search.Search"}', 1),
        ('pixkin_calls_total{code="INVALID_ARGUMENT",interface="http",method="Search.Search"}', 1),
        ('pixkin_calls_total{code="OK",interface="http",method="thumbnail"}', 1),
        ('pixkin_errors_total{interface="http",method="Search.Search",reason="UNKNOWN_COLLECTION"}', 1),
        ('pixkin_errors_total{interface="http",method="Search.Search",reason="UNSUPPORTED_TYPE"}', 1),
        ('pixkin_errors_total{interface="http",method="none",reason="UNKNOWN_ROUTE"}', 1),
        ('pixkin_call_seconds_count{interface="grpc",method="Search.Search"}', 3),
        ('pixkin_stage_seconds_count{stage="encode"}', 3),
        ('pixkin_stage_seconds_count{stage="candidates"}', 5),
        ("pixkin_calls_waiting", 0),
        ("pixkin_streams", 0),
        ('pixkin_colour_profiles_ignored_total{reason="unreadable"}', 0),
        ('pixkin_collection_items{collection="photos"}', 24),
        ('pixkin_collection_items{collection="vectors"}', 50),
    ],
)
def test_what_happened_is_counted(counting: str, sample: str, value: float) -> None:
    assert f"{sample} {float(value)}" in counting.splitlines()


def test_the_provider_and_the_version_are_told(counting: str) -> None:
    assert re.search(
        r'^pixkin_provider_info\{fingerprint="[0-9a-f]{12}",provider="CPUExecutionProvider"\} 1', counting, re.MULTILINE
    )
    assert re.search(r'^pixkin_build_info\{version="[^"]+"\} 1', counting, re.MULTILINE)
    assert "process_resident_memory_bytes" in counting


def test_the_dashboard_shows_every_metric_and_none_that_is_not_there(counting: str) -> None:
    board = json.loads(GRAFANA.read_text())
    said = " ".join(target["expr"] for panel in board["panels"] for target in panel.get("targets", ()))
    shown = set(re.findall(r"\b(?:pixkin|process)_\w+", said))
    kinds = {name: kind for name, kind in TYPE.findall(counting) if not name.endswith("_created")}
    samples = {
        name + suffix
        for name, kind in kinds.items()
        for suffix in {"histogram": ("_bucket", "_count", "_sum")}.get(kind, ("",))
    }
    assert shown <= samples
    ours = {name for name in kinds if name.startswith("pixkin_")}
    assert {name for name in ours if not any(each.startswith(name) for each in shown)} == set()
