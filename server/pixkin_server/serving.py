"""The server: services over gRPC and HTTP, health, reflection, signals."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from pixkin_proto.errors import InvalidArgument, MissingExtra
from pixkin_proto.v1 import collections_pb2_grpc, embedding_pb2_grpc, search_pb2_grpc

from pixkin_server.calls import Calls
from pixkin_server.ending import end_within
from pixkin_server.engine import Engine
from pixkin_server.health import SERVICES, Health, follow_store, warm_up
from pixkin_server.http.settings import HttpSettings
from pixkin_server.interceptors import ErrorInterceptor
from pixkin_server.messages.telling import hide
from pixkin_server.services.collections import CollectionsService
from pixkin_server.services.embedding import EmbeddingService
from pixkin_server.services.search import SearchService
from pixkin_server.stopping import Stopping

if TYPE_CHECKING:
    from pixkin_server.http.listening import HttpServer
    from pixkin_server.metrics import Metrics

MIB = 1024 * 1024
OPTIONS = (
    ("grpc.max_receive_message_length", 17 * MIB),
    ("grpc.max_send_message_length", 64 * MIB),
    ("grpc.so_reuseport", 0),  # or two servers would share a port, and half of the calls would meet the other store
    # Clients ask by pings whether a quiet connection still stands, some every second; gRPC takes one in five minutes.
    ("grpc.http2.min_ping_interval_without_data_ms", 500),
    ("grpc.keepalive_permit_without_calls", 1),
    # Calls that come faster than the loop takes them wait here; what does not fit ends as CANCELLED, without a reason.
    ("grpc.server.max_pending_requests", 32_768),
    ("grpc.server.max_pending_requests_hard_limit", 32_768),
)
log = logging.getLogger("pixkin.server")


@dataclass(frozen=True)
class ServerSettings:
    """How a server listens.

    address: of gRPC, host:port, port 0 for any free one · writes: whether anything may be changed · drain: seconds at
    the end in which health says NOT_SERVING and calls are still taken · grace: seconds for calls in flight after that ·
    http: None for gRPC alone.
    """

    address: str = "127.0.0.1:7475"
    writes: bool = False
    reflection: bool = False
    drain: float = 5.0
    grace: float = 20.0
    http: HttpSettings | None = None


class Server:
    """A server around an engine. `port` of gRPC and `url` of the page are known once it has started.

    notes: what is otherwise than somebody might expect, a sentence each.
    """

    def __init__(self, engine: Engine, settings: ServerSettings) -> None:
        self._engine, self._settings = engine, settings
        hide(engine.places)
        self._calls = Calls()
        self._health = Health(engine)
        self._http: HttpServer | None = None
        self._server: Any = None
        self.port = 0
        self.url = ""
        self.notes: list[str] = []

    async def start(self) -> None:
        """Listen, not yet serving; raises InvalidArgument for an address that cannot be used, and ProviderMissing."""
        await asyncio.to_thread(self._engine.check_device)
        metrics = self._bind_http()
        try:
            await self._start(metrics)
        except BaseException:
            if self._http:
                await self._http.stop()
            raise

    async def _start(self, metrics: Metrics | None) -> None:
        self._server = grpc.aio.server(interceptors=(ErrorInterceptor(metrics),), options=OPTIONS)
        collections = CollectionsService(self._engine, self._calls, writes=self._settings.writes)
        embedding = EmbeddingService(self._engine, self._calls)
        search = SearchService(self._engine, self._calls, writes=self._settings.writes)
        embedding_pb2_grpc.add_EmbeddingServicer_to_server(embedding, self._server)
        search_pb2_grpc.add_SearchServicer_to_server(search, self._server)
        collections_pb2_grpc.add_CollectionsServicer_to_server(collections, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if self._settings.reflection:
            _add_reflection(self._server)
        await self._health.say(False, "", *SERVICES)
        try:
            self.port = self._server.add_insecure_port(self._settings.address)
        except RuntimeError as error:
            raise InvalidArgument(
                f"cannot listen on {self._settings.address}; give a free one with --grpc HOST:PORT"
            ) from error
        await self._server.start()
        self._start_http(metrics, {"Embedding": embedding, "Search": search, "Collections": collections})

    def _bind_http(self) -> Metrics | None:
        """Take the port of HTTP before anything is served; returns the counters that its page shows.

        Raises MissingExtra where HTTP was asked for and is not installed.
        """
        if self._settings.http is None:
            return None
        try:
            import python_multipart  # noqa: F401  # starlette asks for it only when the first form comes

            from pixkin_server.http.listening import HttpServer
            from pixkin_server.metrics import Metrics
        except ImportError as error:
            missing = MissingExtra("the page and HTTP", "http")
            if self._settings.http.chosen or self._settings.http.needed:
                raise missing from error
            self.notes.append(f"gRPC alone: {missing.message}")
            return None
        self._http = HttpServer(self._settings.http)
        return Metrics(self._engine, self._calls)

    def _start_http(self, metrics: Metrics | None, servicers: Mapping[str, Any]) -> None:
        if self._http is None or metrics is None or self._settings.http is None:
            return
        from pixkin_server.http.app import App

        settings = replace(self._settings.http, writes=self._settings.writes)
        app = App(self._engine, self._calls, self._health, metrics, servicers, settings)
        self._http.start(app, grace=self._settings.grace)
        self.url = self._http.url
        if self._http.note:
            self.notes.append(self._http.note)

    async def follow_store(self, announce: Callable[[str], Any]) -> None:
        """Load extractors, matrices and kernels, say SERVING, and from then on what the store says; never returns."""
        await warm_up(self._engine, self._health, announce)
        gc.collect()
        gc.freeze()  # what stays for good is not looked through again, which would stop all calls for 70 ms at a time
        providers = ", ".join(sorted(set(self._engine.providers().values()))) or "no extractor loaded yet"
        log.info("serving with %s", providers)
        announce(f"serving ({providers})")
        await follow_store(self._engine, self._health)

    async def drain(self, stopping: Stopping) -> None:
        """Say NOT_SERVING, and take calls for as long as those who send them here may need to notice."""
        await self._health.drain()
        if stopping.drains:
            await stopping.pause(self._settings.drain)

    async def stop(self, stopping: Stopping) -> None:
        """Take no new call, let those in flight finish within the grace period or until there is a hurry, and end."""
        self._health.let_go()
        hurrying = asyncio.ensure_future(self._hurry(stopping))
        ending = [self._server.stop(self._settings.grace), *([self._http.stop()] if self._http else [])]
        await asyncio.gather(*ending)
        hurrying.cancel()
        await asyncio.to_thread(self._calls.close)  # streams that end need the loop

    async def _hurry(self, stopping: Stopping) -> None:
        await stopping.hurried.wait()
        end_within(1)
        if self._http:
            self._http.hurry()
        await self._server.stop(0)


async def serve(
    engine: Engine,
    settings: ServerSettings,
    announce: Callable[[str], Any],
    *,
    started: Callable[[str], Any] = lambda _: None,
) -> None:
    """Serve until SIGTERM, SIGHUP or SIGINT. `announce` is told when the server listens, waits, is ready, and drains.

    `started` is called once with the page's address, as soon as that answers. Once no new call is taken, the process
    has the grace period and a second, and then ends whatever its threads do.
    """
    ending = Stopping()
    ending.listen()
    server = Server(engine, settings)
    await server.start()
    host = settings.address.rpartition(":")[0]
    announce(f"gRPC listening on {host}:{server.port}")
    for note in server.notes:
        announce(note)
    if server.url:
        announce(f"page on {server.url}")
    started(server.url)
    following = asyncio.ensure_future(server.follow_store(announce))
    stopping = asyncio.ensure_future(ending.wanted.wait())
    try:
        await asyncio.wait((following, stopping), return_when=asyncio.FIRST_COMPLETED)
        if following.done():
            following.result()  # raises why there is nothing to serve
    finally:
        following.cancel()  # what it has begun in a thread is awaited at the loop's end
        stopping.cancel()
        await asyncio.gather(following, stopping, return_exceptions=True)
        await _end(server, ending, settings, announce)


async def _end(server: Server, ending: Stopping, settings: ServerSettings, announce: Callable[[str], Any]) -> None:
    if ending.drains and settings.drain:
        announce(f"stopping: health says NOT_SERVING, and calls are still taken for {settings.drain:g} s")
    await server.drain(ending)
    announce("stopping: calls in flight finish")
    if ending.wanted.is_set():
        end_within(settings.grace + 1)
    await server.stop(ending)


def _add_reflection(server: grpc.aio.Server) -> None:
    try:
        from grpc_reflection.v1alpha import reflection
    except ImportError:
        raise MissingExtra("--reflection", "reflection") from None
    reflection.enable_server_reflection((*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
