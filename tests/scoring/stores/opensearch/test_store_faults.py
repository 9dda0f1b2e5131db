"""What a caller of the store gets from a cluster that does not do what it should: an error that fits, never nothing."""

from __future__ import annotations

import itertools
import json
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
    CollectionExists,
    Deadline,
    Internal,
    Overloaded,
    PartialResult,
    PixkinError,
    ScriptsMissing,
    StoreDenied,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)
from pixkin_scoring.items import Candidates, Item, ItemUpdate
from pixkin_scoring.query import CandidateSearch, ScoringQuery
from pixkin_scoring.stores import open_store
from pixkin_scoring.stores.opensearch import attachments
from pixkin_scoring.stores.opensearch.store import OpenSearchStore
from pixkin_server.opensearch_node.node import Node

from tests.scoring.stores.opensearch.conftest import HUES, Maker, items, making, soon
from tests.scoring.stores.opensearch.fault_proxy import (
    Behaviour,
    FaultProxy,
    Forward,
    Held,
    Reply,
    Request,
    answer,
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
    "describe": lambda store, name, end: replace(store.describe(name, deadline=end), bytes={}, store=""),
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


class After:
    """Passes so many requests on; then comes the fault, once or for ever. `met`: it came."""

    def __init__(self, passed: int, fault: Behaviour, *, once: bool = False) -> None:
        self.met = False
        self._passed, self._fault, self._once = passed, fault, once

    def __call__(self, _: Request) -> Behaviour:
        """Choose what becomes of a request."""
        self._passed -= 1
        if self._passed >= 0 or (self._once and self.met):
            return forward()
        self.met = True
        return self._fault


def positions(proxy: FaultProxy, *, changes: bool = False) -> list[int]:
    """Return which of the requests that came are worth a fault: of the many for scripts the first, or all `changes`."""
    found = []
    seen: set[str] = set()
    for place, request in enumerate(proxy.requests):
        path = request.path.partition("?")[0]
        reads = request.method == "GET" or path.endswith(("_search", "_mget", "_count"))
        script = path.startswith("/_scripts/")
        if not (changes and reads) and not (script and seen & {"script"}):
            found.append(place)
        seen |= {"script"} if script else set()
    return found


@pytest.mark.parametrize("call", READS)
def test_a_read_that_meets_a_fault_at_any_of_its_requests_raises_what_it_is(
    call: str, sound: str, proxy: FaultProxy, impatient: None
) -> None:
    with closing(open_store(proxy.url)) as fresh:
        assert not isinstance(outcome(lambda: READS[call](fresh, sound, soon())), PixkinError)
    wrong = []
    cases = [(0, fault) for fault in FOR_EVER]
    cases += itertools.product(positions(proxy)[1:], ["403", "503", "{}", "another object"])
    for position, fault in cases:
        behaviour, leaf = FOR_EVER[fault]
        late = After(position, behaviour)
        proxy.when(late)
        with closing(open_store(proxy.url)) as fresh:
            found = outcome(lambda: READS[call](fresh, sound, soon()))  # called here
        # A role that may not see plugins is no fault, nor one that may not read every collection that is listed.
        tolerated = call in {"check", "list"} and leaf is StoreDenied and position > 0
        if late.met and type(found) is not leaf and not tolerated:
            wrong.append((position, fault, found))
    assert wrong == []


@pytest.mark.parametrize("call", WRITES)
def test_a_write_that_meets_a_fault_at_any_of_its_requests_raises_what_it_is(
    call: str, make: Maker, proxy: FaultProxy, impatient: None
) -> None:
    with closing(open_store(proxy.url)) as fresh:
        WRITES[call](fresh, make(COUNT), soon())
    wrong = []
    for position, fault in zip(positions(proxy), itertools.cycle(["{}", "403", "another object"])):
        behaviour, leaf = FOR_EVER[fault]
        name, late = make(COUNT), After(position, behaviour)
        proxy.when(late)
        with closing(open_store(proxy.url)) as fresh:
            found = outcome(lambda: WRITES[call](fresh, name, soon(4)))  # noqa: B023  # called here
        if late.met and type(found) is not leaf:
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
    call: str, make: Maker, proxy: FaultProxy, sound: str
) -> None:
    run = (READS | WRITES)[call]
    with closing(open_store(proxy.url)) as fresh:
        run(fresh, make(COUNT) if call in WRITES else sound, soon())
    names = {place: make(COUNT) if call in WRITES else sound for place in positions(proxy)}

    def late(position: int) -> int:
        held = Held()
        with FaultProxy(proxy.upstream) as slow, closing(open_store(slow.url)) as fresh:
            slow.when(After(position, held))
            with pytest.raises(Deadline):
                run(fresh, names[position], soon(1))
            unanswered = held.waiting
            held.let_go()
        return unanswered

    with ThreadPoolExecutor(4) as pool:
        assert min(pool.map(late, names)) > 0  # the cluster still had not answered when the caller knew


@pytest.mark.parametrize("fault", ["429", "503", "dropped", "refused"])
def test_tries_stay_inside_the_deadline(fault: str, sound: str, proxy: FaultProxy) -> None:
    for call in TIMED:
        with closing(open_store(proxy.url)) as fresh:
            fresh.check()
            if fault == "refused":
                proxy.stop()
            else:
                proxy.always(FOR_EVER[fault][0])
            began = time.monotonic()
            with pytest.raises((Overloaded if fault == "429" else StoreUnavailable, Deadline)):
                (READS | WRITES)[call](fresh, sound, began + 0.5)
        proxy.start()
        proxy.reset()


@pytest.mark.parametrize("call", [*READS, *WRITES])
def test_a_cluster_that_recovers_is_waited_for(
    call: str, sound: str, make: Maker, proxy: FaultProxy, direct: OpenSearchStore
) -> None:
    run = (READS | WRITES)[call]
    expected = plain(run(direct, make(COUNT) if call in WRITES else sound, soon()))
    name = make(COUNT) if call in WRITES else sound
    faults = (FOR_EVER[fault][0] for fault in itertools.cycle(["429", "502", "503", "504", "dropped"]))
    fault_then_answer = itertools.chain.from_iterable((fault, forward()) for fault in faults)
    proxy.when(lambda _: next(fault_then_answer))
    with closing(open_store(proxy.url)) as fresh:
        assert plain(run(fresh, name, soon())) == expected


def state(store: OpenSearchStore, name: str) -> object:
    """Return all that a collection holds, None where it is gone."""
    if name not in store.list():
        return None
    found = store.list_items(name, (), size=1000)
    whole = store.get(name, [item.id for item in found], vectors=True, thumbnails=True)
    described = store.describe(name)
    attached = store.get_attachment(name, "graph")
    return (
        plain(whole),
        [item.id for item in found],
        described.items,
        described.descriptors,
        attached and (attached[0], attached[1] == store.generation(name)),
        described.layout["index"].removeprefix(name),
        [problem.replace(name, "") for problem in store.verify(name).problems],
    )


AGAIN: dict[str, Call] = {
    **WRITES,
    "add new": lambda store, name, end: list(
        store.add(name, [replace(item, id=f"new {item.id}") for item in items(3)], deadline=end)
    ),
    "put_attachment": lambda store, name, end: [
        store.put_attachment(name, "graph", data, deadline=end) for data in (b"data" * 600, b"other", b"other")
    ],
    "rollback": lambda store, name, _: store.rollback(name).items,
}
"""Writes whose every request is answered by a broken connection once."""


@pytest.mark.parametrize("call", AGAIN)
def test_a_write_whose_answer_is_lost_is_as_if_it_had_happened_once(
    call: str, make: Maker, proxy: FaultProxy, direct: OpenSearchStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachments, "CHUNK_BYTES", 1000)

    def prepared() -> str:
        name = make(COUNT)
        if call == "rollback":
            direct.reindex(name, lambda layout: layout)
        return name

    name = prepared()
    with closing(open_store(proxy.url)) as fresh:
        expected = plain(AGAIN[call](fresh, name, soon()))
    places, result = positions(proxy, changes=True), state(direct, name)
    for position, lost in zip(places, itertools.cycle([drop_after(), truncated(), then(answer(504))])):
        name = prepared()
        proxy.when(After(position, lost, once=True))
        with closing(open_store(proxy.url)) as fresh:
            assert plain(AGAIN[call](fresh, name, soon())) == expected, position
        assert state(direct, name) == result, position


def then(reply: Behaviour) -> Behaviour:
    """Let the node do it, and answer something else."""

    def behave(request: Request, ask: Forward) -> Reply:
        ask()
        return reply(request, ask)

    return behave


def test_the_create_of_another_is_told_from_ones_own(make: Maker, through: OpenSearchStore, proxy: FaultProxy) -> None:
    name = make()

    none = {"count": 0, "_shards": {"total": 0, "successful": 0, "failed": 0}}
    # As if the other's create came between the look and our own create.
    looked = iter([error(404, "index_not_found_exception", "no such index"), answer(200, {}), answer(200, none)])
    proxy.when(lambda request: next(looked, None) if name in request.path else None)
    with pytest.raises(CollectionExists):
        through.create(name, [HUES])


def busy_items(status: int, kind: str) -> Behaviour:
    """Let the node take the first half of the items of a _bulk, and refuse the others."""

    def behave(request: Request, ask: Forward) -> Reply:
        reply = ask()
        half = len(reply.json["items"]) // 2
        refusal = {"create": {"status": status, "error": {"type": kind, "reason": "rejected execution of a bulk"}}}
        return replace(reply, body=json.dumps({"items": reply.json["items"][:half] + [refusal] * half}).encode())

    return behave


def test_items_that_a_busy_cluster_refuses_are_sent_again(
    make: Maker, through: OpenSearchStore, proxy: FaultProxy
) -> None:
    name = make()
    refusals = iter([busy_items(429, "opensearch_rejected_execution_exception")] * 3)
    proxy.when(lambda request: next(refusals, None) if "_bulk" in request.path else None)
    results = list(through.add(name, items(COUNT), deadline=soon()))
    assert [(result.id, result.state) for result in results] == [(item, "added") for item in IDS]
    assert through.describe(name).items == COUNT


def test_items_that_a_cluster_refuses_for_ever_are_overload_within_the_deadline(
    make: Maker, through: OpenSearchStore, proxy: FaultProxy
) -> None:
    name = make(COUNT)
    refusal = answer(
        200, {"items": [{"index": {"status": 429, "error": {"type": "rejected_execution_exception"}}}] * 3}
    )
    proxy.when(lambda request: refusal if "_bulk" in request.path else None)
    with pytest.raises(Overloaded):
        through.remove(name, IDS[:3], deadline=soon(1))


@pytest.mark.parametrize(
    ("block", "leaf"),
    [("read_only_allow_delete", StoreFull), ("write", StoreReadOnly), ("read_only", StoreReadOnly)],
)
def test_an_index_that_takes_no_writes_says_so_and_is_read_all_the_same(
    block: str, leaf: type[PixkinError], make: Maker, direct: OpenSearchStore
) -> None:
    name = make(COUNT)

    def blocked(*, on: bool) -> None:
        settings = {"index": {f"blocks.{block}": True if on else None}}
        direct.connection.ask("PUT", f"/{name}-v0001/_settings", body=settings)

    expected = {call: outcome(lambda call=call: READS[call](direct, name, soon())) for call in READS}
    blocked(on=True)
    for call in ("add", "update", "remove", "add_descriptor"):
        with pytest.raises(leaf):
            WRITES[call](direct, name, soon(20))
    assert {call: outcome(lambda call=call: READS[call](direct, name, soon())) for call in READS} == expected
    blocked(on=False)
    assert {result.state for result in direct.add(name, items(COUNT), deadline=soon())} == {"replaced"}


def failed_shards(kept: int, reason: str = "node_disconnected_exception") -> Callable[[Any], Any]:
    """Change the answer of a search as if only so many of two shards had answered."""

    def change(reply: Any) -> Any:
        failures = [{"shard": 1, "reason": {"type": reason, "reason": "gone"}}]
        shards = {"total": 2, "successful": kept, "skipped": 0, "failed": 2 - kept, "failures": failures}
        hits = reply["hits"]["hits"]
        return {**reply, "_shards": shards, "hits": {"hits": hits[: len(hits) * kept // 2]}}

    return change


@pytest.mark.parametrize("call", ["candidates", "all labels", "list_items", "scan", "describe"])
@pytest.mark.parametrize(
    ("change", "leaf"),
    [
        (failed_shards(1), PartialResult),
        (failed_shards(0), StoreUnavailable),
        (failed_shards(0, "circuit_breaking_exception"), Overloaded),
        (lambda reply: {**reply, "timed_out": True}, PartialResult),
    ],
)
def test_a_search_that_not_every_shard_answered_is_an_error_and_not_an_empty_result(
    call: str, change: Callable[[Any], Any], leaf: type[PixkinError], sound: str, proxy: FaultProxy
) -> None:
    proxy.when(lambda request: rewritten(change) if "_search" in request.path else None)
    with closing(open_store(proxy.url)) as fresh:
        assert type(outcome(lambda: READS[call](fresh, sound, soon()))) is leaf


def test_what_the_other_shards_found_comes_where_that_is_allowed_and_says_so(
    sound: str, through: OpenSearchStore, proxy: FaultProxy
) -> None:
    whole = through.candidates(sound, QUERY, depth=10, filters=())
    proxy.when(lambda request: rewritten(failed_shards(1)) if "_search" in request.path else None)
    some = through.candidates(sound, QUERY, depth=10, filters=(), allow_partial=True)
    assert some.ids == whole.ids[:5]
    assert "1 of 2 shards failed" in some.partial
    proxy.when(lambda request: rewritten(failed_shards(0)) if "_search" in request.path else None)
    with pytest.raises(StoreUnavailable):
        through.candidates(sound, QUERY, depth=10, filters=(), allow_partial=True)


@pytest.mark.parametrize(
    ("change", "leaf"),
    [
        (failed_shards(1), PartialResult),
        (failed_shards(0), StoreUnavailable),
        (lambda reply: {**reply, "timed_out": True}, PartialResult),
        (lambda _: {}, StoreUnavailable),
        (lambda _: [], StoreUnavailable),
        (lambda _: {"error": {"type": "circuit_breaking_exception", "reason": "heap"}, "status": 429}, Overloaded),
        (lambda _: {"error": {"type": "x", "reason": "unable to find script [y]"}, "status": 404}, ScriptsMissing),
    ],
)
def test_of_several_searches_in_one_request_each_fails_alone(
    change: Callable[[Any], Any], leaf: type[PixkinError], sound: str, through: OpenSearchStore, proxy: FaultProxy
) -> None:
    whole = through.candidates_batch(searches(sound))
    proxy.when(lambda request: rewritten(change_second) if "_msearch" in request.path else None)

    def change_second(reply: Any) -> Any:
        first, second, third = reply["responses"]
        return {"responses": [first, change(second), third]}

    found = through.candidates_batch(searches(sound))
    assert type(found[1]) is leaf
    assert plain([found[0], found[2]]) == plain([whole[0], whole[2]])


def shortened(chance: Random) -> Callable[[Any], Any]:
    """Change an answer as a cluster with shards that are gone would, or cut a part of it away."""

    def change(reply: Any) -> Any:
        if "responses" in reply:
            place = chance.randrange(len(reply["responses"]))
            return {"responses": [change(each) if at == place else each for at, each in enumerate(reply["responses"])]}
        if "docs" in reply:
            gone = {"error": {"type": "no_shard_available_action_exception", "reason": "no shard"}}
            return {"docs": [{"_id": each["_id"], **gone} for each in reply["docs"]]}
        if "hits" in reply:
            return chance.choice([failed_shards(0), failed_shards(1), timed_out, lambda _: {"hits": {}}])(reply)
        if "indices" in reply:
            return {**reply, "indices": {}, "_shards": {"total": 1, "successful": 0, "failed": 0}}
        return {}

    return change


def timed_out(reply: Any) -> Any:
    """Change the answer of a search as if its time had been over before a hit was found."""
    return {**reply, "timed_out": True, "hits": {"hits": []}}


def test_of_a_thousand_reads_through_faults_none_looks_as_if_there_were_nothing(
    sound: str, nodes: Callable[[str], Node], impatient: None
) -> None:
    url = nodes("3.8.0").url
    with closing(open_store(url)) as store:
        expected = {call: outcome(lambda call=call: READS[call](store, sound, soon())) for call in READS}
    with ThreadPoolExecutor(4) as pool:
        counts = sum(pool.map(lambda seed: faulted(url, sound, expected, seed), range(4)), Counter[str]())
    assert counts["faulted"] >= 1000
    assert counts["silent"] == 0
    assert counts["error"] > 700


def faulted(url: str, name: str, expected: Mapping[str, object], seed: int) -> Counter[str]:
    """Make 250 reads that meet faults, and count what came of them."""
    chance = Random(seed)  # noqa: S311  # no secrets
    counts = Counter[str]()
    hit = False

    def choose(_: Request) -> Behaviour:
        nonlocal hit
        if chance.random() < 0.4:
            return forward()
        hit = True
        return chance.choice([*(behaviour for behaviour, _ in FOR_EVER.values()), rewritten(shortened(chance))])

    with FaultProxy(url) as proxy:
        store = open_store(proxy.url)
        while counts["faulted"] < 250:
            hit = False
            if chance.random() < 0.3:
                store.close()
                store = open_store(proxy.url)
            proxy.when(choose)
            call = chance.choice([*READS])
            found = outcome(lambda: READS[call](store, name, soon(5)))  # noqa: B023  # called here
            if hit:
                kind = "error" if isinstance(found, PixkinError) else "same" if found == expected[call] else "silent"
                assert not isinstance(found, Internal), (call, found)
                assert kind != "silent", (call, found)
                counts.update([kind, "faulted"])
        store.close()
    return counts
