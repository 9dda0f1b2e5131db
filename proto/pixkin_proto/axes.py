"""What a descriptor's components stand for: a table whose axes are regions, hues, saturations, ..."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from pixkin_proto.errors import InvalidArgument


@dataclass(frozen=True)
class Outline:
    """A part of any picture, as parts (0 to 1) of its width and height; with `ellipse` the one within the rectangle."""

    x: float
    y: float
    width: float
    height: float
    ellipse: bool = False


@dataclass(frozen=True)
class Axis:
    """One axis. labels: of its places · outlines: where they lie in the picture, for an axis of regions."""

    name: str
    labels: tuple[str, ...]
    outlines: tuple[Outline, ...] = ()


def check_axes(axes: Sequence[Axis], dim: int) -> tuple[Axis, ...]:
    """Return axes whose table has `dim` components; raise InvalidArgument for others."""
    if prod(len(axis.labels) for axis in axes) != dim:
        raise InvalidArgument(f"axes of {' x '.join(str(len(axis.labels)) for axis in axes)} places are not {dim} bins")
    if any(axis.outlines and len(axis.outlines) != len(axis.labels) for axis in axes):
        raise InvalidArgument("an axis of regions has an outline for each of them")
    return tuple(axes)


def bin_name(axes: Sequence[Axis], place: int) -> str:
    """Return a component's place in words, such as "top left, hue 3 of 9"; empty without axes."""
    words: list[str] = []
    for axis in reversed(axes):
        place, at = divmod(place, len(axis.labels))
        words.append(axis.labels[at])
    return ", ".join(reversed(words))


def axes_to_plain(axes: Sequence[Axis]) -> list[dict[str, Any]]:
    """Return axes as what JSON has."""
    return [
        {
            "name": axis.name,
            "labels": list(axis.labels),
            "outlines": [[each.x, each.y, each.width, each.height, each.ellipse] for each in axis.outlines],
        }
        for axis in axes
    ]


def _outline(x: float, y: float, width: float, height: float, ellipse: object) -> Outline:
    return Outline(float(x), float(y), float(width), float(height), bool(ellipse))


def axes_from_plain(plain: Sequence[Mapping[str, Any]]) -> tuple[Axis, ...]:
    """Return axes from what JSON has. Raises KeyError, TypeError or ValueError for what is none."""
    return tuple(
        Axis(
            str(axis["name"]),
            tuple(str(label) for label in axis["labels"]),
            tuple(_outline(*each) for each in axis["outlines"]),
        )
        for axis in plain
    )
