"""What Prometheus reads of a server (extra `http`). docs/grafana.json is a dashboard over exactly these."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version

from pixkin_embedding.profiles import IGNORED, REASONS
from pixkin_proto.errors import PixkinError
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from pixkin_server.calls import Calls
from pixkin_server.engine import Engine
from pixkin_server.interceptors import code_of
from pixkin_server.observing import CANCELLED, OK

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, math.inf)
COUNTING_SECONDS = 2.0
"""How long the store may take to tell the sizes of its collections; else the page goes without them."""


class Metrics:
    """The counters of one server. It is an `Observer` of its calls."""

    def __init__(self, engine: Engine, calls: Calls) -> None:
        self.registry = CollectorRegistry()
        self._calls = Counter(
            "pixkin_calls", "Calls by how they ended.", ("interface", "method", "code"), registry=self.registry
        )
        self._errors = Counter(
            "pixkin_errors", "Failed calls by reason.", ("interface", "method", "reason"), registry=self.registry
        )
        self._seconds = Histogram(
            "pixkin_call_seconds", "How long calls took.", ("interface", "method"), buckets=SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self._stages = Histogram(
            "pixkin_stage_seconds", "How long the stages of searches and embeddings took.", ("stage",),
            buckets=SECONDS, registry=self.registry,
        )  # fmt: skip
        waiting = Gauge("pixkin_calls_waiting", "Calls that run or wait for a thread.", registry=self.registry)
        waiting.set_function(lambda: calls.waiting)
        streams = Gauge("pixkin_streams", "Streams that are open.", registry=self.registry)
        streams.set_function(lambda: calls.streaming)
        Info("pixkin_build", "The version of pixkin.", registry=self.registry).info({"version": pixkin_version()})
        ProcessCollector(registry=self.registry)
        self.registry.register(_OfTheEngine(engine))

    def ended(self, interface: str, method: str, error: PixkinError | None, seconds: float, *, cancelled: bool) -> None:
        """Count a call."""
        code = CANCELLED if cancelled else OK if error is None else code_of(error).name
        self._calls.labels(interface, method, code).inc()
        self._seconds.labels(interface, method).observe(seconds)
        if error is not None:
            self._errors.labels(interface, method, error.reason).inc()

    def took(self, stage: str, seconds: float) -> None:
        """Note how long one stage took."""
        self._stages.labels(stage).observe(seconds)

    def page(self) -> bytes:
        """Return all of it in the text format of Prometheus; asks the store, for a while."""
        return generate_latest(self.registry)


class _OfTheEngine(Collector):
    """What is asked of the engine each time: the collections' sizes, and what computes vectors."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def describe(self) -> Iterator[Metric]:
        """Name the metrics without asking for them."""
        yield from (self._items({}), self._providers({}), self._profiles({}))

    def collect(self) -> Iterator[Metric]:
        """Ask."""
        yield self._providers(self._engine.providers())
        yield self._profiles(IGNORED)
        try:
            found = self._engine.collections(timeout=COUNTING_SECONDS)
        except Exception:  # a store that does not answer has no sizes; /readyz says so
            found = []
        yield self._items({each.name: each.items for each in found})

    def _items(self, found: dict[str, int]) -> Metric:
        family = GaugeMetricFamily("pixkin_collection_items", "Items of a collection.", labels=("collection",))
        for name, items in found.items():
            family.add_metric((name,), items)
        return family

    def _profiles(self, ignored: Mapping[str, int]) -> Metric:
        family = CounterMetricFamily(
            "pixkin_colour_profiles_ignored", "Pictures whose colour profile was not used.", labels=("reason",)
        )
        for reason in REASONS:
            family.add_metric((reason,), ignored.get(reason, 0))
        return family

    def _providers(self, found: dict[str, str]) -> Metric:
        family = InfoMetricFamily("pixkin_provider", "What runs a loaded extractor.", labels=("fingerprint",))
        for fingerprint, provider in found.items():
            family.add_metric((fingerprint[:12],), {"provider": provider})
        return family


def pixkin_version() -> str:
    """Return the version of the installed pixkin; "unknown" where it runs from a checkout that is not installed."""
    try:
        return version("pixkin")
    except PackageNotFoundError:
        return "unknown"
