"""Every measure on real pictures, as a caller over gRPC sees it: the values, scores and order of the formula."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor
from pixkin_scoring.measures import MEASURES, Better, scores, values
from pixkin_scoring.plan import DescriptorChoice, Plan
from pixkin_server.api import NewItem, Query
from pixkin_server.client import Client
from pixkin_server.opensearch_node.node import Node

pytestmark = pytest.mark.slow

NAME, DEPTH, QUERIES = "real", 100, 3


@pytest.fixture(scope="module", params=["embedded", "opensearch-3.8.0", "opensearch-2.19.1"])
def real(
    request: pytest.FixtureRequest,
    start: Callable[..., Any],
    nodes: Callable[[str], Node],
    extractors: Path,
    histograms: NDArray[np.float32],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Client]:
    """A client of a server over each kind of store, with the 2,000 histograms."""
    kind, _, version = request.param.partition("-")
    store = nodes(version).url if version else tmp_path_factory.mktemp(kind) / "store"
    with start(store, extractors) as served, Client(served.address) as client:
        client.create(NAME, descriptors=[Descriptor("histogram", 405, non_negative=True, default_measure="chi2")])
        items = [NewItem(f"{i:04}", vectors={"histogram": row}) for i, row in enumerate(histograms)]
        assert {result.state for result in client.add_stream(NAME, items)} == {"added"}
        yield client
        client.drop(NAME)


@pytest.mark.parametrize("normalise", ["mass", "none"])
@pytest.mark.parametrize("measure", MEASURES)
def test_the_first_hundred_of_a_reply_are_those_of_the_formula(
    real: Client, histograms: NDArray[np.float32], measure: str, normalise: str
) -> None:
    sign = 1 if MEASURES[measure].better is Better.LOW else -1
    plan = Plan(descriptors=(DescriptorChoice(measure=measure),), normalise=normalise, include_self=True, size=DEPTH)
    for place in np.random.default_rng(8).choice(len(histograms), QUERIES, replace=False):
        expected = values(measure, histograms[place], histograms, normalise=normalise == "mass")
        order = sorted(range(len(expected)), key=lambda i: (sign * expected[i], i))[:DEPTH]
        hits = real.search(NAME, [Query(id=f"{place:04}")], plan).hits
        assert [int(hit.id) for hit in hits] == order
        found = np.array([hit.value for hit in hits])
        assert (np.abs(found - expected[order]) <= 1e-6 * np.maximum(np.abs(expected[order]), 1e-6)).all()
        assert [hit.score for hit in hits] == scores(measure, found).tolist()
