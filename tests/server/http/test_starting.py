"""How the HTTP side of a server begins and ends, and what it says when it cannot."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from pixkin_proto.descriptors import Descriptor
from pixkin_server.api import NewItem
from pixkin_server.client import Client
from pixkin_server.http.listening import listening
from pixkin_server.http.page import TYPES
from pixkin_server.http.settings import DEFAULT_ADDRESS

pytestmark = pytest.mark.slow

Start = Callable[..., Any]
MISSING = ["starlette", "uvicorn", "prometheus_client", "python_multipart"]
WITHOUT = ("-c", "import sys; sys.modules['{}'] = None; from pixkin_server.cli import main; main()")


def without(module: str) -> tuple[str, str]:
    """A pixkin to which a module is not installed."""
    return WITHOUT[0], WITHOUT[1].format(module)


def refused(start: Start, *arguments: Any, **options: Any) -> str:
    """The one line with which a server refuses to start."""
    with start(*arguments, wait="", **options) as served:
        assert served.process.wait(30) != 0
        served.wait_for("pixkin: ")
        lines = [line for line in served.log if line]
    assert len(lines) == 1, lines
    return str(lines[0])


def test_the_page_has_its_own_line_and_answers_there(served: Any, web: httpx.Client) -> None:
    assert served.log[0].startswith("pixkin: gRPC listening on 127.0.0.1:")
    assert f"pixkin: page on {served.page}/" in served.log
    page = web.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.text.lower().startswith("<!doctype html>")
    assert web.get("/?collection=photos&anything=goes").content == page.content
    again = web.get("/", headers={"if-none-match": page.headers["etag"]})
    assert again.status_code == 304


def test_every_file_of_the_page_has_its_type_and_a_tag(web: httpx.Client) -> None:
    folder = Path(__file__).parents[3] / "server" / "pixkin_server" / "web"
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.suffix in TYPES and file.name != "index.html":
            answer = web.get(f"/assets/{file.relative_to(folder).as_posix()}")
            assert answer.content == file.read_bytes()
            assert answer.headers["content-type"] == TYPES[file.suffix]
            assert answer.headers["etag"]


def test_a_small_reply_does_not_wait_for_an_acknowledgement() -> None:
    async def story() -> int:
        met: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
        listener = listening("127.0.0.1", 0)
        server = await asyncio.start_server(lambda _, writer: met.put_nowait(writer), sock=listener)
        _, caller = await asyncio.open_connection(*listener.getsockname())
        taken = await met.get()
        found: int = taken.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        for writer in (caller, taken):
            writer.close()
            await writer.wait_closed()
        server.close()
        await server.wait_closed()
        return found

    assert asyncio.run(story())  # with Nagle's algorithm a reply in two parts takes 40 ms


def test_grpc_alone_when_http_is_not_wanted(start: Start, extractors: Path, tmp_path: Path) -> None:
    with start(tmp_path / "store", extractors, "--no-http") as served:
        assert not [line for line in served.log if "page on" in line or "http" in line.lower()]
        assert served.alive


@pytest.mark.parametrize("module", MISSING)
def test_without_the_extra_grpc_is_served_and_one_line_says_what_to_install(
    start: Start, extractors: Path, tmp_path: Path, module: str
) -> None:
    refusal = refused(start, tmp_path / "store", extractors, "--http", "127.0.0.1:0", program=without(module))
    assert refusal.endswith("[MISSING_EXTRA]")
    assert "pip install 'pixkin[http]'" in refusal
    with start(tmp_path / "store", extractors, program=without(module), default_http=True) as served:
        assert "pip install 'pixkin[http]'" in served.wait_for("gRPC alone")
        assert served.alive


@pytest.mark.parametrize("module", MISSING)
def test_without_the_extra_a_folder_is_not_opened(extractors: Path, photos: Path, tmp_path: Path, module: str) -> None:
    command = [sys.executable, *without(module), "open", photos / "red", "--store", tmp_path / "store"]
    ran = subprocess.run(
        [*command, "--extractors", extractors, "--no-browser"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
    assert ran.stderr.endswith("[MISSING_EXTRA]\n")


def test_a_port_that_was_named_and_is_taken_is_one_line(
    start: Start, served: Any, extractors: Path, tmp_path: Path
) -> None:
    taken = urlsplit(served.page).netloc
    said = refused(start, tmp_path / "store", extractors, "--http", taken)
    assert said.startswith(f"pixkin: cannot listen on {taken}")
    assert "--http HOST:PORT" in said


@pytest.mark.parametrize("address", ["203.0.113.1:7476", "no-such-host.invalid:1"])
def test_an_address_of_somebody_else_is_one_line(start: Start, extractors: Path, tmp_path: Path, address: str) -> None:
    assert f"cannot listen on {address}" in refused(start, tmp_path / "store", extractors, "--http", address)


def test_another_name_of_the_loopback_serves_too(start: Start, extractors: Path, tmp_path: Path) -> None:
    with start(tmp_path / "store", extractors, "--http", "localhost:0") as served:
        assert served.page.startswith("http://localhost:")
        assert httpx.get(f"{served.page}/healthz", trust_env=False).status_code == 200


def test_originals_are_those_below_folders_that_are_there(start: Start, extractors: Path, tmp_path: Path) -> None:
    (tmp_path / "all").symlink_to("/")
    for folder, said in (("none", "does not exist"), ("/", "every picture"), ("all", "every picture")):
        assert said in refused(start, tmp_path / "store", extractors, "--originals", str(tmp_path / folder))


def test_who_adds_an_item_does_not_say_which_files_are_shown(
    start: Start, extractors: Path, tmp_path: Path, photos: Path
) -> None:
    outside = tmp_path / "secret.jpg"
    outside.write_bytes((photos / "red/0.jpg").read_bytes())
    with start(tmp_path / "store", extractors, "--originals", str(photos)) as served, Client(served.address) as client:
        client.create("c", descriptors=[Descriptor("d", 2)])
        vectors = {"d": np.ones(2, np.float32)}
        for name, source in (("outside", outside), ("inside", photos / "red/0.jpg")):
            assert client.add("c", [NewItem(name, vectors=vectors, source=str(source))], root=str(source.parent))
        for path, status in (("outside", 404), ("inside", 200)):
            answer = httpx.get(f"{served.page}/v1/collections/c/items/{path}/original", trust_env=False)
            assert answer.status_code == status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_calls_in_flight_finish_and_idle_connections_hold_up_nothing(
    start: Start, store: Path, extractors: Path, photos: Path, number: signal.Signals
) -> None:
    picture = base64.b64encode((photos / "red/0.jpg").read_bytes()).decode()
    query = {
        "collection": "photos",
        "queries": [{"image": {"data": picture}}],
        "plan": {"descriptors": [{"name": "gap"}]},
    }
    with start(store, extractors) as served, httpx.Client(base_url=served.page, timeout=60) as client:
        idle = httpx.Client(base_url=served.page)
        assert idle.get("/healthz").status_code == 200
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(client.post, "/v1/search/batch", json={"requests": [query] * 200})
            time.sleep(0.4)
            assert not asked.done()
            served.process.send_signal(number)
            served.wait_for("calls in flight finish")
            answer = asked.result(60)
            assert answer.status_code == 200
            assert all("reply" in outcome for outcome in answer.json()["outcomes"])
        assert served.process.wait(20) == 0
        idle.close()
    assert not [line for line in served.log if "Traceback" in line or "ERROR" in line]


def test_a_call_that_outlasts_the_grace_is_ended_and_so_is_the_server(
    start: Start, store: Path, extractors: Path
) -> None:
    with start(store, extractors, "--grace", "0.5") as served:
        where = urlsplit(served.page)
        with closing(http.client.HTTPConnection(where.hostname or "", where.port, timeout=20)) as slow:
            slow.putrequest("POST", "/v1/embed/stream")
            slow.putheader("Content-Type", "application/x-ndjson")
            slow.putheader("Transfer-Encoding", "chunked")
            slow.endheaders()
            time.sleep(0.3)
            served.process.send_signal(signal.SIGTERM)
            with slow.getresponse() as answer:
                assert answer.status == 503
                assert json.loads(answer.read())["reason"] == "SERVER_UNAVAILABLE"
            assert served.process.wait(10) == 0
    assert not [line for line in served.log if "Traceback" in line]


def test_the_settings_say_what_a_page_offers(web: httpx.Client) -> None:
    from pixkin_proto.descriptors import GOOD_FOR, MEASURES
    from pixkin_scoring.expansion import EXPANSIONS
    from pixkin_scoring.fusion import FUSIONS
    from pixkin_scoring.rerankers import RERANKERS

    found = web.get("/v1/settings").json()
    assert [(each["name"], each["kind"]) for each in found["measures"]] == [
        (name, str(kind)) for name, kind in MEASURES.items()
    ]
    assert GOOD_FOR.keys() == MEASURES.keys()
    assert all(each["note"] for each in found["measures"])
    for kind, registry in (("expansions", EXPANSIONS), ("fusions", FUSIONS), ("rerankers", RERANKERS)):
        assert [each["name"] for each in found["stages"][kind]] == list(registry)
    for stages in found["stages"].values():
        assert all(stage["note"] and all(option["note"] for option in stage["options"]) for stage in stages)
    assert json.dumps(found)


def test_when_nobody_named_a_port_and_it_is_taken_another_one_is_taken(
    start: Start, extractors: Path, tmp_path: Path
) -> None:
    host, _, port = DEFAULT_ADDRESS.rpartition(":")
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind((host, int(port)))
            holder.listen()
        except OSError:
            pass  # somebody has it already, which serves the same end
        with start(tmp_path / "store", extractors, default_http=True) as served:
            assert served.wait_for("is taken").startswith(f"pixkin: {DEFAULT_ADDRESS} is taken")
            assert httpx.get(f"{served.page}/healthz", trust_env=False).status_code == 200
            assert urlsplit(served.page).port != int(port)
