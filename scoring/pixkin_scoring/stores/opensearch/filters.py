"""A filter as a query of OpenSearch."""

from __future__ import annotations

from typing import Any

from pixkin_proto.errors import InvalidFilter

from pixkin_scoring.filters import LABEL, Condition, Filter, number
from pixkin_scoring.stores.opensearch.documents import number_key

MAX_RANGES = 1000  # a query of OpenSearch has at most 1024 clauses


def clauses_of(filters: Filter) -> list[dict[str, Any]]:
    """Return the clauses of which all must hold. Raises InvalidFilter for more ranges than a query takes."""
    if sum(len(condition.ranges) for condition in filters) > MAX_RANGES:
        raise InvalidFilter(f"a filter has at most {MAX_RANGES:,} ranges in OpenSearch; use fewer, or wider ones")
    return [_labelled(condition) if condition.key == LABEL else _attributed(condition) for condition in filters]


def _labelled(condition: Condition) -> dict[str, Any]:
    return {"terms": {"labels": list(condition.texts)}}


def _attributed(condition: Condition) -> dict[str, Any]:
    field = f"numbers.{number_key(condition.key)}"
    either: list[dict[str, Any]] = [{"terms": {"texts": [f"{condition.key}={text}" for text in condition.texts]}}]
    numbers = [found for text in condition.texts if (found := number(text)) is not None]
    if numbers:
        either.append({"terms": {field: numbers}})
    either += [{"range": {field: {"gte": low, "lte": high}}} for low, high in map(_finite, condition.ranges)]
    return {"bool": {"should": either, "minimum_should_match": 1}}


def _finite(ends: tuple[float, float]) -> tuple[float | None, float | None]:
    low, high = ends
    return None if low == float("-inf") else low, None if high == float("inf") else high
