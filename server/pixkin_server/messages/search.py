"""The messages of the Search service and back."""

from __future__ import annotations

from pixkin_proto.v1 import search_pb2
from pixkin_scoring.plan import DEFAULT_SIZE, DescriptorChoice, Plan
from pixkin_scoring.results import Hit, SearchResult

from pixkin_server.api import Query
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
    )


def plan_from_proto(message: search_pb2.Plan, *, size: int = DEFAULT_SIZE, offset: int = 0) -> Plan:
    """Return a plan; absent parts take the plan's own defaults."""
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
        size=size,
        offset=offset,
    )


def result_to_proto(result: SearchResult) -> search_pb2.SearchReply:
    """Return hits as parallel arrays."""
    return search_pb2.SearchReply(
        ids=[hit.id for hit in result.hits],
        scores=[hit.score for hit in result.hits],
        values=[hit.value for hit in result.hits],
        labels=[search_pb2.Labels(labels=hit.labels) for hit in result.hits],
        plan=plan_to_proto(result.plan),
        timings=timings_to_proto(result.timings_ms),
        skipped=result.skipped,
        offset=result.plan.offset,
    )


def result_from_proto(message: search_pb2.SearchReply, *, size: int) -> SearchResult:
    """Return the hits of a reply to a request of `size`."""
    arrays = zip(message.ids, message.scores, message.values, message.labels, strict=True)
    hits = tuple(
        Hit(message.offset + 1 + i, item, score, value, tuple(labels.labels))
        for i, (item, score, value, labels) in enumerate(arrays)
    )
    plan = plan_from_proto(message.plan, size=size, offset=message.offset)
    return SearchResult(hits, plan, {t.stage: t.ms for t in message.timings}, tuple(message.skipped))
