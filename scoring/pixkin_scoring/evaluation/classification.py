"""Nearest-neighbour classification: the class of a query is that of its best hit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TOP = (1, 2, 3)


@dataclass(frozen=True)
class Classification:
    """How well the classes of the nearest neighbours fit.

    classes: names, sorted · confusion: (c, c) int64, rows the query's class, columns that of its first hit · accuracy:
    by k, the part of the queries whose class is among the first k different classes of its ranking · precision: mean
    over the classes that were answered at all of the part of the answers that are right.
    """

    classes: tuple[str, ...]
    confusion: NDArray[np.int64]
    accuracy: Mapping[int, float]
    precision: float


class Classifier:
    """Collects the nearest neighbours of queries. classes: the class of every item by id."""

    def __init__(self, classes: Mapping[str, str]) -> None:
        self._of = classes
        self._names = sorted(set(classes.values()))
        self._confusion = np.zeros((len(self._names), len(self._names)), np.int64)
        self._right = dict.fromkeys(TOP, 0)
        self._queries = 0

    def add(self, label: str, ids: Sequence[str]) -> None:
        """Count a query of class `label` with the ids of its ranking, best first."""
        order = self._first_classes(ids)
        self._queries += 1
        if order:
            self._confusion[self._names.index(label), self._names.index(order[0])] += 1
        for k in TOP:
            self._right[k] += label in order[:k]

    def result(self) -> Classification:
        """Return the figures of all queries so far; at least one."""
        answers = self._confusion.sum(axis=0)
        answered = answers > 0
        precision = np.diag(self._confusion)[answered] / answers[answered]
        return Classification(
            tuple(self._names),
            self._confusion,
            {k: right / self._queries for k, right in self._right.items()},
            float(precision.mean()) if answered.any() else 0.0,
        )

    def _first_classes(self, ids: Sequence[str]) -> list[str]:
        order: list[str] = []
        for item in ids:
            name = self._of.get(item)
            if name is not None and name not in order:
                order.append(name)
                if len(order) == max(TOP):
                    break
        return order
