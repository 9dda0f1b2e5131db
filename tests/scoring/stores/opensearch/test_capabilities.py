"""A cluster is asked what it is before it is used, and refused by name when it cannot do the work."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from pixkin_proto.errors import StoreDenied, StoreFormat, StoreUnavailable
from pixkin_scoring.stores.opensearch.capabilities import Capabilities, probe
from pixkin_scoring.stores.opensearch.connection import Connection
from pixkin_scoring.stores.opensearch.settings import ConnectionSettings
from pixkin_server.opensearch_node.node import Node, start_node

from tests.scoring.stores.opensearch.fault_proxy import Behaviour, FaultProxy, answer, error, rewritten

KNN = {"name": "opensearch-knn", "classname": "org.opensearch.knn.plugin.KNNPlugin"}
OTHER = {"name": "opensearch-sql", "classname": "org.opensearch.sql.plugin.SQLPlugin"}


def _root(number: str, **version: str) -> dict[str, Any]:
    return {"version": {"number": number, **version}, "tagline": "The OpenSearch Project"}


def _say(proxy: FaultProxy, *, root: Behaviour | None = None, nodes: Behaviour | None = None) -> None:
    proxy.when(lambda request: root if request.path == "/" else nodes)


def _nodes(*nodes: dict[str, Any]) -> Behaviour:
    return answer(200, {"nodes": {str(number): node for number, node in enumerate(nodes)}})


def _with_scripts(**settings: Any) -> Behaviour:
    return _nodes({"plugins": [OTHER]}, {"plugins": [OTHER], "settings": {"script": settings}})


def test_a_real_cluster_is_seen_as_it_is(opensearch: Node) -> None:
    knn = opensearch.version == "2.19.1"
    found = probe(Connection(opensearch.url, ConnectionSettings()), math.inf)
    major, minor, patch = map(int, opensearch.version.split("."))
    assert found == Capabilities("opensearch", (major, minor, patch), knn=knn)
    assert found.knn_engines == (("lucene", "faiss") if knn else ())


@pytest.mark.parametrize(
    ("root", "named"),
    [
        (
            _root("8.15.0", build_flavor="default"),
            "is Elasticsearch 8.15.0; pixkin works with OpenSearch 2.19 and newer",
        ),
        ({"version": {"number": "7.10.2"}, "tagline": "You Know, for Search"}, "is Elasticsearch 7.10.2"),
        (_root("1.0.0", distribution="quickwit"), "is quickwit 1.0.0"),
        (_root("1.0.0"), "is an unknown search engine 1.0.0"),
        (
            _root("2.18.0", distribution="opensearch"),
            "is OpenSearch 2.18.0; pixkin works with OpenSearch 2.19 and newer",
        ),
        (_root("1.3.20", distribution="opensearch"), "is OpenSearch 1.3.20"),
        (_root("7.10.2", distribution="opensearch"), "compatibility.override_main_response_version to false"),
    ],
)
def test_what_is_no_opensearch_of_our_time_is_refused_by_name(
    connection: Connection, proxy: FaultProxy, root: dict[str, Any], named: str
) -> None:
    _say(proxy, root=answer(200, root))
    with pytest.raises(StoreFormat, match=named):
        probe(connection, math.inf)


@pytest.mark.parametrize(
    ("number", "version"),
    [("2.19.0", (2, 19, 0)), ("3.0.0-beta1", (3, 0, 0)), ("3.8.0-SNAPSHOT", (3, 8, 0)), ("4.1.2", (4, 1, 2))],
)
def test_newer_versions_are_taken(
    connection: Connection, proxy: FaultProxy, number: str, version: tuple[int, int, int]
) -> None:
    _say(proxy, root=answer(200, _root(number, distribution="opensearch")))
    assert probe(connection, math.inf).version == version


@pytest.mark.parametrize("root", [{}, {"version": "3.8.0"}, {"version": {"number": 3}}, {"hello": "world"}])
def test_another_service_is_not_taken_for_a_cluster(
    connection: Connection, proxy: FaultProxy, root: dict[str, Any]
) -> None:
    _say(proxy, root=answer(200, root))
    with pytest.raises(StoreUnavailable, match="not OpenSearch's JSON"):
        probe(connection, math.inf)


def test_a_wrong_path_is_a_line(connection: Connection, proxy: FaultProxy) -> None:
    _say(proxy, root=answer(404, b"<html>not found", content_type="text/html"))
    with pytest.raises(StoreUnavailable, match="nothing at this address"):
        probe(connection, math.inf)


def test_serverless_is_refused_by_name() -> None:
    connection = Connection("https://abc.eu-west-1.aoss.amazonaws.com", ConnectionSettings())
    with pytest.raises(StoreFormat, match="OpenSearch Serverless"):
        probe(connection, math.inf)


@pytest.mark.parametrize(
    ("stated", "knn"),
    [
        (_nodes({"plugins": [KNN, OTHER]}, {"plugins": [KNN]}), True),
        (_nodes({"plugins": [{"name": KNN["classname"], "classname": KNN["classname"]}]}), True),
        (_nodes({"plugins": [KNN]}, {"plugins": [OTHER]}), False),
        (_nodes({"plugins": [OTHER]}), False),
        (_nodes({"settings": {"script": {"allowed_types": "stored"}}}), False),
    ],
)
def test_the_k_nn_plugin_counts_when_every_node_has_it(
    connection: Connection, proxy: FaultProxy, stated: Behaviour, *, knn: bool
) -> None:
    _say(proxy, nodes=stated)
    assert probe(connection, math.inf).knn is knn


def test_a_role_that_may_not_look_works_without_k_nn_and_says_so(connection: Connection, proxy: FaultProxy) -> None:
    _say(proxy, nodes=error(403, "security_exception", "no permissions for [cluster:monitor/nodes/info] and User [a]"))
    found = probe(connection, math.inf)
    assert not found.knn
    assert "cluster:monitor/nodes/info" in found.unknown[0]


def test_a_role_that_may_not_even_ask_for_the_version_is_told_the_permission(
    connection: Connection, proxy: FaultProxy
) -> None:
    _say(proxy, root=error(403, "security_exception", "no permissions for [cluster:monitor/main] and User [a]"))
    with pytest.raises(StoreDenied, match="cluster:monitor/main"):
        probe(connection, math.inf)


@pytest.mark.parametrize(
    ("stated", "named"),
    [
        (_with_scripts(allowed_types="inline"), "script.allowed_types: inline; pixkin needs stored"),
        (_with_scripts(allowed_types="none"), "script.allowed_types: none; pixkin needs stored"),
        (
            _with_scripts(allowed_contexts=["score", "update"]),
            "allowed_contexts: score, update; pixkin needs number_sort too",
        ),
        (_with_scripts(allowed_contexts="none"), "pixkin needs number_sort and score too"),
    ],
)
def test_a_cluster_that_forbids_the_scripts_is_refused_by_its_setting(
    connection: Connection, proxy: FaultProxy, stated: Behaviour, named: str
) -> None:
    _say(proxy, nodes=stated)
    with pytest.raises(StoreDenied, match=named):
        probe(connection, math.inf)


@pytest.mark.parametrize(
    "stated",
    [
        _with_scripts(allowed_types="stored"),
        _with_scripts(allowed_types=["inline", "stored"]),
        _with_scripts(allowed_types="both"),
        _with_scripts(allowed_contexts="number_sort, score, update", max_compilations_rate="75/5m"),
    ],
)
def test_a_cluster_that_allows_the_scripts_is_taken(
    connection: Connection, proxy: FaultProxy, stated: Behaviour
) -> None:
    _say(proxy, nodes=stated)
    assert probe(connection, math.inf).unknown == ()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"script.allowed_types": "inline"}, "allowed_types: inline"),
        ({"script.allowed_contexts": "score"}, "number_sort"),
    ],
)
def test_a_real_node_that_forbids_the_scripts_is_refused(tmp_path: Path, settings: dict[str, str], named: str) -> None:
    with (
        start_node("3.8.0", data=tmp_path / "node", settings=settings) as node,
        pytest.raises(StoreDenied, match=named),
    ):
        probe(Connection(node.url, ConnectionSettings()), math.inf)


def test_a_cluster_that_says_nothing_of_its_nodes_is_an_error(connection: Connection, proxy: FaultProxy) -> None:
    _say(proxy, nodes=rewritten(lambda _: {}))
    with pytest.raises(StoreUnavailable):
        probe(connection, math.inf)


def test_a_path_that_is_taken_for_an_index_is_a_line(opensearch: Node) -> None:
    connection = Connection(f"{opensearch.url}/prefix", ConnectionSettings())
    with pytest.raises(StoreUnavailable, match="is the path right"):
        probe(connection, math.inf)
    connection.close()
