"""Items that share a label with a query."""

from __future__ import annotations

from collections.abc import Mapping

from pixkin_scoring.evaluation.judgements import SOLE, Judgement
from pixkin_scoring.evaluation.protocols.protocol import Labels


class Sharing:
    """The right answers to queries with labels: all items that have one of them.

    Queries with equal labels get the very same judgement: 50,000 sets of 5,000 ids would fill any memory.
    """

    def __init__(self, items: Labels) -> None:
        self._by_label: dict[str, set[str]] = {}
        for item, labels in items.items():
            for label in labels:
                self._by_label.setdefault(label, set()).add(item)
        self._judgements: dict[frozenset[str], Mapping[str, Judgement]] = {}

    def judgements(self, labels: frozenset[str]) -> Mapping[str, Judgement]:
        """Return the sole judgement of a query with these labels; an item that is the query itself counts too."""
        if labels not in self._judgements:
            sets = (self._by_label.get(label, set()) for label in labels)
            self._judgements[labels] = {SOLE: Judgement(frozenset().union(*sets))}
        return self._judgements[labels]

    def count(self, labels: frozenset[str]) -> int:
        """Return how many items have one of these labels."""
        return len(self.judgements(labels)[SOLE].relevant)
