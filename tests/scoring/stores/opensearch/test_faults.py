"""Every way in which a cluster or the library says no has its error of ours; none looks like an empty answer."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opensearchpy import exceptions
from pixkin_proto.errors import (
    Internal,
    InvalidArgument,
    InvalidPlan,
    Overloaded,
    PartialResult,
    PixkinError,
    ScriptsMissing,
    StoreDenied,
    StoreFormat,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)
from pixkin_scoring.stores.opensearch.causes import LONGEST_QUOTE
from pixkin_scoring.stores.opensearch.connection import Connection
from pixkin_scoring.stores.opensearch.faults import (
    ITEM_TABLE,
    TABLE,
    ClusterState,
    IndexExists,
    IndexMissing,
    Row,
    VersionConflict,
    check_search,
    check_shards,
    item_error,
    of_answer,
)
from pixkin_scoring.stores.opensearch.settings import ConnectionSettings
from pixkin_scoring.stores.opensearch.wire import COUNTERPARTS, of_library
from pixkin_server.opensearch_node.node import Node

INDEX = "faults-test"
MAPPING = {
    "settings": {"number_of_shards": 2, "mapping.total_fields.limit": 7},
    "mappings": {
        "dynamic": "strict",
        "properties": {
            "v": {"type": "binary", "doc_values": True},
            "w": {"type": "binary"},
            "n": {"type": "integer"},
            "o": {"type": "object", "dynamic": True},
        },
    },
}
GOOD: dict[str, Any] = {
    "took": 1,
    "timed_out": False,
    "_shards": {"total": 2, "successful": 2, "skipped": 0, "failed": 0},
    "hits": {"hits": []},
}


@pytest.fixture
def cluster(opensearch: Node) -> Iterator[Connection]:
    """A real cluster with a strict index of two shards and an alias."""
    connection = Connection(opensearch.url, ConnectionSettings())
    connection.ask("DELETE", f"/{INDEX}", allow=(404,))
    connection.ask("PUT", f"/{INDEX}", body=MAPPING)
    connection.ask("PUT", f"/{INDEX}/_alias/{INDEX}-alias")
    connection.ask("PUT", f"/{INDEX}/_doc/1", body={"n": 1}, params={"refresh": True})
    yield connection
    connection.ask("DELETE", f"/{INDEX}", allow=(404,))
    connection.close()


def _sort(script: dict[str, Any]) -> dict[str, Any]:
    return {"sort": [{"_script": {"type": "number", "order": "asc", "script": script}}]}


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("GET", "/not-there/_search", None, IndexMissing),
        ("GET", "/not-there/_mapping", None, IndexMissing),
        ("PUT", f"/{INDEX}", {}, IndexExists),
        ("PUT", f"/{INDEX}-alias", {}, IndexExists),
        ("PUT", f"/{INDEX}/_create/1", {"n": 2}, VersionConflict),
        ("PUT", f"/{INDEX}/_doc/1?if_seq_no=77&if_primary_term=1", {"n": 2}, VersionConflict),
        ("PUT", f"/{INDEX}/_doc/2", {"n": "one"}, StoreFormat),
        ("PUT", f"/{INDEX}/_doc/2", {"unknown": 1}, StoreFormat),
        ("PUT", f"/{INDEX}/_mapping", {"properties": {"n": {"type": "keyword"}}}, StoreFormat),
        ("POST", f"/{INDEX}/_search", _sort({"id": "pixkin-not-there"}), ScriptsMissing),
        ("POST", f"/{INDEX}/_search", _sort({"source": "1"}), StoreDenied),
        (
            "PUT",
            "/_scripts/faults-test/number_sort",
            {"script": {"lang": "painless", "source": "return"}},
            ScriptsMissing,
        ),
        ("POST", f"/{INDEX}/_search", {"sort": ["gone"]}, StoreFormat),
        ("POST", f"/{INDEX}/_search", {"size": 20_000}, Internal),
        ("POST", f"/{INDEX}/_search", {"query": {"no_such_query": {}}}, Internal),
        ("POST", "/_mget", {}, Internal),
        ("POST", "/no/such/call/at/all", {}, StoreUnavailable),
    ],
)
def test_what_a_real_cluster_refuses_is_an_error_of_ours(
    cluster: Connection, method: str, path: str, body: dict[str, Any] | None, expected: type[Exception]
) -> None:
    with pytest.raises(expected) as refused:
        cluster.ask(method, path, body=body)
    assert len(str(refused.value)) < 2 * LONGEST_QUOTE
    assert not {"\n", "java"} & set(str(refused.value).split())


@pytest.mark.parametrize(
    ("block", "expected"),
    [("read_only_allow_delete", StoreFull), ("write", StoreReadOnly), ("read_only", StoreReadOnly)],
)
def test_a_block_says_whether_the_disk_is_full_or_someone_forbade_writing(
    cluster: Connection, block: str, expected: type[Exception]
) -> None:
    cluster.ask("PUT", f"/{INDEX}/_settings", body={f"index.blocks.{block}": True})
    try:
        with pytest.raises(expected):
            cluster.ask("PUT", f"/{INDEX}/_doc/2", body={"n": 1})
        reply = cluster.ask("POST", f"/{INDEX}/_bulk", lines=[b'{"index":{}}', b'{"n":1}'])
        assert isinstance(item_error(**_first_item(reply)), expected)
    finally:
        cluster.ask("PUT", f"/{INDEX}/_settings", body={f"index.blocks.{block}": None})


def _first_item(reply: dict[str, Any]) -> dict[str, Any]:
    (item,) = reply["items"][0].values()
    return {"status": item["status"], "error": item["error"]}


@pytest.mark.parametrize(
    ("action", "document", "expected", "says"),
    [
        ({"index": {}}, {"n": "one"}, InvalidArgument, r"failed to parse field \[n\]"),
        ({"index": {}}, {"v": "*no base64*"}, InvalidArgument, r"failed to parse field \[v\]"),
        ({"index": {}}, {"o": {"a": 1, "b": 2, "c": 3, "d": 4}}, InvalidArgument, "use fewer names, or text"),
        ({"index": {"_index": "not-there", "require_alias": True}}, {}, StoreUnavailable, "no such index"),
        ({"update": {"_id": "gone"}}, {"doc": {"n": 1}}, StoreUnavailable, "document missing"),
        ({"create": {"_id": "1"}}, {"n": 1}, PixkinError, "another writer changed"),
    ],
)
def test_a_bad_item_of_a_bulk_request_is_an_error_of_that_item(
    cluster: Connection, action: dict[str, Any], document: dict[str, Any], expected: type[PixkinError], says: str
) -> None:
    reply = cluster.ask("POST", f"/{INDEX}/_bulk", lines=[json.dumps(action).encode(), json.dumps(document).encode()])
    found = item_error(**_first_item(reply))
    assert isinstance(found, expected)
    with pytest.raises(type(found), match=says):
        raise found


def test_a_request_beyond_the_clusters_limit_names_the_limit(nodes: Callable[[str], Node]) -> None:
    connection = Connection(nodes("3.8.0").url, ConnectionSettings())
    with pytest.raises(InvalidArgument, match=r"http\.max_content_length"):
        connection.ask("POST", "/_bulk", lines=[b"x" * (101 << 20)])


def test_approximate_search_without_the_plugin_is_an_impossible_plan(nodes: Callable[[str], Node]) -> None:
    connection = Connection(nodes("3.8.0").url, ConnectionSettings())
    with pytest.raises(InvalidPlan, match="k-NN plugin"):
        connection.ask("POST", "/_search", body={"query": {"knn": {"v": {"vector": [1], "k": 1}}}})
    with pytest.raises(InvalidPlan, match="k-NN plugin"):
        connection.ask("PUT", f"/{INDEX}-knn", body={"settings": {"index.knn": True}})
    mapping = {"properties": {"v": {"type": "knn_vector", "dimension": 1}}}
    with pytest.raises(InvalidPlan, match="k-NN plugin"):
        connection.ask("PUT", f"/{INDEX}-knn", body={"mappings": mapping})


def test_every_exception_of_the_library_has_a_counterpart() -> None:
    classes = {
        kind
        for _, kind in inspect.getmembers(exceptions, inspect.isclass)
        if issubclass(kind, BaseException) and kind.__module__ == exceptions.__name__
    }
    assert {kind.__name__ for kind in classes - set(COUNTERPARTS)} == set()


@pytest.mark.parametrize("kind", COUNTERPARTS, ids=lambda kind: kind.__name__)
def test_every_counterpart_is_an_error_of_ours(kind: type[Exception]) -> None:
    meaning = of_library(kind(500, "text", ValueError("cause")), "the cluster at URL")
    assert isinstance(meaning, PixkinError)
    assert str(meaning)


@pytest.mark.parametrize("row", TABLE[:-1], ids=lambda row: f"{row.type}{row.text}{row.status or ''}")
def test_no_row_of_the_table_is_hidden_by_one_before_it(row: Row) -> None:
    cause = {"type": row.type or "x_exception", "reason": f"a {row.text} b"}
    status = row.status or 500
    hit = next(r for r in TABLE if r.match(status, _causes(cause)) is not None)
    assert hit == row
    assert isinstance(of_answer(status, {"error": cause}), row.leaf)


def _causes(error: dict[str, Any]) -> Any:
    from pixkin_scoring.stores.opensearch.causes import chain

    return tuple(chain(error))


@pytest.mark.parametrize(
    "status", [0, 300, 301, 400, 401, 403, 404, 405, 408, 409, 413, 418, 429, 500, 502, 503, 504, 599]
)
@pytest.mark.parametrize(
    "body",
    [None, [], {}, "text", {"error": None}, {"error": []}, {"error": {}}, {"error": "x"}, {"error": {"reason": 5}},
     {"message": "y"}, {"error": {"root_cause": [5], "caused_by": [], "failed_shards": {}}}],
)  # fmt: skip
def test_every_status_with_whatever_body_is_an_error_of_ours(status: int, body: object) -> None:
    assert isinstance(of_answer(status, body), PixkinError | ClusterState)


def test_a_long_reason_is_cut() -> None:
    found = of_answer(500, {"error": {"type": "x", "reason": "z" * 5000}})
    assert len(str(found)) < 2 * LONGEST_QUOTE


def test_a_chain_of_causes_without_end_is_followed_only_so_far() -> None:
    error: dict[str, Any] = {"type": "deepest", "reason": "unable to find script"}
    for _ in range(500):
        error = {"type": "x", "reason": "y", "caused_by": error}
    assert isinstance(of_answer(500, {"error": error}), StoreUnavailable)


@pytest.mark.parametrize("allow_partial", [False, True])
def test_a_whole_search_passes(*, allow_partial: bool) -> None:
    assert check_search(GOOD, allow_partial=allow_partial) == ""


FAILURE = {"shard": 1, "index": "x", "reason": {"type": "illegal_state_exception", "reason": "disk is gone"}}


def _all_failed(kind: str, reason: str) -> dict[str, Any]:
    failures = [{"shard": 0, "reason": {"type": kind, "reason": reason}}]
    return {**GOOD, "_shards": {"total": 1, "successful": 0, "failed": 1, "failures": failures}}


PARTIAL = [
    (
        {"_shards": {"total": 2, "successful": 1, "skipped": 0, "failed": 1, "failures": [FAILURE]}},
        "1 of 2 .*disk is gone",
    ),
    ({"_shards": {"total": 3, "successful": 1, "skipped": 0, "failed": 2}}, "2 of 3 shards failed"),
    ({"_shards": {"total": 3, "successful": 2, "skipped": 0, "failed": 0}}, "1 of 3 shards failed"),
    ({"timed_out": True}, "time was over"),
    (
        {"timed_out": True, "_shards": {"total": 2, "successful": 1, "failed": 1}},
        "1 of 2 shards failed and time was over",
    ),
]


@pytest.mark.parametrize(("change", "says"), PARTIAL)
def test_a_search_that_misses_shards_or_time_is_an_error_unless_that_is_allowed(
    change: dict[str, Any], says: str
) -> None:
    with pytest.raises(PartialResult, match=says):
        check_search({**GOOD, **change}, allow_partial=False)
    assert check_search({**GOOD, **change}, allow_partial=True)


@pytest.mark.parametrize("allow_partial", [False, True])
@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ({}, StoreUnavailable),
        ({"took": 1, "hits": {"hits": []}}, StoreUnavailable),
        ({"took": 1, "_shards": GOOD["_shards"]}, StoreUnavailable),
        ({**GOOD, "hits": {}}, StoreUnavailable),
        ({**GOOD, "hits": None}, StoreUnavailable),
        ({**GOOD, "_shards": None}, StoreUnavailable),
        ({**GOOD, "_shards": {}}, StoreUnavailable),
        ({**GOOD, "_shards": {"total": 0, "successful": 0, "failed": 0}}, StoreUnavailable),
        ({**GOOD, "_shards": {"total": 2, "successful": 0, "failed": 2, "failures": [FAILURE]}}, StoreUnavailable),
        (_all_failed("resource_not_found_exception", "unable to find script [x] in cluster state"), ScriptsMissing),
        (_all_failed("opensearch_rejected_execution_exception", "queue is full"), Overloaded),
        ({"error": {"type": "index_not_found_exception", "reason": "no such index [x]"}, "status": 404}, IndexMissing),
        ({**GOOD, "error": {"type": "x", "reason": "y"}, "status": 500}, StoreUnavailable),
    ],
)  # fmt: skip
def test_a_search_that_failed_never_looks_like_one_that_found_nothing(
    reply: dict[str, Any], expected: type[Exception], *, allow_partial: bool
) -> None:
    with pytest.raises(expected):
        check_search(reply, allow_partial=allow_partial)


def test_each_search_of_several_is_judged_by_itself(cluster: Connection) -> None:
    lines = [b'{"index":"not-there"}', b"{}", f'{{"index":"{INDEX}"}}'.encode(), b"{}"]
    first, second = cluster.ask("POST", "/_msearch", lines=lines)["responses"]
    with pytest.raises(IndexMissing):
        check_search(first, allow_partial=True)
    assert check_search(second, allow_partial=False) == ""


def test_an_answer_of_a_real_cluster_in_which_a_shard_failed_is_incomplete(cluster: Connection) -> None:
    reply = cluster.ask("POST", f"/{INDEX}/_search", body={"docvalue_fields": ["w"]})  # it has no doc values
    assert reply.status == 200
    assert reply["hits"]["hits"] == []
    with pytest.raises(PartialResult, match=r"1 of 2 shards failed .*fielddata"):
        check_search(reply, allow_partial=False)


def test_a_count_is_judged_by_its_shards(cluster: Connection) -> None:
    assert check_shards(cluster.ask("GET", f"/{INDEX}/_count")) == ""
    with pytest.raises(PartialResult):
        check_shards({"count": 0, "_shards": {"total": 2, "successful": 1, "failed": 1}})
    with pytest.raises(StoreUnavailable):
        check_shards({"count": 0})


def test_one_table_ends_the_other() -> None:
    assert ITEM_TABLE[-len(TABLE) :] == TABLE
