"""The messages of the Search service and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from pixkin_proto.errors import PixkinError
from pixkin_proto.v1 import search_pb2
from pixkin_scoring.plan import DEFAULT_SIZE, DescriptorChoice, Plan, check_parts
from pixkin_scoring.results import Hits, SearchResult

from pixkin_server.api import Query, SearchCall
from pixkin_server.counts import MAX_EXAMPLES, check_count
from pixkin_server.messages.errors import error_from_proto, error_to_proto
from pixkin_server.messages.explanations import explanations_from_proto, explanations_to_proto
from pixkin_server.messages.types import (
    box_from_proto,
    box_to_proto,
    timings_to_proto,
    vectors_from_proto,
    vectors_to_proto,
)


def query_to_proto(query: Query) -> search_pb2.Query:
    """Return a query as a message."""
    message = search_pb2.Query(weight=query.weight)
    if query.image is not None:
        message.image.CopyFrom(search_pb2.ImageQuery(data=query.image, crop=box_to_proto(query.crop)))
    elif query.vectors is not None:
        message.vector.CopyFrom(search_pb2.VectorQuery(vectors=vectors_to_proto(query.vectors)))
    elif query.id:
        message.id = query.id
    return message


def query_from_proto(message: search_pb2.Query) -> Query:
    """Return a query."""
    weight = message.weight if message.HasField("weight") else 1.0
    match message.WhichOneof("source"):
        case "image":
            crop = box_from_proto(message.image.crop) if message.image.HasField("crop") else None
            return Query(image=message.image.data, crop=crop, weight=weight)
        case "vector":
            return Query(vectors=vectors_from_proto(message.vector.vectors), weight=weight)
        case _:
            return Query(id=message.id, weight=weight)


def plan_to_proto(plan: Plan) -> search_pb2.Plan:
    """Return a plan as a message; size and offset stand in the request."""
    return search_pb2.Plan(
        descriptors=[
            search_pb2.DescriptorChoice(name=choice.name, measure=choice.measure, weight=choice.weight)
            for choice in plan.descriptors
        ],
        fuse=plan.fuse,
        candidates=plan.candidates,
        expand=plan.expand,
        rerank=plan.rerank,
        filter=plan.filter,
        normalise=plan.normalise,
        include_self=plan.include_self,
        fit_deadline=plan.fit_deadline,
        allow_partial=plan.allow_partial,
        omit_labels=plan.omit_labels,
    )


def plan_from_proto(
    message: search_pb2.Plan, *, size: int = DEFAULT_SIZE, offset: int = 0, explain: bool = False
) -> Plan:
    """Return a plan; absent parts take the plan's own defaults, and what stands in the request is given beside it."""
    default = Plan()
    return Plan(
        descriptors=tuple(
            DescriptorChoice(choice.name, choice.measure, choice.weight if choice.HasField("weight") else 1.0)
            for choice in message.descriptors
        ),
        fuse=message.fuse,
        candidates=message.candidates or default.candidates,
        expand=message.expand,
        rerank=tuple(message.rerank),
        filter=tuple(message.filter),
        normalise=message.normalise or default.normalise,
        include_self=message.include_self,
        fit_deadline=message.fit_deadline,
        allow_partial=message.allow_partial,
        omit_labels=message.omit_labels,
        explain=explain,
        size=size,
        offset=offset,
    )


def request_to_proto(collection: str, queries: Sequence[Query], plan: Plan) -> search_pb2.SearchRequest:
    """Return a search as a message."""
    return search_pb2.SearchRequest(
        collection=collection,
        queries=[query_to_proto(query) for query in queries],
        plan=plan_to_proto(plan),
        size=plan.size,
        offset=plan.offset,
        explain=plan.explain,
    )


def request_from_proto(message: search_pb2.SearchRequest) -> SearchCall:
    """Return a search. Raises InvalidArgument for broken vectors and too many examples, InvalidPlan for many stages."""
    check_count("a search", "examples", message.queries, MAX_EXAMPLES)
    check_parts(message.plan.descriptors, message.plan.rerank, message.plan.filter)
    size = message.size if message.HasField("size") else DEFAULT_SIZE
    plan = plan_from_proto(message.plan, size=size, offset=message.offset, explain=message.explain)
    return message.collection, [query_from_proto(query) for query in message.queries], plan


def result_to_proto(result: SearchResult) -> search_pb2.SearchReply:
    """Return hits as parallel arrays."""
    hits = result.hits
    return search_pb2.SearchReply(
        ids=hits.ids,
        scores=hits.scores,
        values=hits.values,
        labels=[] if result.plan.omit_labels else [_labels(hits.labels.get(item, ())) for item in hits.ids],
        plan=plan_to_proto(result.plan),
        timings=timings_to_proto(result.timings_ms),
        skipped=result.skipped,
        offset=result.plan.offset,
        partial=result.partial,
        explanations=explanations_to_proto(result.explanations),
    )


def result_from_proto(message: search_pb2.SearchReply, asked: Plan) -> SearchResult:
    """Return the hits of a reply to a request with the plan that was asked for."""
    ids = list(message.ids)
    labels = {item: frozenset(each.labels) for item, each in zip(ids, message.labels, strict=False) if each.labels}
    hits = Hits(ids, np.array(message.scores), np.array(message.values), labels, message.offset)
    plan = plan_from_proto(message.plan, size=asked.size, offset=message.offset, explain=asked.explain)
    timings_ms = {timing.stage: timing.ms for timing in message.timings}
    explanations = explanations_from_proto(message.explanations)
    return SearchResult(hits, plan, timings_ms, tuple(message.skipped), message.partial, explanations)


def _labels(labels: Iterable[str]) -> search_pb2.Labels:
    return search_pb2.Labels(labels=sorted(labels))


def outcome_to_proto(outcome: SearchResult | PixkinError) -> search_pb2.SearchOutcome:
    """Return what became of one search of a batch as a message."""
    if isinstance(outcome, PixkinError):
        return search_pb2.SearchOutcome(error=error_to_proto(outcome))
    return search_pb2.SearchOutcome(reply=result_to_proto(outcome))


def outcome_from_proto(message: search_pb2.SearchOutcome, asked: Plan) -> SearchResult | PixkinError:
    """Return what became of one search of a batch."""
    if message.WhichOneof("outcome") == "error":
        return error_from_proto(message.error)
    return result_from_proto(message.reply, asked)
