"""A deadline of 30 ms at a server of which one stage takes 100 ms: what comes back, and when."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import report
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import Deadline
from pixkin_scoring.items import Item
from pixkin_scoring.plan import Plan
from pixkin_scoring.stores import open_store
from pixkin_server.api import Query
from pixkin_server.client import Client
from servers import serving

PACKAGES = ("numpy", "numba", "grpcio")
SEARCHES, SECONDS = 100, 0.03
PLAN = Plan(rerank=("k-reciprocal", "slow"))
SERVER = """
import time
from pixkin_scoring.rerankers import register_reranker
from pixkin_scoring.rerankers.reranker import Reranker, by_score
from pixkin_scoring.stages import Option
from pixkin_server.cli import main

def slow(shortlist, options):
    time.sleep(0.1)
    return by_score(shortlist.scores)

register_reranker(Reranker("slow", {"top": Option(int, 100, 1, 1000)}, slow))
main()
"""


def measure() -> Iterator[report.Row]:
    """Yield a row for each figure."""
    with tempfile.TemporaryDirectory() as scratch, _serving(Path(scratch)) as client:
        for _ in range(3):
            _asked(client, PLAN, seconds=20)  # what a stage costs is learnt
        fitting = [_asked(client, replace(PLAN, fit_deadline=True)) for _ in range(SEARCHES)]
        yield report.at_least("ranked without the slow stage in 30 ms, of 100", _skipped(fitting), SEARCHES)
        yield report.at_most("the same, p50, ms", median(ms for ms, _ in fitting), SECONDS * 1000)
        yield report.at_most("the same, slowest, ms", max(ms for ms, _ in fitting), SECONDS * 1000)
        ending = [_asked(client, PLAN, pause=0.12) for _ in range(SEARCHES)]
        yield report.at_least("DEADLINE otherwise, of 100", sum(outcome is None for _, outcome in ending), SEARCHES)
        yield {"figure": "the same, p50, ms", "value": median(ms for ms, _ in ending), "limit": "", "ok": True}
        yield {"figure": "the same, slowest, ms", "value": max(ms for ms, _ in ending), "limit": "", "ok": True}


def _skipped(outcomes: list[tuple[float, tuple[str, ...] | None]]) -> int:
    return sum(ms <= SECONDS * 1000 and skipped == ("slow",) for ms, skipped in outcomes)


def _asked(
    client: Client, plan: Plan, *, seconds: float = SECONDS, pause: float = 0.0
) -> tuple[float, tuple[str, ...] | None]:
    """Return the milliseconds of a search, and what it skipped; None for DEADLINE."""
    time.sleep(pause)  # in which a stage that nobody waits for ends
    began = time.perf_counter()
    try:
        skipped = client.search("c", [Query(id="000")], plan, timeout=seconds).skipped
    except Deadline:
        skipped = None
    return (time.perf_counter() - began) * 1000, skipped


@contextmanager
def _serving(folder: Path) -> Iterator[Client]:
    draw = np.random.default_rng(0)
    with closing(open_store(str(folder / "store"))) as store:
        store.create("c", [Descriptor("v", 64)])
        items = (Item(f"{at:03}", {"v": draw.standard_normal(64, dtype=np.float32)}) for at in range(500))
        if errors := [added.error for added in store.add("c", items, deadline=time.monotonic() + 60) if added.error]:
            raise errors[0]
    (folder / "own.py").write_text(SERVER)
    with (
        serving(folder, "store", "--no-http", program=(str(folder / "own.py"),)) as served,
        Client(served.grpc) as client,
    ):
        yield client


if __name__ == "__main__":
    report.main(measure, PACKAGES, __doc__)
