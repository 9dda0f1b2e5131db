"""What docs/opensearch-scripts.md tells operators, as it stands there, against real nodes."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest
from pixkin_scoring.measures import scores, values
from pixkin_scoring.painless import script_id, scripts
from pixkin_scoring.stores.opensearch.connection import Connection

TEXT = (Path(__file__).parents[3] / "docs" / "opensearch-scripts.md").read_text(encoding="utf-8")
REQUESTS = re.findall(r"```http\n([A-Z]+) (\S+)\n(.*?)```", TEXT, re.DOTALL)
QUERY = np.array([0.2, 0.5, 0.3])


@pytest.fixture
def hits(registered: Connection) -> Iterator[list[dict[str, float]]]:
    """Scores by id of every search of the document, after all its requests."""
    replies = [ask(registered, *request) for request in REQUESTS]
    yield [{hit["_id"]: hit["_score"] for hit in reply["hits"]["hits"]} for reply in replies if "hits" in reply]
    registered.ask("DELETE", "/products")


def ask(connection: Connection, method: str, target: str, body: str) -> dict[str, Any]:
    where = urlsplit(target)
    return connection.ask(method, where.path, body=json.loads(body), params=dict(parse_qsl(where.query)))


def test_the_query_for_text_and_picture_ranks_by_both(hits: list[dict[str, float]]) -> None:
    both, _ = hits
    assert list(both) == ["red-shoe", "blue-shoe", "no-photo"]
    assert both["red-shoe"] - both["blue-shoe"] == pytest.approx(5 * (1 - score_of([0.1, 0.1, 0.8])), abs=1e-6)


def test_the_query_for_pictures_alone_has_the_scores_of_the_measure(hits: list[dict[str, float]]) -> None:
    _, alone = hits
    assert alone == pytest.approx(
        {"red-shoe": 1, "red-hat": score_of([0.25, 0.45, 0.3]), "blue-shoe": score_of([0.1, 0.1, 0.8])}, abs=1e-6
    )


def score_of(vector: list[float]) -> float:
    return float(scores("chi2", values("chi2", QUERY, np.array([vector], np.float32)))[0])


def test_the_ids_in_the_document_are_those_of_this_version() -> None:
    named = set(re.findall(r"pixkin-\w+-f32-\w+-[0-9a-f]{12}", TEXT))
    assert script_id("chi2", "score") in named
    assert named <= {each.id for each in scripts()}


def test_the_python_of_the_document_makes_the_query_of_the_document() -> None:
    [snippet] = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    names: dict[str, Any] = {"base64": base64, "numpy": np, "vector": QUERY}
    exec(compile(snippet, "opensearch-scripts.md", "exec"), names)  # noqa: S102  # our own document
    assert TEXT.count(f'"q": "{names["q"]}"') == 2
