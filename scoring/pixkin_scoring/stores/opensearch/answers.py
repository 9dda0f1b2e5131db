"""Reads a part of an answer that must be there: an answer without it is none of OpenSearch's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pixkin_scoring.stores.opensearch.faults import not_opensearch

T = TypeVar("T")


def part(answer: Mapping[str, Any], path: str, kind: type[T], *, length: int | None = None) -> T:
    """Return what stands at a path of keys `a.b.c`, of this type and length. Raises StoreUnavailable otherwise."""
    value: Any = answer
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    if not isinstance(value, kind) or (length is not None and len(value) != length):  # type: ignore[arg-type]
        raise not_opensearch()
    return value
