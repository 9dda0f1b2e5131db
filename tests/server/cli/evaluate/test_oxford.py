"""Oxford5k from its files to its figures, as a user runs it, against the official program's figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pixkin_server.demo.process import running_server
from pixkin_server.opensearch_node.node import Node

Cli = Callable[..., Any]
Where = tuple[object, ...]


@pytest.fixture
def evaluated(pixkin: Cli, name: str, data: Path) -> Callable[..., Any]:
    """Import the features, unless they are there, and rate them by their ground truth."""
    folder = data / "oxford5k"
    files = ("--vectors", folder / "oxford_features.fvecs", "--ids", folder / "names.txt", "--measure", "cosine")
    truth = ("--ground-truth", folder / "gt_files")

    def run(where: Where, *, there: bool = False) -> Any:
        if not there:
            assert pixkin("index", "import", name, "--descriptor", "fc7", *files, *where).out == "5,063 added\n"
        ran = pixkin("evaluate", "oxford", name, *truth, "--measure", "cosine", "--json", *where)
        assert ran.status == 0, ran.err
        return ran.json

    return run


@pytest.mark.parametrize("version", ["2.19.1", pytest.param("3.8.0", marks=pytest.mark.slow)])
def test_store_opensearch_and_servers_over_both_have_the_official_figures_to_the_last_bit(
    evaluated: Callable[..., Any],
    workplace: Any,
    nodes: Callable[[str], Node],
    extractors: Path,
    data: Path,
    version: str,
) -> None:
    url = nodes(version).url
    found = [
        evaluated(workplace.on_store),
        evaluated(workplace.on_server, there=True),
        evaluated(("--store", url, "--extractors", extractors)),
    ]
    with running_server(url, extractors=extractors, device="cpu") as address:
        found.append(evaluated(("--server", address), there=True))
    official = json.loads((data / "oxford5k" / "official_ap.json").read_text())["l2"]
    for reply in found:
        assert reply["per_query"] == pytest.approx(official, abs=1e-6)
        assert reply["per_query"] == found[0]["per_query"]
        assert reply["by_measure"] == found[0]["by_measure"]
        assert reply["queries"] == 55
        assert reply["map"] == pytest.approx(0.402921, abs=1e-6)
        assert reply["headline"] == "AP_official"
