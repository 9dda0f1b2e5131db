"""What a descriptor's components stand for, as messages and back."""

from __future__ import annotations

from collections.abc import Iterable

from pixkin_proto.axes import Axis, Outline
from pixkin_proto.v1 import types_pb2


def outline_to_proto(outline: Outline) -> types_pb2.Outline:
    """Return a region's outline as a message."""
    box = types_pb2.Box(x=outline.x, y=outline.y, width=outline.width, height=outline.height)
    return types_pb2.Outline(box=box, ellipse=outline.ellipse)


def outline_from_proto(message: types_pb2.Outline) -> Outline:
    """Return a region's outline."""
    box = message.box
    return Outline(box.x, box.y, box.width, box.height, message.ellipse)


def axes_to_proto(axes: Iterable[Axis]) -> list[types_pb2.Axis]:
    """Return axes as messages."""
    return [
        types_pb2.Axis(name=axis.name, labels=axis.labels, outlines=map(outline_to_proto, axis.outlines))
        for axis in axes
    ]


def axes_from_proto(messages: Iterable[types_pb2.Axis]) -> tuple[Axis, ...]:
    """Return axes."""
    return tuple(
        Axis(message.name, tuple(message.labels), tuple(map(outline_from_proto, message.outlines)))
        for message in messages
    )
