"""What several services send: vectors, descriptors, boxes, timings, attributes, facts of files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Integral

import numpy as np
from numpy.typing import NDArray
from pixkin_embedding.images import Box
from pixkin_proto.descriptors import Descriptor, Norm
from pixkin_proto.errors import InvalidArgument
from pixkin_proto.v1 import embedding_pb2, types_pb2
from pixkin_scoring.items import Attribute, FileFacts
from pixkin_scoring.stores.checks import check_attributes


def vectors_to_proto(vectors: Mapping[str, NDArray[np.float32]]) -> list[types_pb2.NamedVector]:
    """Return vectors (d,) float32 by descriptor as little-endian bytes."""
    return [
        types_pb2.NamedVector(descriptor=name, data=vector.astype("<f4").tobytes()) for name, vector in vectors.items()
    ]


def vectors_from_proto(messages: Iterable[types_pb2.NamedVector]) -> dict[str, NDArray[np.float32]]:
    """Return vectors (d,) float32 by descriptor as it was named. Raises InvalidArgument for broken bytes."""
    found: dict[str, NDArray[np.float32]] = {}
    for message in messages:
        if len(message.data) % 4:
            raise InvalidArgument(
                f"the vector {message.descriptor!r} has {len(message.data)} bytes; send little-endian float32"
            )
        if message.descriptor in found:
            raise InvalidArgument(f"the vector {message.descriptor!r} came twice")
        found[message.descriptor] = np.frombuffer(message.data, "<f4")
    return found


def descriptor_to_proto(descriptor: Descriptor) -> types_pb2.Descriptor:
    """Return a descriptor's declaration as a message."""
    return types_pb2.Descriptor(
        name=descriptor.name,
        dim=descriptor.dim,
        norm=str(descriptor.norm),
        non_negative=descriptor.non_negative,
        default_measure=descriptor.default_measure,
        fingerprint=descriptor.fingerprint,
    )


def descriptor_from_proto(message: types_pb2.Descriptor) -> Descriptor:
    """Return a descriptor's declaration; an empty norm is none, an empty default measure cosine."""
    if message.norm and message.norm not in list(Norm):
        raise InvalidArgument(f"{message.name} has norm {message.norm!r}; use l1, l2 or none")
    return Descriptor(
        name=message.name,
        dim=message.dim,
        norm=Norm(message.norm or "none"),
        non_negative=message.non_negative,
        default_measure=message.default_measure or "cosine",
        fingerprint=message.fingerprint,
    )


def box_to_proto(box: Box | None) -> types_pb2.Box | None:
    """Return a crop box as a message."""
    return None if box is None else types_pb2.Box(x=box.x, y=box.y, width=box.width, height=box.height)


def box_from_proto(message: types_pb2.Box) -> Box:
    """Return a crop box; it is checked against the picture when that is decoded."""
    return Box(message.x, message.y, message.width, message.height)


def timings_to_proto(timings_ms: Mapping[str, float]) -> list[embedding_pb2.Timing]:
    """Return stage timings in their order."""
    return [embedding_pb2.Timing(stage=stage, ms=ms) for stage, ms in timings_ms.items()]


def facts_to_proto(facts: FileFacts) -> types_pb2.FileFacts:
    """Return a file's facts as a message."""
    return types_pb2.FileFacts(size=facts.size, mtime_ns=facts.mtime_ns, sha256=facts.sha256)


def facts_from_proto(message: types_pb2.FileFacts) -> FileFacts:
    """Return a file's facts."""
    return FileFacts(message.size, message.mtime_ns, message.sha256)


def attributes_to_proto(attributes: Mapping[str, Attribute]) -> dict[str, types_pb2.Attribute]:
    """Return attributes as messages. Raises InvalidArgument for a number that a message would round."""
    check_attributes({key: value for key, value in attributes.items() if isinstance(value, Integral)})
    return {
        key: types_pb2.Attribute(text=value) if isinstance(value, str) else types_pb2.Attribute(number=value)
        for key, value in attributes.items()
    }


def attributes_from_proto(messages: Mapping[str, types_pb2.Attribute]) -> dict[str, Attribute]:
    """Return attributes."""
    return {
        key: message.number if message.WhichOneof("value") == "number" else message.text
        for key, message in messages.items()
    }
