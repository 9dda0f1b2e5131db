"""Where the values of hits come from, as messages and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pixkin_proto.v1 import search_pb2
from pixkin_scoring.explaining import BinContribution, Explanation, RegionContribution

from pixkin_server.messages.axes import outline_from_proto, outline_to_proto


def explanations_to_proto(explanations: Iterable[Sequence[Explanation]]) -> list[search_pb2.HitExplanation]:
    """Return the explanations of hits as messages."""
    return [search_pb2.HitExplanation(descriptors=map(_to_proto, each)) for each in explanations]


def explanations_from_proto(messages: Iterable[search_pb2.HitExplanation]) -> tuple[tuple[Explanation, ...], ...]:
    """Return the explanations of hits."""
    return tuple(tuple(map(_from_proto, message.descriptors)) for message in messages)


def _to_proto(explanation: Explanation) -> search_pb2.Explanation:
    return search_pb2.Explanation(
        descriptor=explanation.descriptor,
        measure=explanation.measure,
        sum=explanation.sum,
        bins=[
            search_pb2.BinContribution(
                bin=each.bin, name=each.name, query=each.query, item=each.item, contribution=each.contribution
            )
            for each in explanation.bins
        ],
        regions=[
            search_pb2.RegionContribution(
                name=each.name, contribution=each.contribution, outline=outline_to_proto(each.outline)
            )
            for each in explanation.regions
        ],
    )


def _from_proto(message: search_pb2.Explanation) -> Explanation:
    return Explanation(
        message.descriptor,
        message.measure,
        message.sum,
        tuple(BinContribution(each.bin, each.name, each.query, each.item, each.contribution) for each in message.bins),
        tuple(
            RegionContribution(each.name, each.contribution, outline_from_proto(each.outline))
            for each in message.regions
        ),
    )
