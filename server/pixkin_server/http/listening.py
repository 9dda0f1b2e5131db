"""The HTTP server, in the event loop of the gRPC server."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
from collections.abc import Iterator

import uvicorn
from pixkin_proto.errors import InvalidArgument
from starlette.types import ASGIApp

from pixkin_server.http.connection import Connection
from pixkin_server.http.settings import HttpSettings

KEEP_ALIVE_SECONDS = 30
REACHED_BY = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104  # what stands for all addresses is none to call


class _Uvicorn(uvicorn.Server):
    """uvicorn without hands on the signals: the server around it owns them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """Listens from the moment it is made, and answers once it has started.

    Raises InvalidArgument when the address cannot be used. `note` says when another port than the asked one was taken.
    """

    def __init__(self, settings: HttpSettings) -> None:
        self.note = ""
        self._host = settings.address.rpartition(":")[0]
        self._socket = self._bound(settings)
        self._server: _Uvicorn | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The address of the page."""
        host = REACHED_BY.get(self._host, self._host)
        return f"http://{host}:{self._socket.getsockname()[1]}/"

    def start(self, app: ASGIApp, *, grace: float) -> None:
        """Answer requests; at the end calls in flight have `grace` seconds."""
        config = uvicorn.Config(
            app, http=Connection, ws="none", lifespan="off", loop="none", log_config=None, log_level="critical",
            access_log=False, proxy_headers=False, server_header=False, timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=math.ceil(grace),
        )  # fmt: skip
        self._server = _Uvicorn(config)
        self._serving = asyncio.ensure_future(self._server.serve([self._socket]))

    async def stop(self) -> None:
        """Take no new call, let those in flight finish within the grace period, and end."""
        if self._server is None or self._serving is None:
            self._socket.close()
            return
        self._server.should_exit = True
        await self._serving

    def hurry(self) -> None:
        """Do not wait for calls in flight any more."""
        if self._server is not None:
            self._server.force_exit = True

    def _bound(self, settings: HttpSettings) -> socket.socket:
        port = int(settings.address.rpartition(":")[2])
        try:
            return listening(self._host, port)
        except OSError as error:
            if settings.chosen:
                raise InvalidArgument(
                    f"cannot listen on {settings.address} ({error.strerror or error}); give a free one with "
                    f"{settings.flag}"
                ) from None
        self.note = f"{settings.address} is taken; the page has another port (choose one with {settings.flag})"
        return listening(self._host, 0)


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens on a name or an address; raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host.strip("[]"), port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
    )[0]
    # asyncio turns Nagle's algorithm off only where the socket says TCP; with it a reply in two parts takes 40 ms
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener
