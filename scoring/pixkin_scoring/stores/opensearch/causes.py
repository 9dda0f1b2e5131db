"""Reading the error of an OpenSearch answer: the chain of its causes, from the outside in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

LONGEST_QUOTE = 200
_DEEPEST = 10
# OpenSearch quotes the value that it could not parse, which may be a vector or a person's name.
_PREVIEW = re.compile(r"\.? Preview of field's value: .*", re.DOTALL)
_PERMISSION = re.compile(r"no permissions for \[[^]]*]")


@dataclass(frozen=True)
class Cause:
    """One link in the chain: its `type` and `reason`; either may be empty."""

    type: str
    reason: str


def causes_of(body: object) -> tuple[Cause, ...]:
    """Return the causes that the parsed body of an answer names; none when it has no error in a known form.

    Gateways of cloud providers answer with a bare `message` in place of OpenSearch's `error`.
    """
    if not isinstance(body, Mapping):
        return ()
    return tuple(chain(body.get("error") or body.get("message") or body.get("Message")))


def chain(error: object, depth: int = 0) -> Iterator[Cause]:
    """Yield an error and what caused it; the last is where it began."""
    if isinstance(error, str):
        yield Cause("", error)
    if not isinstance(error, Mapping) or depth > _DEEPEST:
        return
    if error.get("type") or error.get("reason"):
        yield Cause(str(error.get("type") or ""), str(error.get("reason") or ""))
    for shard in _mappings(error.get("failed_shards")):
        yield from chain(shard.get("reason"), depth + 1)
    for inner in (*_mappings(error.get("root_cause")), error.get("caused_by")):
        yield from chain(inner, depth + 1)


def quoted(reason: str) -> str:
    """Return a reason for a message: one short line, without values of documents and names of users."""
    permission = _PERMISSION.search(reason)
    words = permission.group() if permission else _PREVIEW.sub("", reason).partition("\n")[0]
    return words if len(words) <= LONGEST_QUOTE else words[: LONGEST_QUOTE - 1] + "…"


def parsed(text: str | bytes) -> object:
    """Return the JSON of an answer, or None when it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _mappings(value: object) -> list[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []
