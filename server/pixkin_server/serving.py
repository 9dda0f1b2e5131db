"""The gRPC server: services, health, reflection, signals."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from pixkin_proto.errors import InvalidArgument, MissingExtra
from pixkin_proto.v1 import (
    collections_pb2,
    collections_pb2_grpc,
    embedding_pb2,
    embedding_pb2_grpc,
    search_pb2,
    search_pb2_grpc,
)

from pixkin_server.calls import Calls
from pixkin_server.engine import Engine
from pixkin_server.interceptors import ErrorInterceptor
from pixkin_server.services.collections import CollectionsService
from pixkin_server.services.embedding import EmbeddingService
from pixkin_server.services.search import SearchService

MIB = 1024 * 1024
OPTIONS = (
    ("grpc.max_receive_message_length", 17 * MIB),
    ("grpc.max_send_message_length", 64 * MIB),
    ("grpc.so_reuseport", 0),  # or two servers would share a port, and half of the calls would meet the other store
)
SERVICES = tuple(
    file.DESCRIPTOR.services_by_name[name].full_name
    for file, name in ((embedding_pb2, "Embedding"), (search_pb2, "Search"), (collections_pb2, "Collections"))
)
PROVIDER_KEY = "pixkin-providers"
DRAIN_SECONDS = 0.1  # in which watchers are told that no new call will be taken
log = logging.getLogger("pixkin.server")


@dataclass(frozen=True)
class ServerSettings:
    """How a server listens.

    address: host:port, port 0 for any free one · grace: seconds for calls in flight at the end.
    """

    address: str = "127.0.0.1:7475"
    writes: bool = True
    reflection: bool = False
    grace: float = 20.0


class Health(health.aio.HealthServicer):
    """grpc.health.v1; each answer's trailing metadata names the provider of every loaded extractor."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._engine = engine
        self._ending = asyncio.Event()

    async def Check(
        self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext
    ) -> health_pb2.HealthCheckResponse:
        """Answer for one service, or for all when it is empty."""
        providers = sorted(set(self._engine.providers().values()))
        context.set_trailing_metadata(((PROVIDER_KEY, ",".join(providers)),))
        return await super().Check(request, context)

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext) -> None:
        """Tell every change until the server ends: a watcher must not hold up the calls that finish."""
        watching = asyncio.ensure_future(super().Watch(request, context))
        ending = asyncio.ensure_future(self._ending.wait())
        try:
            await asyncio.wait((watching, ending), return_when=asyncio.FIRST_COMPLETED)
        finally:
            ending.cancel()
            watching.cancel()
            await asyncio.gather(watching, ending, return_exceptions=True)

    async def drain(self) -> None:
        """Say NOT_SERVING for good, to watchers too, and let those go."""
        await self.enter_graceful_shutdown()
        await asyncio.sleep(DRAIN_SECONDS)
        self._ending.set()

    async def set_all(self, status: int) -> None:
        """Set the status of every service and of the server."""
        for name in ("", *SERVICES):
            await self.set(name, status)


class Server:
    """A gRPC server around an engine. `port` is known once it has started."""

    def __init__(self, engine: Engine, settings: ServerSettings) -> None:
        self._engine, self._settings = engine, settings
        self._calls = Calls()
        self._server = grpc.aio.server(interceptors=(ErrorInterceptor(),), options=OPTIONS)
        self._health = Health(engine)
        self.port = 0

    async def start(self) -> None:
        """Listen, not yet serving; raises InvalidArgument when the address cannot be used, and ProviderMissing."""
        await asyncio.to_thread(self._engine.check_device)
        collections = CollectionsService(self._engine, self._calls, writes=self._settings.writes)
        embedding_pb2_grpc.add_EmbeddingServicer_to_server(EmbeddingService(self._engine, self._calls), self._server)
        search_pb2_grpc.add_SearchServicer_to_server(SearchService(self._engine, self._calls), self._server)
        collections_pb2_grpc.add_CollectionsServicer_to_server(collections, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if self._settings.reflection:
            _add_reflection(self._server)
        await self._health.set_all(health_pb2.HealthCheckResponse.NOT_SERVING)
        try:
            self.port = self._server.add_insecure_port(self._settings.address)
        except RuntimeError as error:
            raise InvalidArgument(
                f"cannot listen on {self._settings.address}; give a free one with --grpc HOST:PORT"
            ) from error
        await self._server.start()

    async def warm_up(self) -> None:
        """Load extractors, matrices and kernels, then say SERVING."""
        await asyncio.to_thread(self._engine.warm_up)
        await self._health.set_all(health_pb2.HealthCheckResponse.SERVING)

    async def stop(self) -> None:
        """Say NOT_SERVING, let calls in flight finish within the grace period, and end."""
        await self._health.drain()
        await self._server.stop(self._settings.grace)
        await asyncio.to_thread(self._calls.close)  # streams that end need the loop


async def serve(engine: Engine, settings: ServerSettings, announce: Callable[[str], Any]) -> None:
    """Serve until SIGTERM or SIGINT. `announce` is told when the server listens, is ready, and drains."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    server = Server(engine, settings)
    await server.start()
    host = settings.address.rpartition(":")[0]
    announce(f"listening on {host}:{server.port}")
    warming = asyncio.ensure_future(server.warm_up())
    stopping = asyncio.ensure_future(stopped.wait())
    try:
        await asyncio.wait((warming, stopping), return_when=asyncio.FIRST_COMPLETED)
        if warming.done():
            warming.result()
            providers = ", ".join(sorted(set(engine.providers().values()))) or "no extractor loaded yet"
            log.info("serving with %s", providers)
            announce(f"serving ({providers})")
            await stopping
        announce("stopping: calls in flight finish")
    finally:
        stopping.cancel()
        with contextlib.suppress(Exception):  # its failure has been raised above, or it is overtaken by the end
            await warming
        await server.stop()


def _add_reflection(server: grpc.aio.Server) -> None:
    try:
        from grpc_reflection.v1alpha import reflection
    except ImportError:
        raise MissingExtra("--reflection", "reflection") from None
    reflection.enable_server_reflection((*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
