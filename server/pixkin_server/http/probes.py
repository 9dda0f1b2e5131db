"""What those who look after a server ask: does it live, is it ready, what does it count."""

from __future__ import annotations

import asyncio

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from pixkin_server.engine import Engine
from pixkin_server.health import SERVICES, Health
from pixkin_server.http.incoming import Incoming
from pixkin_server.http.replies import as_json, json_reply
from pixkin_server.metrics import Metrics


async def healthz(incoming: Incoming) -> Response:
    """Say that the process answers; store and models are not asked."""
    del incoming
    return json_reply(b'{"status":"ok"}')


class Ready:
    """Says what the health of gRPC says: 200 when Search, Collections and Embedding serve, else 503."""

    def __init__(self, health: Health, engine: Engine) -> None:
        self._health, self._engine = health, engine

    async def __call__(self, incoming: Incoming) -> Response:
        """Return the state of each service, and the providers of the loaded extractors."""
        del incoming
        services = {name.rpartition(".")[2]: self._health.serving(name) for name in SERVICES}
        ready = all(services.values())
        found = {"ready": ready, "services": services, "providers": sorted(set(self._engine.providers().values()))}
        return json_reply(as_json(found), 200 if ready else 503)


class MetricsPage:
    """Answers with the counters in the text format of Prometheus."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def __call__(self, incoming: Incoming) -> Response:
        """Return all counters; the store is asked for the sizes of its collections, in a thread."""
        del incoming
        return Response(await asyncio.to_thread(self._metrics.page), media_type=CONTENT_TYPE_LATEST)
