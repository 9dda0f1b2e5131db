"""Reads what an answer must hold: one without it is none of OpenSearch's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pixkin_proto.errors import StoreUnavailable

from pixkin_scoring.stores.opensearch.connection import Connection
from pixkin_scoring.stores.opensearch.faults import THE_CLUSTER, not_opensearch, of_answer

T = TypeVar("T")


def part(answer: Mapping[str, Any], path: str, kind: type[T], *, length: int | None = None) -> T:
    """Return what stands at a path of keys `a.b.c`, of this type and length. Raises StoreUnavailable otherwise."""
    value: Any = answer
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    if not isinstance(value, kind) or (length is not None and len(value) != length):  # type: ignore[arg-type]  # `length` is for lists
        raise not_opensearch()
    return value


def acknowledged(answer: Mapping[str, Any]) -> None:
    """Raise StoreUnavailable unless a change of indices, mappings or aliases was acknowledged."""
    if not part(answer, "acknowledged", bool):
        raise StoreUnavailable(f"{THE_CLUSTER} did not confirm a change within its time; see its log and repeat")


def refresh(connection: Connection, index: str, deadline: float) -> None:
    """Let searches see what was written to an index. Raises StoreUnavailable when no shard says that it did."""
    part(connection.ask("POST", f"/{index}/_refresh", deadline=deadline), "_shards.successful", int)


def documents(answer: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """Return the documents of an answer of _mget to `count` ids, with `found` each.

    Raises StoreUnavailable and whatever else kept the cluster from looking; IndexMissing where there is no index.
    """
    found: list[dict[str, Any]] = part(answer, "docs", list, length=count)
    for document in found:
        if "error" in document:  # with status 200, for instance while the shard is being opened
            raise of_answer(0, document)
        part(document, "found", bool)
    return found
