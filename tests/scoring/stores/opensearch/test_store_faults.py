"""What a caller of the store gets from a cluster that does not do what it should: an error that fits, never nothing."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import (
    Deadline,
    Internal,
    Overloaded,
    PartialResult,
    PixkinError,
    StoreDenied,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)
from pixkin_scoring.items import Candidates, Item, ItemUpdate
from pixkin_scoring.query import CandidateSearch, ScoringQuery
from pixkin_scoring.stores import open_store
from pixkin_scoring.stores.opensearch.store import OpenSearchStore
from pixkin_server.opensearch_node.node import Node

from tests.scoring.stores.opensearch.conftest import HUES, Maker, items, making, soon
from tests.scoring.stores.opensearch.fault_proxy import (
    Behaviour,
    FaultProxy,
    Forward,
    Reply,
    Request,
    answer,
    delay,
    drop_after,
    drop_before,
    error,
    forward,
    garbage,
    rewritten,
    truncated,
)

pytestmark = pytest.mark.slow

COUNT = 40
QUERY = ScoringQuery(HUES.name, "chi2", np.array([0.4, 0.3, 0.2, 0.1]))
IDS = [item.id for item in items(COUNT)]
Call = Callable[[OpenSearchStore, str, float], object]


def searches(name: str) -> list[CandidateSearch]:
    """Three searches of one collection."""
    return [CandidateSearch(name, replace(QUERY, measure=measure), 10) for measure in ("chi2", "kl", "cosine")]


def plain(found: object) -> object:
    """Return what a call found as values that `==` compares."""
    if isinstance(found, Candidates):
        return found.ids, found.values.tolist()
    if isinstance(found, np.ndarray):
        return found.tolist()
    if isinstance(found, Item):
        return replace(found, vectors={}), {name: vector.tolist() for name, vector in found.vectors.items()}
    if isinstance(found, Mapping):
        return {key: plain(value) for key, value in found.items()}
    if isinstance(found, list | tuple):
        return [plain(each) for each in found]
    return found


READS: dict[str, Call] = {
    "candidates": lambda store, name, end: store.candidates(name, QUERY, depth=10, filters=(), deadline=end),
    "candidates_batch": lambda store, name, end: store.candidates_batch(searches(name), deadline=end),
    "labels": lambda store, name, end: store.labels(name, IDS[:5], deadline=end),
    "all labels": lambda store, name, end: store.labels(name, deadline=end),
    "fetch": lambda store, name, end: store.fetch(name, HUES.name, IDS[:5], deadline=end),
    "describe": lambda store, name, end: replace(store.describe(name, deadline=end), bytes={}),
    "get": lambda store, name, _: store.get(name, [*IDS[:5], "none"], vectors=True, thumbnails=True),
    "list_items": lambda store, name, _: store.list_items(name, (), size=10),
    "scan": lambda store, name, _: [[ids, rows.tolist()] for ids, rows in store.scan(name, HUES.name, block=15)],
    "generation": lambda store, name, _: store.generation(name),
    "get_attachment": lambda store, name, _: store.get_attachment(name, "graph"),
    "list": lambda store, _name, _end: store.list(),
    "verify": lambda store, name, _: store.verify(name).items,
    "check": lambda store, _, end: store.check(deadline=end),
}
"""Every call that reads, without and with a deadline."""
WRITES: dict[str, Call] = {
    "add": lambda store, name, end: list(store.add(name, items(COUNT), deadline=end)),
    "update": lambda store, name, end: store.update(
        name, [ItemUpdate(IDS[0], labels=frozenset({"new"})), ItemUpdate(IDS[1], new_id="zz")], deadline=end
    ),
    "remove": lambda store, name, end: store.remove(name, IDS[:3], deadline=end),
    "put_attachment": lambda store, name, end: store.put_attachment(name, "graph", b"data", deadline=end),
    "add_descriptor": lambda store, name, end: store.add_descriptor(
        name, Descriptor("more", 2), [(IDS, np.ones((COUNT, 2), np.float32))], deadline=end
    ),
    "drop": lambda store, name, _: store.drop(name),
    "reindex": lambda store, name, _: store.reindex(name, lambda layout: layout).items,
    "create": lambda store, name, _: store.create(f"{name}-new", [HUES]).items,
}
TIMED = ("candidates", "labels", "all labels", "fetch", "describe", "check", "add", "update", "remove",
         "put_attachment", "add_descriptor")  # fmt: skip
FOR_EVER: dict[str, tuple[Behaviour, type[PixkinError]]] = {
    "401": (answer(401, b"Unauthorized"), StoreDenied),
    "403": (error(403, "security_exception", "no permissions for [indices:data/read/search]"), StoreDenied),
    "429": (error(429, "opensearch_rejected_execution_exception", "rejected execution"), Overloaded),
    "502": (answer(502, b"<html>Bad Gateway</html>", content_type="text/html"), StoreUnavailable),
    "503": (answer(503, b""), StoreUnavailable),
    "504": (answer(504, b""), StoreUnavailable),
    "no cluster manager": (
        error(503, "cluster_block_exception", "blocked by: [SERVICE_UNAVAILABLE/2/no cluster-manager];"),
        StoreUnavailable,
    ),
    "not discovered": (error(503, "cluster_manager_not_discovered_exception", "none"), StoreUnavailable),
    "dropped": (drop_before(), StoreUnavailable),
    "garbage": (garbage(), StoreUnavailable),
    "truncated": (truncated(), StoreUnavailable),
    "{}": (answer(200, {}), StoreUnavailable),
    "another object": (answer(200, {"message": "welcome"}), StoreUnavailable),
    "a list": (answer(200, []), StoreUnavailable),
    "a page": (answer(200, b"<html>Sign in</html>", content_type="text/html"), StoreUnavailable),
}
"""What a cluster, or what stands before it, may answer to everything, and the error that this is."""


@pytest.fixture(scope="module")
def sound(nodes: Callable[[str], Node]) -> Iterator[str]:
    """A collection with items and an attachment, which no test changes."""
    with closing(open_store(nodes("3.8.0").url)) as store, making(store) as make:
        name = make(COUNT)
        store.put_attachment(name, "graph", b"data", deadline=soon())
        yield name


def outcome(call: Callable[[], object]) -> object:
    """Return what a call found, or the error that it raised; of a batch the first error."""
    try:
        found = call()
    except PixkinError as raised:
        return raised
    errors = [each for each in found if isinstance(each, PixkinError)] if isinstance(found, list) else []
    return errors[0] if errors else plain(found)


def after(passed: int, then: Behaviour, *, once: bool = False) -> Callable[[Request], Behaviour]:
    """Pass so many requests on; then comes the fault, once or for ever."""
    seen = 0

    def choose(_: Request) -> Behaviour:
        nonlocal seen
        seen += 1
        return then if seen > passed and not (once and seen > passed + 1) else forward()

    return choose


@pytest.mark.parametrize("call", READS)
def test_a_read_that_meets_a_fault_at_any_of_its_requests_raises_what_it_is(
    call: str, sound: str, proxy: FaultProxy, impatient: None
) -> None:
    with closing(open_store(proxy.url)) as fresh:
        assert not isinstance(outcome(lambda: READS[call](fresh, sound, soon())), PixkinError)
    wrong = []
    for position, (fault, (behaviour, leaf)) in itertools.product(range(proxy.count), FOR_EVER.items()):
        proxy.when(after(position, behaviour))
        with closing(open_store(proxy.url)) as fresh:
            found = outcome(lambda: READS[call](fresh, sound, soon()))  # noqa: B023  # called here
        if type(found) is not leaf and not (call == "check" and leaf is StoreDenied and position):
            wrong.append((position, fault, found))
    assert wrong == []


@pytest.mark.parametrize("call", WRITES)
def test_a_write_that_meets_a_fault_at_any_of_its_requests_raises_what_it_is(
    call: str, make: Maker, proxy: FaultProxy, impatient: None
) -> None:
    with closing(open_store(proxy.url)) as fresh:
        WRITES[call](fresh, make(COUNT), soon())
    wrong = []
    for position, fault in itertools.product(range(proxy.count), ["503", "{}"]):
        behaviour, leaf = FOR_EVER[fault]
        name = make(COUNT)
        proxy.when(after(position, behaviour))
        with closing(open_store(proxy.url)) as fresh:
            found = outcome(lambda: WRITES[call](fresh, name, soon(0.5)))  # noqa: B023  # called here
        if type(found) is not leaf:
            wrong.append((position, fault, found, proxy.requests[-1].path))
    assert wrong == []


@pytest.mark.parametrize("call", [*READS, *WRITES])
def test_a_cluster_that_refuses_connections_is_unavailable(
    call: str, sound: str, proxy: FaultProxy, through: OpenSearchStore, impatient: None
) -> None:
    through.describe(sound)
    proxy.stop()
    found = outcome(lambda: (READS | WRITES)[call](through, "another", soon(0.5)))
    assert isinstance(found, StoreUnavailable)
    assert "cannot be reached" in found.message


@pytest.mark.parametrize("call", TIMED)
def test_a_slow_cluster_costs_the_caller_no_more_than_its_deadline(
    call: str, make: Maker, proxy: FaultProxy, direct: OpenSearchStore
) -> None:
    name = make(COUNT)
    with closing(open_store(proxy.url)) as fresh:
        (READS | WRITES)[call](fresh, name, soon())
    count, late = proxy.count, []
    for position in range(count):
        name = make(COUNT) if call in WRITES else name
        proxy.when(after(position, delay(3)))
        began = time.monotonic()
        with closing(open_store(proxy.url)) as fresh, pytest.raises(Deadline):
            (READS | WRITES)[call](fresh, name, began + 0.7)
        late.append(time.monotonic() - began - 0.7)
    assert max(late) < 0.5


@pytest.mark.parametrize("fault", ["429", "503", "dropped", "refused"])
def test_tries_stay_inside_the_deadline(
    fault: str, sound: str, proxy: FaultProxy
) -> None:
    for call in TIMED:
        with closing(open_store(proxy.url)) as fresh:
            fresh.check()
            if fault == "refused":
                proxy.stop()
            else:
                proxy.always(FOR_EVER[fault][0])
            began = time.monotonic()
            with pytest.raises(Overloaded if fault == "429" else StoreUnavailable):
                (READS | WRITES)[call](fresh, sound, began + 0.5)
            assert time.monotonic() - began < 1, call
        proxy.start()
        proxy.reset()


@pytest.mark.parametrize("call", [*READS, *WRITES])
@pytest.mark.parametrize("fault", ["429", "502", "503", "504", "dropped"])
def test_a_cluster_that_recovers_is_waited_for(
    call: str, fault: str, sound: str, make: Maker, proxy: FaultProxy, direct: OpenSearchStore
) -> None:
    run = (READS | WRITES)[call]
    if call in READS:
        expected = outcome(lambda: run(direct, sound, soon()))
        name = sound
    else:
        expected, name = plain(run(direct, make(COUNT), soon())), make(COUNT)
    every_other = itertools.cycle([FOR_EVER[fault][0], forward()])
    proxy.when(lambda _: next(every_other))
    with closing(open_store(proxy.url)) as fresh:
        assert outcome(lambda: run(fresh, name, soon())) == expected
