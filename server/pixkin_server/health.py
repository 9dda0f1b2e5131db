"""What a server says of its health: it warms up, and then Search and Collections follow the store."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2
from pixkin_proto.errors import Deadline, Overloaded, PixkinError, Unavailable
from pixkin_proto.v1 import collections_pb2, embedding_pb2, search_pb2

from pixkin_server.engine import Engine
from pixkin_server.faults import known_error

EMBEDDING, SEARCH, COLLECTIONS = SERVICES = tuple(
    file.DESCRIPTOR.services_by_name[name].full_name
    for file, name in ((embedding_pb2, "Embedding"), (search_pb2, "Search"), (collections_pb2, "Collections"))
)
OF_THE_STORE = ("", SEARCH, COLLECTIONS)
PROVIDER_KEY = "pixkin-providers"
DRAIN_SECONDS = 0.1  # in which watchers are told that no new call will be taken
CHECK_SECONDS = 4.0  # how long a store may take to answer; with the pause below a change is told within 10 s
WELL_SECONDS, ILL_SECONDS = 2.0, 1.0  # between two checks
TRANSIENT = (Unavailable, Overloaded, Deadline)
log = logging.getLogger("pixkin.server")


class Health(health.aio.HealthServicer):  # type: ignore[misc]  # grpc is untyped
    """grpc.health.v1; each answer's trailing metadata names the provider of every loaded extractor."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._engine = engine
        self._ending = asyncio.Event()
        self._serving: set[str] = set()

    def serving(self, service: str) -> bool:
        """Return whether a service serves."""
        return service in self._serving

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
        """Say NOT_SERVING for good, to watchers too."""
        self._serving.clear()
        await self.enter_graceful_shutdown()
        await asyncio.sleep(DRAIN_SECONDS)

    def let_go(self) -> None:
        """End the watching."""
        self._ending.set()

    async def say(self, serving: bool, *services: str) -> None:  # noqa: FBT001  # it is what is said
        """Set the status of services; the empty one is the server."""
        statuses = health_pb2.HealthCheckResponse
        self._serving = self._serving | {*services} if serving else self._serving - {*services}
        for name in services:
            await self.set(name, statuses.SERVING if serving else statuses.NOT_SERVING)


async def warm_up(engine: Engine, health: Health, announce: Callable[[str], Any]) -> None:
    """Load what searches need, then say SERVING. A cluster that does not answer yet is waited for, and told once.

    Raises what keeps a store from ever being searched, such as StoreFormat and StoreDenied.
    """
    waiting = False
    while True:
        try:
            await asyncio.to_thread(_load, engine)
            break
        except TRANSIENT as error:
            if engine.store.scans_here:  # a directory is there or not; nobody is about to start it
                raise
            if not waiting:
                announce(f"waiting for the store: {error.message} [{error.reason}]")
                await health.say(True, EMBEDDING)
            waiting = True
        await asyncio.sleep(ILL_SECONDS)
    await health.say(True, *OF_THE_STORE, EMBEDDING)


async def follow_store(engine: Engine, health: Health) -> None:
    """Say of Search, Collections and the server what the store says of itself; the log has every change."""
    well = True
    while True:
        await asyncio.sleep(WELL_SECONDS if well else ILL_SECONDS)
        error = await asyncio.to_thread(_trouble, engine)
        if well == (error is None):
            continue
        well = error is None
        await health.say(well, *OF_THE_STORE)
        if error is None:
            log.info("the store answers again: Search and Collections are SERVING")
        else:
            log.warning("Search and Collections are NOT_SERVING: %s [%s]", error.message, error.reason)


def _load(engine: Engine) -> None:
    _check(engine)
    engine.warm_up()


def _check(engine: Engine) -> None:
    engine.store.check(deadline=time.monotonic() + CHECK_SECONDS)


def _trouble(engine: Engine) -> PixkinError | None:
    try:
        _check(engine)
    except Exception as error:  # whatever a check provokes, the next one may find the store well again
        return known_error(error)
    return None
