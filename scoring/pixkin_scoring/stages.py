"""The one grammar of a plan's stages: NAME or NAME:key=value,key=value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pixkin_proto.errors import InvalidPlan, listed

Option = int | float | str


@dataclass(frozen=True)
class Stage:
    """One stage by name with its options; `str()` writes it as it is read."""

    name: str
    options: Mapping[str, Option] = field(default_factory=dict)

    def __str__(self) -> str:
        options = ",".join(f"{key}={value}" for key, value in self.options.items())
        return f"{self.name}:{options}" if options else self.name


@dataclass(frozen=True)
class StageRule:
    """What a kind of stage accepts: its names, and for each the options with their types."""

    kind: str
    allowed: Mapping[str, Mapping[str, type[int | float | str]]]

    def parse(self, text: str) -> Stage:
        """Read a stage. Raises InvalidPlan naming the stage, what came and what is allowed."""
        name, _, rest = text.strip().partition(":")
        if name not in self.allowed:
            known = f"choose one of {listed(self.allowed)}" if self.allowed else "this version has none"
            raise InvalidPlan(f"there is no {self.kind} '{name}'; {known}")
        return Stage(name, dict(self._option(name, part) for part in rest.split(",") if part))

    def _option(self, name: str, part: str) -> tuple[str, Option]:
        key, equals, value = part.partition("=")
        types = self.allowed[name]
        if not equals or key not in types:
            raise InvalidPlan(f"{self.kind} {name} has no option '{part}'; it takes: {listed(types)}")
        try:
            return key, types[key](value)
        except ValueError:
            kind = "a whole number" if types[key] is int else "a number"
            raise InvalidPlan(f"{self.kind} {name}: {key} is {kind}, not {value!r}") from None
