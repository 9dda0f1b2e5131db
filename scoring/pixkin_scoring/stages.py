"""The one grammar of a plan's stages: NAME or NAME:key=value,key=value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pixkin_proto.errors import InvalidPlan, listed
from pixkin_proto.suggestions import did_you_mean

Value = int | float | str


@dataclass(frozen=True)
class Stage:
    """One stage by name with its options; `str()` writes it as it is read."""

    name: str
    options: Mapping[str, Value] = field(default_factory=dict)

    def __str__(self) -> str:
        options = ",".join(f"{key}={value}" for key, value in self.options.items())
        return f"{self.name}:{options}" if options else self.name


@dataclass(frozen=True)
class Option:
    """One option of a stage.

    default: its value where none is given, None where it is left out then · least, most: of numbers, both allowed ·
    choices: of words · required: whether it must be given ·
    note: what it is, for people who set it.
    """

    type: type[int | float | str]
    default: Value | None = None
    least: float = -math.inf
    most: float = math.inf
    choices: tuple[str, ...] = ()
    required: bool = False
    note: str = ""

    def read(self, value: str) -> Value:
        """Return the value that a text stands for. Raises ValueError saying what is allowed."""
        if self.type is str:
            if value not in (self.choices or (value,)):
                raise ValueError(f"one of {', '.join(self.choices)}")
            return value
        kind = "a whole number" if self.type is int else "a number"
        text = value.replace("_", "?")  # Python reads 1_0 as 10
        try:
            found = int(text) if self.type is int else float(text)
        except ValueError:
            raise ValueError(kind) from None
        if not (math.isfinite(found) and self.least <= found <= self.most):
            raise ValueError(f"{kind}{self._range()}")
        return found

    def _range(self) -> str:
        if not math.isinf(self.most):
            return f" from {self.least:g} to {self.most:g}"
        return "" if math.isinf(self.least) else f" of at least {self.least:g}"


class Accepting(Protocol):
    """An entry of a registry of stages."""

    @property
    def options(self) -> Mapping[str, Option]:
        """The options of the stage by key, in the order in which they are written."""

    @property
    def note(self) -> str:
        """What the stage does, in one line for people who choose one."""


@dataclass(frozen=True)
class Accepts:
    """An entry that is nothing but its options."""

    options: Mapping[str, Option]
    note: str = ""


@dataclass(frozen=True)
class StageRule:
    """What a kind of stage accepts: its names, and for each the options. allowed: a registry, read at every use."""

    kind: str
    allowed: Mapping[str, Accepting]

    def parse(self, text: str) -> Stage:
        """Read a stage, and fill in its defaults. Raises InvalidPlan: the stage, what came and what is allowed."""
        name, _, rest = text.strip().partition(":")
        if name not in self.allowed:
            known = f"choose one of {listed(self.allowed)}" if self.allowed else "this version has none"
            raise InvalidPlan(f"there is no {self.kind} '{name}'{did_you_mean(name, self.allowed)}; {known}")
        pairs = [self._option(name, part) for part in rest.split(",") if part]
        given = dict(pairs)
        if len(given) < len(pairs):
            raise InvalidPlan(f"{self.kind} {name}: an option is given twice in '{rest}'")
        for key, option in self.allowed[name].options.items():
            if option.required and key not in given:
                raise InvalidPlan(f"{self.kind} {name} needs {key}, as in {name}:{key}=…")
        filled = {key: given.get(key, option.default) for key, option in self.allowed[name].options.items()}
        return Stage(name, {key: value for key, value in filled.items() if value is not None})

    def _option(self, name: str, part: str) -> tuple[str, Value]:
        key, equals, value = part.partition("=")
        options = self.allowed[name].options
        if not equals or key not in options:
            raise InvalidPlan(
                f"{self.kind} {name} has no option '{part}'{did_you_mean(key, options)}; it takes: {listed(options)}"
            )
        try:
            return key, options[key].read(value)
        except ValueError as error:
            raise InvalidPlan(f"{self.kind} {name}: {key} is {error}, not {value!r}") from None
