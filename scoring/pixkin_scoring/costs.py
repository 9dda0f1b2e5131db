"""What re-ranking stages cost in this process, so that a search with little time left knows which ones fit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

SHARE = 0.3
"""What the newest measurement counts in the moving average."""
HALVED_AFTER = 30.0
"""Seconds after which the cost of a stage that is passed over counts half: what made it slow may be gone."""


class Costs:
    """Milliseconds a candidate by stage, as moving averages. Threads may share them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def expected(self, name: str, candidates: int) -> float:
        """Return the milliseconds that a stage will take, 0 while that is not known."""
        with self._lock:
            cost, _ = self._known.get(name, (0.0, 0.0))
        return cost * candidates

    def learn(self, name: str, candidates: int, ms: float) -> None:
        """Note what a stage has taken."""
        with self._lock:
            before = self._known.get(name)
            cost = ms / max(candidates, 1)
            mean = cost if before is None else (1 - SHARE) * before[0] + SHARE * cost
            self._known[name] = mean, self._clock()

    def passed_over(self, name: str) -> None:
        """Note that a stage did not fit; every 30 s of that halve its cost, so that it is tried again."""
        with self._lock:
            cost, since = self._known.get(name, (0.0, 0.0))
            now = self._clock()
            halvings = int((now - since) // HALVED_AFTER)
            if halvings:
                self._known[name] = cost / 2**halvings, now


COSTS = Costs()
"""Those of this process."""
