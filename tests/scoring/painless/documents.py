"""Vectors in an index of a real node, compared there by pixkin's scripts."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pixkin_scoring.measures import MEASURES, Better
from pixkin_scoring.painless import script_id
from pixkin_scoring.stores.opensearch.connection import Connection

FIELD = "vector"
MAPPING = {
    "id": {"type": "keyword"},
    "group": {"type": "keyword"},
    FIELD: {"type": "binary", "doc_values": True},
}
Document = NDArray[Any] | bytes | list[bytes] | None
"""A vector, what stands in its field by hand, or nothing at all."""


def base64_of(vector: NDArray[Any], dtype: str) -> str:
    return base64.b64encode(np.ascontiguousarray(vector, dtype=dtype).tobytes()).decode("ascii")


class Documents:
    """An index of one shard. Groups of documents, of any dimensions, are searched one at a time."""

    def __init__(self, connection: Connection, index: str, settings: Mapping[str, Any] | None = None) -> None:
        self.connection, self.index = connection, index
        connection.ask("DELETE", f"/{index}", allow=(404,))
        shape = {"number_of_shards": 1, "number_of_replicas": 0, "max_result_window": 100_000, **(settings or {})}
        connection.ask("PUT", f"/{index}", body={"settings": shape, "mappings": {"properties": MAPPING}})

    def add(self, group: str, documents: Sequence[Document], *, start: int = 0) -> None:
        """Add the documents of a group, with the ids 00000, 00001 and so on, as a segment of their own."""
        lines = []
        for place, document in enumerate(documents, start):
            lines.append(json.dumps({"index": {"_id": f"{group}/{place:05d}"}}).encode())
            field = {} if document is None else {FIELD: _field(document)}
            lines.append(json.dumps({"id": f"{place:05d}", "group": group, **field}).encode())
        added = self.connection.ask("POST", f"/{self.index}/_bulk", lines=lines, params={"refresh": True})
        assert not added["errors"]

    def ranked(
        self, measure: str, query: NDArray[Any], group: str, *, normalise: bool = True, size: int = 10_000
    ) -> list[tuple[str, float]]:
        """Return ids and values, best first, ties by id, as the store ranks them."""
        order = "asc" if MEASURES[measure].better is Better.LOW else "desc"
        script = {"id": script_id(measure, "value"), "params": parameters(query, normalise=normalise)}
        sort = [{"_script": {"type": "number", "order": order, "script": script}}, {"id": "asc"}]
        return [(hit["sort"][1], hit["sort"][0]) for hit in self.search(self._all(group), size, sort=sort)]

    def values(self, measure: str, query: NDArray[Any], group: str, *, normalise: bool = True) -> NDArray[np.float64]:
        """Return the values of a group's documents in the order in which they were added."""
        return np.array([value for _, value in sorted(self.ranked(measure, query, group, normalise=normalise))])

    def scores(self, measure: str, query: NDArray[Any], group: str, *, normalise: bool = True) -> NDArray[np.float64]:
        """Return the scores of a group's documents in the order in which they were added."""
        script = {"id": script_id(measure, "score"), "params": parameters(query, normalise=normalise)}
        scored = {"script_score": {"query": self._all(group), "script": script}}
        return np.array([score for _, score in sorted((hit["_id"], hit["_score"]) for hit in self.search(scored))])

    def search(self, query: Mapping[str, Any], size: int = 10_000, **more: Any) -> list[dict[str, Any]]:
        """Return the hits of a query; a failed shard fails the test."""
        body = {"query": query, "size": size, "_source": False, **more}
        found = self.connection.ask("POST", f"/{self.index}/_search", body=body)
        assert found["_shards"]["failed"] == 0
        hits: list[dict[str, Any]] = found["hits"]["hits"]
        return hits

    @staticmethod
    def _all(group: str) -> dict[str, Any]:
        return {"constant_score": {"filter": {"term": {"group": group}}}}


def parameters(query: NDArray[Any], *, normalise: bool, lenient: bool = True) -> dict[str, Any]:
    return {"field": FIELD, "q": base64_of(query, "<f8"), "normalise": normalise, "lenient": lenient}


def _field(document: NDArray[Any] | bytes | list[bytes]) -> str | list[str]:
    if isinstance(document, bytes):
        return base64.b64encode(document).decode("ascii")
    if isinstance(document, list):
        return [base64.b64encode(each).decode("ascii") for each in document]
    return base64_of(document, "<f4")
