"""The limits of a connection, with clocks that run faster."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from pixkin_server.http import connection
from pixkin_server.http.listening import HttpServer
from pixkin_server.http.settings import HttpSettings
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

pytestmark = pytest.mark.slow

Story = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LARGE = 30_000_000
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clocks of fractions of a second."""
    for name in ("HEADER_SECONDS", "STALL_SECONDS", "LINGER_SECONDS"):
        monkeypatch.setattr(connection, name, 0.3)


def run(story: Story, *, size: int = 2) -> None:
    """Open a connection to a server that answers everything with so many bytes."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(bytes(size))(scope, receive, send)

    async def whole() -> None:
        server = HttpServer(HttpSettings("127.0.0.1:0", chosen=True))
        server.start(app, grace=1)
        port = int(server.url.rstrip("/").rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**16)
        try:
            await asyncio.wait_for(story(reader, writer), 10)
        finally:
            writer.close()
            await server.stop()

    asyncio.run(whole())


def test_a_reader_who_takes_nothing_is_cut_off() -> None:
    async def story(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(REQUEST)
        await asyncio.sleep(1.5)
        assert len(await reader.read()) < LARGE

    run(story, size=LARGE)


def test_a_slow_reader_gets_it_all() -> None:
    async def story(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        got = 0
        while got < LARGE:
            await asyncio.sleep(0.05)
            got += len(await reader.readexactly(min(2**20, LARGE - got)))

    run(story, size=LARGE)


@pytest.mark.parametrize("said", [b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_who_does_not_say_what_he_wants_is_cut_off(said: bytes) -> None:
    async def story(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        began = asyncio.get_running_loop().time()
        assert await reader.read() == b""
        assert 0.2 < asyncio.get_running_loop().time() - began < 2

    run(story)


def test_the_clock_of_the_head_starts_anew_with_the_next_request() -> None:
    async def story(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(4):
            writer.write(REQUEST)
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(2)
            await asyncio.sleep(0.2)
        writer.write(b"G")
        assert await reader.read() == b""

    run(story)


def test_a_body_that_nobody_wanted_is_not_read_for_ever() -> None:
    async def story(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        await reader.readexactly(2)
        began = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() - began < 5:
            writer.write(b"x")
            await asyncio.sleep(0.02)
            if reader.at_eof() or reader.exception():
                break
        assert asyncio.get_running_loop().time() - began < 2

    run(story)
