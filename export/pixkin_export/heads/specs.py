"""The words in which a descriptor is asked for: `[NAME=]PART[+PART…]`, where PART is `HEAD[:key=value,…][@WEIGHT]`.

HEAD is one of HEADS, or the name of a layer, whose values are meant. Every part takes `layer=` (for cnn-hist several,
joined by `/`) and `norm=l1|l2|none`. Several parts are fused early: each is normalised (by its L2 norm if nothing else
is said), weighted and concatenated, and the whole is L2-normalised.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pixkin_proto.descriptors import Norm
from pixkin_proto.errors import InvalidArgument, listed
from pixkin_proto.names import check_name

from pixkin_export.heads.registry import HEADS, Head, Takes

MAX_WEIGHT = 1e6


@dataclass(frozen=True)
class Part:
    """One head with its settings. layers: what it is computed of, none for pixels · weight: in an early fusion."""

    head: Head
    layers: tuple[str, ...]
    settings: Mapping[str, Any]
    norm: Norm
    weight: float = 1.0


@dataclass(frozen=True)
class Spec:
    """One descriptor that is asked for. norm: of the whole."""

    name: str
    parts: tuple[Part, ...]
    norm: Norm

    @property
    def counted(self) -> bool:
        """Whether a number at the edge of a bin may change a component by a step."""
        return any(part.head.counted for part in self.parts)


def parse_spec(text: str) -> Spec:
    """Return what a text asks for. Raises InvalidArgument for a setting that there is not."""
    name, rest = text.split("=", 1) if "=" in text.partition(":")[0] else ("", text)
    texts = rest.split("+")
    parts = tuple(_parse_part(each, fused=len(texts) > 1) for each in texts)
    norm = parts[0].norm if len(parts) == 1 else Norm.L2
    return Spec(check_name("descriptor", name or "-".join(map(_default_name, parts))), parts, norm)


def _parse_part(text: str, *, fused: bool) -> Part:
    rest, _, weight = text.partition("@")
    word, _, given = rest.partition(":")
    if not word:
        raise InvalidArgument(f"{text!r} names no head; write HEAD[:key=value,…][@WEIGHT], with one of {listed(HEADS)}")
    head = HEADS.get(word, HEADS["layer"])
    settings = _settings(word, given)
    default = head.layer if word in HEADS else word
    layers = default if head.takes is Takes.PIXELS else settings.pop("layer", default)
    norm = settings.pop("norm", "l2" if fused else str(head.norm))
    if norm not in list(Norm):
        raise InvalidArgument(f"{text!r} has norm={norm}; allowed are {listed(Norm)}")
    return Part(
        head,
        _layers(head, word, layers),
        {key: _value(head, key, settings.pop(key, None)) for key in head.parameters} | _none_left(head, settings),
        Norm(norm),
        _weight(weight),
    )


def _settings(word: str, given: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in filter(None, given.split(",")):
        key, equals, value = entry.partition("=")
        if not equals or not value:
            raise InvalidArgument(f"{entry!r} in {word}:{given} is no key=value")
        if key in found:
            raise InvalidArgument(f"{word}:{given} says {key} twice")
        found[key] = value
    return found


def _layers(head: Head, word: str, layers: str) -> tuple[str, ...]:
    if head.takes is Takes.PIXELS:
        return ()
    names = tuple(layers.split("/"))
    if len(names) > 1 and head.takes is not Takes.MAPS:
        raise InvalidArgument(f"{word} takes one layer, and {layers} are {len(names)}")
    return names


def _value(head: Head, key: str, text: str | None) -> Any:
    parameter = head.parameters[key]
    if text is None:
        return parameter.default
    try:
        return parameter.read(text)
    except (ValueError, KeyError):
        raise InvalidArgument(f"{head.name} has {key}={text}; allowed is {parameter.allowed}") from None


def _none_left(head: Head, settings: Mapping[str, str]) -> dict[str, Any]:
    if settings:
        known = [*head.parameters, *(["layer"] if head.takes is not Takes.PIXELS else []), "norm"]
        raise InvalidArgument(f"{head.name} has no setting {next(iter(settings))}; it has {listed(known)}")
    return {}


def _weight(text: str) -> float:
    try:
        weight = float(text or 1)
    except ValueError:
        weight = 0.0
    if not 0 < weight <= MAX_WEIGHT:
        raise InvalidArgument(f"@{text} is no weight; write a positive number, for instance @0.5")
    return weight


def _default_name(part: Part) -> str:
    word = part.layers[0] if part.head.name == "layer" else part.head.name
    return re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-") or "layer"
