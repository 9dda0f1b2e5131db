"""One call to a cluster: within the caller's time, tried again when that helps, never an answer in place of none."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from opensearchpy.client.utils import _normalize_hosts
from pixkin_proto.errors import Deadline, InvalidArgument, Overloaded, PixkinError, StoreFull, StoreUnavailable
from pixkin_scoring.stores.opensearch import connection as module
from pixkin_scoring.stores.opensearch import wire
from pixkin_scoring.stores.opensearch.address import read_address
from pixkin_scoring.stores.opensearch.connection import Connection
from pixkin_scoring.stores.opensearch.faults import IndexExists, IndexMissing
from pixkin_scoring.stores.opensearch.settings import ConnectionSettings

from tests.scoring.stores.opensearch.fault_proxy import (
    Behaviour,
    FaultProxy,
    Forward,
    Reply,
    Request,
    answer,
    delay,
    dripping,
    drop_after,
    drop_before,
    error,
    garbage,
    rewritten,
    truncated,
)

INDEX = "connection-test"


@pytest.fixture
def index(connection: Connection) -> Iterator[str]:
    """An empty index, gone afterwards."""
    connection.ask("PUT", f"/{INDEX}")
    yield INDEX
    connection.ask("DELETE", f"/{INDEX}", allow=(404,))


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost",
        "http://127.0.0.1:9201/",
        "https://search.example",
        "https://search.example:9200/a/b/",
        "http://[::1]:1",
    ],
)
def test_a_url_means_what_it_means_to_opensearch_py(url: str) -> None:
    theirs = _normalize_hosts(url)[0]
    ours = read_address(url)
    assert (ours.host, ours.port, ours.scheme == "https") == (
        theirs["host"],
        theirs.get("port", 9200),
        theirs.get("use_ssl", False),
    )
    assert ours.prefix.strip("/") == theirs.get("url_prefix", "").strip("/")


@pytest.mark.parametrize(
    "url", ["http://u:hunter2@localhost", "https://u:hunter2@h/", "https://hunter2@h", "http://@h"]
)
def test_credentials_in_a_url_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InvalidArgument, match="PIXKIN_OPENSEARCH_PASSWORD") as refused:
        Connection(url, ConnectionSettings())
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:9200",
        "ftp://h",
        "http://",
        "http://h:x",
        "http://h:99999",
        "http://h/?key=hunter2",
        "http://h/#hunter2",
        "http://[::1",
    ],
)
def test_what_is_no_url_of_a_cluster_is_refused(url: str) -> None:
    with pytest.raises(InvalidArgument, match="no URL of a cluster") as refused:
        Connection(url, ConnectionSettings())
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "[::1]", "a.localhost"])
def test_http_stays_on_this_machine_without_being_asked(host: str) -> None:
    assert read_address(f"http://{host}").loopback


@pytest.mark.parametrize("host", ["search.example", "10.0.0.1", "localhost.example", "127.0.0.1.example", "0.0.0.0"])  # noqa: S104
def test_http_to_another_machine_needs_leave(host: str) -> None:
    with pytest.raises(InvalidArgument, match=r"--insecure \(PIXKIN_INSECURE=1\)"):
        read_address(f"http://{host}")
    assert read_address(f"http://{host}", insecure=True).url == f"http://{host}:9200"


def test_a_path_of_the_url_goes_before_every_path(proxy: FaultProxy) -> None:
    proxy.always(answer(200, {}))
    Connection(f"{proxy.url}/behind/a/gateway/", ConnectionSettings()).ask("GET", "/_count")
    assert proxy.requests[0].path == "/behind/a/gateway/_count"


def test_an_answer_is_the_json_of_the_cluster(connection: Connection) -> None:
    reply = connection.ask("GET", "/")
    assert reply["version"]["distribution"] == "opensearch"
    assert (reply.status, reply.repeated) == (200, False)


def test_an_allowed_status_is_an_answer(connection: Connection) -> None:
    reply = connection.ask("GET", "/_scripts/none-of-this-name", allow=(404,))
    assert (reply.status, reply["found"]) == (404, False)


def test_lines_are_sent_as_json_lines(connection: Connection, proxy: FaultProxy, index: str) -> None:
    reply = connection.ask("POST", f"/{index}/_bulk", lines=[b'{"index":{"_id":"a"}}', '{"name":"Öl"}'.encode()])
    assert reply["errors"] is False
    assert proxy.requests[-1].headers["content-type"] == "application/x-ndjson"
    assert connection.ask("GET", f"/{index}/_doc/a")["_source"] == {"name": "Öl"}


def test_parameters_are_written_as_opensearch_reads_them(connection: Connection, proxy: FaultProxy) -> None:
    proxy.always(answer(200, {}))
    connection.ask("GET", "/x", params={"refresh": True, "level": ["a", "b"], "n": 3})
    assert proxy.requests[0].path == "/x?refresh=true&level=a%2Cb&n=3"


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), "\ud800"])
def test_what_json_cannot_hold_is_refused_before_it_is_sent(
    connection: Connection, proxy: FaultProxy, bad: object
) -> None:
    with pytest.raises(InvalidArgument, match="JSON"):
        connection.ask("POST", "/x", body={"value": bad})
    assert proxy.count == 0


def test_a_cluster_that_comes_up_within_the_time_is_reached(connection: Connection, proxy: FaultProxy) -> None:
    proxy.stop()
    threading.Timer(0.5, proxy.start).start()
    assert not connection.ask("GET", "/").repeated


def test_nobody_listens(connection: Connection, proxy: FaultProxy) -> None:
    proxy.stop()
    with pytest.raises(StoreUnavailable, match=f"{proxy.url} cannot be reached .*refused"):
        connection.ask("GET", "/", retry_seconds=0.5)


def test_a_name_that_nobody_knows() -> None:
    connection = Connection("https://search.invalid", ConnectionSettings())
    with pytest.raises(StoreUnavailable, match=r"https://search\.invalid:443 cannot be reached"):
        connection.ask("GET", "/", retry_seconds=0)


@pytest.mark.parametrize(
    ("fault", "repeated"),
    [
        (drop_before(), True),
        (drop_after(), True),
        (truncated(), True),
        (answer(502, b"<html>", content_type="text/html"), True),
        (error(503, "no_shard_available_action_exception", "none"), True),
        (answer(504), True),
        (error(429, "opensearch_rejected_execution_exception", "full"), False),
        (error(429, "circuit_breaking_exception", "too large"), False),
    ],
)
def test_a_passing_fault_is_tried_again_and_a_call_that_may_have_met_itself_says_so(
    connection: Connection, proxy: FaultProxy, fault: Behaviour, *, repeated: bool
) -> None:
    proxy.next(fault, fault)
    reply = connection.ask("GET", "/")
    assert reply["version"]["number"] == "3.8.0"
    assert (reply.repeated, proxy.count) == (repeated, 3)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (drop_before(), StoreUnavailable),
        (truncated(), StoreUnavailable),
        (answer(503, b""), StoreUnavailable),
        (answer(502, b"<html>", content_type="text/html"), StoreUnavailable),
        (answer(429, b""), Overloaded),
        (error(429, "circuit_breaking_exception", "too large"), Overloaded),
    ],
)
def test_tries_end_with_the_deadline(
    connection: Connection, proxy: FaultProxy, fault: Behaviour, expected: type[PixkinError]
) -> None:
    proxy.always(fault)
    began = time.monotonic()
    with pytest.raises((expected, Deadline)):  # the last try may itself outlive the deadline
        connection.ask("GET", "/", deadline=began + 0.6)
    assert proxy.count > 1


def test_no_time_for_another_try_means_one_request(connection: Connection, proxy: FaultProxy) -> None:
    proxy.always(answer(503))
    with pytest.raises(StoreUnavailable, match="503"):
        connection.ask("GET", "/", retry_seconds=0)
    assert proxy.count == 1


@pytest.mark.parametrize("fault", [delay(1.5), dripping(0.05)], ids=["silence", "drops"])
def test_an_answer_that_takes_too_long_is_the_deadline(
    connection: Connection, proxy: FaultProxy, fault: Behaviour
) -> None:
    proxy.always(fault)
    began = time.monotonic()
    with pytest.raises(Deadline):
        connection.ask("GET", "/", deadline=began + 0.5)
    assert proxy.count == 1


def _reads_after(listener: socket.socket, seconds: float) -> None:
    """Take one connection, and begin to read it later."""
    taken, _ = listener.accept()
    with taken:
        time.sleep(seconds)
        while (part := taken.recv(1 << 20)) and b"END" not in part:
            pass
        taken.sendall(b'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{"took":1}')


@pytest.fixture
def slow() -> Iterator[str]:
    """The URL of a server that begins to read a request after 0.6 s."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=_reads_after, args=(listener, 0.6), daemon=True)
        server.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.join(5)


LARGE = [b"x" * (8 << 20), b"END"]


def test_sending_may_take_longer_than_connecting(slow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "CONNECT_SECONDS", 0.2)
    assert Connection(slow, ConnectionSettings()).ask("POST", "/_bulk", lines=LARGE, retry_seconds=0)["took"]


def test_a_request_that_is_not_taken_in_time_is_the_deadline(slow: str) -> None:
    began = time.monotonic()
    with pytest.raises(Deadline):
        Connection(slow, ConnectionSettings()).ask("POST", "/_bulk", lines=LARGE, deadline=began + 0.3)


@pytest.fixture
def crowded() -> Iterator[str]:
    """The URL of a server that lets nobody in: connecting takes for ever."""
    with ExitStack() as held:
        listener = held.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)  # the library's signature
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_host_that_does_not_answer_is_given_up_soon(crowded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "CONNECT_SECONDS", 0.2)
    connection = Connection(crowded, ConnectionSettings())
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        connection.ask("GET", "/", retry_seconds=0)
    with pytest.raises(Deadline):
        connection.ask("GET", "/", deadline=time.monotonic() + 0.1)


def test_a_call_whose_time_is_over_is_not_sent(connection: Connection, proxy: FaultProxy) -> None:
    with pytest.raises(Deadline):
        connection.ask("GET", "/", deadline=time.monotonic())
    assert proxy.count == 0


def test_without_a_deadline_no_answer_is_the_store_not_being_there(
    connection: Connection, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REQUEST_SECONDS", 0.3)
    proxy.always(delay(1))
    with pytest.raises(StoreUnavailable, match="did not answer in time"):
        connection.ask("GET", "/")
    assert proxy.count == 1


@pytest.mark.parametrize(
    "fault",
    [
        garbage(),
        answer(200, b""),
        answer(200, b"<html>login</html>", content_type="text/html"),
        answer(200, b"[1, 2]"),
        answer(200, b'{"took":1,"hits":{'),
        answer(200, b"null"),
        answer(200, b"[" * 200_000),
    ],
)
def test_an_answer_that_is_no_json_object_is_an_error(
    connection: Connection, proxy: FaultProxy, fault: Behaviour
) -> None:
    proxy.always(fault)
    with pytest.raises(StoreUnavailable, match="not OpenSearch's JSON") as failed:
        connection.ask("GET", "/")
    assert "login" not in str(failed.value)


def test_a_redirection_is_not_followed(connection: Connection, proxy: FaultProxy) -> None:
    proxy.always(lambda _request, _ask: Reply(302, b"", {"location": "https://elsewhere.example/"}))
    with pytest.raises(StoreUnavailable, match="302"):
        connection.ask("GET", "/")
    assert proxy.count == 1


def test_a_full_disk_is_not_waited_for(connection: Connection, proxy: FaultProxy, index: str) -> None:
    connection.ask("PUT", f"/{index}/_settings", body={"index.blocks.read_only_allow_delete": True})
    before = proxy.count
    with pytest.raises(StoreFull, match="flood-stage watermark"):
        connection.ask("PUT", f"/{index}/_doc/1", body={})
    assert proxy.count == before + 1


def test_a_create_that_meets_its_own_success_says_that_it_was_repeated(
    connection: Connection, proxy: FaultProxy
) -> None:
    proxy.next(drop_after())
    try:
        with pytest.raises(IndexExists) as there:
            connection.ask("PUT", f"/{INDEX}")
    finally:
        proxy.next(drop_after())
        with pytest.raises(IndexMissing) as gone:
            connection.ask("DELETE", f"/{INDEX}")
    assert there.value.repeated
    assert gone.value.repeated


def test_an_index_that_is_there_or_is_not_without_repetition(connection: Connection, index: str) -> None:
    with pytest.raises(IndexExists) as there:
        connection.ask("PUT", f"/{index}")
    with pytest.raises(IndexMissing, match="no such index") as gone:
        connection.ask("GET", "/not-there/_search")
    assert not there.value.repeated
    assert not gone.value.repeated


def test_a_deprecation_of_the_cluster_does_not_reach_the_caller(connection: Connection, proxy: FaultProxy) -> None:
    def warn(_request: Request, ask: Forward) -> Reply:
        reply = ask()
        return Reply(reply.status, reply.body, {**reply.headers, "Warning": '299 OpenSearch-3.8.0 "old"'})

    proxy.always(warn)
    assert connection.ask("GET", "/")["version"]


def test_threads_share_a_connection_while_faults_happen(connection: Connection, proxy: FaultProxy) -> None:
    def change(reply: Any) -> Any:
        return {**reply, "seen": True}

    faults: list[Callable[[], Behaviour]] = [drop_before, drop_after, lambda: answer(503), lambda: rewritten(change)]
    proxy.when(lambda request: faults[hash(request.at) % 4]() if hash(request.at) % 10 < 4 else None)

    def call(_: int) -> str:
        # With two faults in five, one of 200 calls may well meet nothing else for the usual three seconds.
        return str(connection.ask("GET", "/", retry_seconds=20)["version"]["number"])

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(call, range(200))) == {"3.8.0"}


def test_a_closed_connection_opens_again(connection: Connection) -> None:
    connection.ask("GET", "/")
    connection.close()
    connection.close()
    assert connection.ask("GET", "/")["version"]
