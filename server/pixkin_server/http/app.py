"""The application: every path and who answers it, and what happens around each request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pixkin_proto.errors import PixkinError, ServerUnavailable
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from pixkin_server.calls import Calls
from pixkin_server.engine import Engine
from pixkin_server.faults import known_error
from pixkin_server.health import Health
from pixkin_server.http.endpoint import Endpoint
from pixkin_server.http.guard import ALLOWED, HEADERS, Guard
from pixkin_server.http.incoming import Buffered, Gone, Incoming
from pixkin_server.http.lines import LinesEndpoint
from pixkin_server.http.offers import Offers
from pixkin_server.http.openapi import OpenApi
from pixkin_server.http.originals import Originals
from pixkin_server.http.page import page_files
from pixkin_server.http.paths import Paths
from pixkin_server.http.probes import MetricsPage, Ready, healthz
from pixkin_server.http.replies import error_reply
from pixkin_server.http.routes import ROUTES, Body
from pixkin_server.http.settings import HttpSettings
from pixkin_server.http.thumbnails import Thumbnails
from pixkin_server.metrics import Metrics
from pixkin_server.observing import Observed

Handler = Callable[[Incoming], Awaitable[Response]]
Found = tuple[str, Handler]


class App:
    """An ASGI application over the servicers that gRPC calls, by the names of their services."""

    def __init__(
        self,
        engine: Engine,
        calls: Calls,
        health: Health,
        metrics: Metrics,
        servicers: Mapping[str, Any],
        settings: HttpSettings,
    ) -> None:
        self._guard = Guard(settings.hosts, settings.origins)
        self._metrics = metrics
        self._buffered = Buffered()
        self._paths: Paths[Found] = Paths()
        for route in ROUTES:
            call = getattr(servicers[route.service], route.rpc)
            kind = LinesEndpoint if route.body is Body.LINES else Endpoint
            self._paths.add(route.method, route.path, (route.name, kind(route, call, writes=settings.writes)))
        item = "/v1/collections/{collection}/items/{id}"
        self._add(f"{item}/thumbnail", "thumbnail", Thumbnails(engine, calls))
        self._add(f"{item}/original", "original", Originals(engine, calls, folders=settings.originals))
        self._add("/v1/settings", "settings", Offers(settings))
        self._add("/v1/openapi.json", "openapi", OpenApi())
        self._add("/healthz", "probe", healthz)
        self._add("/readyz", "probe", Ready(health, engine))
        self._add("/metrics", "probe", MetricsPage(metrics))
        for path, file in page_files():
            self._add(path, "page", file)

    def _add(self, path: str, name: str, handler: Handler) -> None:
        self._paths.add("GET", path, (name, handler))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever happens, the answer is ours."""
        observed = Observed(self._metrics, "http", "none")
        incoming = Incoming(scope, receive, self._buffered, observed)
        sending = Sending(send, {**HEADERS, **self._guard.cors(incoming.headers)})
        try:
            with observed:
                response = await self._response(incoming)
                await response(scope, receive, sending)
        except Gone:
            pass
        except asyncio.CancelledError:  # the server ends, and this call did not do so in time
            if sending.begun:
                raise
            await error_reply(ServerUnavailable(incoming.headers.get("host", "")))(scope, receive, sending)
        finally:
            incoming.release()

    async def _response(self, incoming: Incoming) -> Response:
        try:
            self._guard.check(incoming.method, incoming.headers, _address(incoming.scope))
            if incoming.method == "OPTIONS" and "access-control-request-method" in incoming.headers:
                return Response(status_code=204, headers=ALLOWED)
            found, incoming.path = self._paths.find(incoming.method, incoming.raw_path)
            incoming.observed.method, handler = found
            return await handler(incoming)
        except Gone:
            raise
        except Exception as error:  # what is not an error of ours is told as INTERNAL, and nothing more
            known: PixkinError = known_error(error)
            incoming.observed.failed(known)
            return error_reply(known)


def _address(scope: Scope) -> str:
    """The address of this machine at which the request came in."""
    server = scope.get("server")
    return server[0] if server else ""


class Sending:
    """Sends a reply with the headers that every reply has. begun: whether anything has gone out."""

    def __init__(self, send: Send, headers: Mapping[str, str]) -> None:
        self._send, self._headers = send, headers
        self.begun = False

    async def __call__(self, message: Message) -> None:
        """Send a part of the reply."""
        if message["type"] == "http.response.start":
            self.begun = True
            headers = MutableHeaders(raw=message.setdefault("headers", []))
            headers.update(self._headers)
            message["headers"] = headers.raw
        await self._send(message)
