"""A node that is killed again and again while items are added."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from random import Random
from typing import Self

import numpy as np
import pytest
from pixkin_proto.errors import PixkinError
from pixkin_scoring.items import Item
from pixkin_scoring.stores import open_store
from pixkin_scoring.stores.opensearch.store import OpenSearchStore
from pixkin_server.opensearch_node.node import Node

from tests.scoring.stores.opensearch.conftest import HUES, soon

pytestmark = pytest.mark.slow

KILLS = 20


def item(number: int) -> Item:
    vector = np.array([number, 1, 2, 3], dtype=np.float32)
    return Item(f"{number:06}", {HUES.name: vector}, labels=frozenset({"added"}), thumbnail=b"jpeg" * 100)


class Client:
    """Adds items one after the other, and those again whose result did not come, until it is told to stop."""

    def __init__(self, url: str, name: str) -> None:
        self.states: dict[int, str] = {}
        self.failures: list[PixkinError] = []
        self._url, self._name = url, name
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        chance = Random(1)  # noqa: S311  # how long a client waits, no secrets
        with closing(open_store(self._url)) as store:
            while not self._enough.is_set():
                with suppress(PixkinError):
                    self._add(store, chance.choice([1, 5, 30]))

    def _add(self, store: OpenSearchStore, patience: float) -> None:
        numbers = self._numbers()
        try:
            for result in store.add(self._name, (item(number) for number in numbers), deadline=soon(patience)):
                assert result.error is None, result
                self.states[int(result.id)] = result.state
        except PixkinError as error:
            self.failures.append(error)
            raise

    def _numbers(self) -> Iterator[int]:
        for number in range(len(self.states), len(self.states) + 10_000):
            if self._enough.is_set():
                return
            time.sleep(0.0005)
            yield number


def test_a_node_that_is_killed_while_adding_loses_nothing_acknowledged_and_doubles_nothing(own_node: Node) -> None:
    chance = Random(4)  # noqa: S311  # moments to kill at, no secrets
    with closing(open_store(own_node.url)) as store:
        store.create("crashes", [HUES])
    with Client(own_node.url, "crashes") as client:
        for _ in range(KILLS):
            before = len(client.states)
            while len(client.states) < before + chance.randrange(1, 300):
                time.sleep(0.002)
            own_node.kill()
            acknowledged = dict(client.states)
            own_node.start()
            with closing(open_store(own_node.url)) as store:
                ids = [f"{number:06}" for number in acknowledged]
                assert store.get("crashes", ids).keys() == set(ids)
        after = len(client.states)
        while len(client.states) <= after:
            time.sleep(0.01)
    with closing(open_store(own_node.url)) as store:
        listed = [found.id for found in store.list_items("crashes", (), size=100_000)]
        assert listed == sorted(set(listed))
        assert store.describe("crashes").items == len(listed)
        vectors = {
            key: row for keys, rows in store.scan("crashes", HUES.name) for key, row in zip(keys, rows, strict=True)
        }
        assert [*vectors] == listed
        assert all(vector.tolist() == [int(key), 1, 2, 3] for key, vector in vectors.items())
        assert {f"{number:06}" for number in client.states} <= set(listed)
        assert store.verify("crashes").problems == ()
    assert set(client.states.values()) <= {"added", "replaced"}
