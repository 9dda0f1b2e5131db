"""The messages of the Embedding service and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pixkin_proto.axes import Axis
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.v1 import embedding_pb2, types_pb2

from pixkin_server.api import Embedding, ExtractorInfo
from pixkin_server.messages.axes import axes_from_proto, axes_to_proto
from pixkin_server.messages.types import (
    descriptor_from_proto,
    descriptor_to_proto,
    timings_to_proto,
    vectors_from_proto,
    vectors_to_proto,
)


def embedding_to_proto(embedding: Embedding, descriptors: Iterable[str]) -> embedding_pb2.EmbedReply:
    """Return the vectors of one picture; those named in descriptors, all when there are none."""
    wanted = list(descriptors) or list(embedding.vectors)
    return embedding_pb2.EmbedReply(
        vectors=vectors_to_proto({name: embedding.vectors[name] for name in wanted}),
        fingerprint=embedding.fingerprint,
        timings=timings_to_proto(embedding.timings_ms),
    )


def embedding_from_proto(message: embedding_pb2.EmbedReply) -> Embedding:
    """Return the vectors of one picture."""
    return Embedding(vectors_from_proto(message.vectors), message.fingerprint, {t.stage: t.ms for t in message.timings})


def extractor_to_proto(info: ExtractorInfo) -> embedding_pb2.Extractor:
    """Return an extractor's description as a message."""
    return embedding_pb2.Extractor(
        name=info.name,
        fingerprint=info.fingerprint,
        descriptors=[_descriptor_to_proto(descriptor, info.axes) for descriptor in info.descriptors],
        preprocessing=info.preprocessing,
        provider=info.provider,
        source=info.source,
        licence=info.licence,
    )


def extractor_from_proto(message: embedding_pb2.Extractor) -> ExtractorInfo:
    """Return an extractor's description."""
    return ExtractorInfo(
        message.name,
        message.fingerprint,
        tuple(descriptor_from_proto(descriptor) for descriptor in message.descriptors),
        message.preprocessing,
        message.provider,
        message.source,
        message.licence,
        {each.name: axes_from_proto(each.axes) for each in message.descriptors if each.axes},
    )


def _descriptor_to_proto(descriptor: Descriptor, axes: Mapping[str, tuple[Axis, ...]]) -> types_pb2.Descriptor:
    message = descriptor_to_proto(descriptor)
    message.axes.extend(axes_to_proto(axes.get(descriptor.name, ())))
    return message
