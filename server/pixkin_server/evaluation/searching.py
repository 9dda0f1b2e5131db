"""The searches of an evaluation: full rankings by the plan that is evaluated, through the service of production."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from pixkin_proto.errors import InvalidArgument
from pixkin_proto.names import resolve_descriptor
from pixkin_scoring.evaluation.evaluating import Ranking
from pixkin_scoring.evaluation.judgements import JudgedQuery
from pixkin_scoring.measures import Better, find_measure
from pixkin_scoring.plan import CANDIDATE_RULE, MAX_SIZE, DescriptorChoice, Plan
from pixkin_scoring.results import SearchResult

from pixkin_server.api import Query, Service
from pixkin_server.evaluation.examples import Examples


class Searching:
    """Ranks a collection for the queries of a ground truth, one after the other.

    distractors: collections whose items are mixed into every ranking by their values, ties by id, under NAME/id; none
    is a right answer. Searches are strict: no stage is skipped, no shard left out. Raises InvalidArgument where a
    collection of queries or distractors was made by another extractor.
    """

    def __init__(
        self,
        service: Service,
        collection: str,
        plan: Plan,
        examples: Examples,
        *,
        include_self: bool = False,
        distractors: Sequence[str] = (),
    ) -> None:
        self._service, self._collection, self._examples = service, collection, examples
        self._items = service.describe(collection).items
        depth = CANDIDATE_RULE.parse(plan.candidates).options.get("depth", MAX_SIZE)
        size = min(max(self._items, 1), MAX_SIZE, max(int(depth), 1))
        self._plan = replace(
            plan, size=size, offset=0, include_self=include_self, fit_deadline=False, allow_partial=False,
            omit_labels=True,
        )  # fmt: skip
        self.ran = self._plan
        if distractors and (plan.expand or plan.rerank or len(plan.descriptors) > 1):
            raise InvalidArgument(
                "distractors are mixed into plain rankings; a plan that expands, fuses or re-ranks takes none"
            )
        self._compatible: set[str] = set()
        if collection in distractors or len(set(distractors)) < len(distractors):
            raise InvalidArgument(
                f"distractors are collections besides {collection}, each named once, not {', '.join(distractors)}"
            )
        self._distractors = [self._checked(name) for name in distractors]

    @property
    def cut(self) -> int:
        """The rank at which rankings end before the collection does; 0 when they are whole."""
        return self._plan.size if self._items > self._plan.size else 0

    def __call__(self, judged: JudgedQuery) -> Ranking:
        """Search one query."""
        if judged.collection and judged.collection not in self._compatible:
            self._compatible.add(self._checked(judged.collection))
        query = self._examples.query(judged)
        began = time.perf_counter()
        result = self._service.search(self._collection, [query], self._plan)
        self.ran = result.plan
        ranking = Ranking(result.hits.ids, result.hits.values, (time.perf_counter() - began) * 1000)
        return self._mixed(ranking, query) if self._distractors else ranking

    def _mixed(self, ranking: Ranking, query: Query) -> Ranking:
        if query.id:
            stored = self._service.get(self._collection, query.id, vectors=True).vectors
            query = Query(vectors={each.name: stored[each.name] for each in self.ran.descriptors})
        began = time.perf_counter()
        others = [(name, self._of(name, query)) for name in self._distractors]
        ids = [*ranking.ids, *(f"{name}/{item}" for name, found in others for item in found.hits.ids)]
        values = np.concatenate([ranking.values, *(found.hits.values for _, found in others)])
        better = find_measure(self.ran.descriptors[0].measure).better
        order = np.lexsort((np.array(ids, object), values if better is Better.LOW else -values))
        ms = ranking.ms + (time.perf_counter() - began) * 1000
        return Ranking([ids[at] for at in order], values[order], ms)

    def _of(self, name: str, query: Query) -> SearchResult:
        items = min(max(self._service.describe(name).items, 1), MAX_SIZE)
        plan = replace(self.ran, size=items, candidates=f"exact:depth={items}", filter=())
        return self._service.search(name, [query], plan)

    def _checked(self, name: str) -> str:
        """Return the name of a collection whose vectors compare with those of the one that is searched."""
        mine = {d.name: d for d in self._service.describe(self._collection).descriptors}
        theirs = {d.name: d for d in self._service.describe(name).descriptors}
        for choice in self._plan.descriptors or (DescriptorChoice(),):
            wanted = resolve_descriptor(choice.name, list(mine))
            other = theirs.get(wanted)
            if other is None:
                raise InvalidArgument(f"{name} has no descriptor {wanted}; index both collections with one extractor")
            if (other.fingerprint, other.dim) != (mine[wanted].fingerprint, mine[wanted].dim):
                raise InvalidArgument(
                    f"{wanted} of {name} was not made by the extractor of {self._collection}; index both with one"
                )
        return name
