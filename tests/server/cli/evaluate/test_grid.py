"""Every descriptor with every measure that applies and every plan."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pixkin_proto.descriptors import MEASURES, Kind

from tests.server.cli.evaluate.samples import assert_refused, paint

Cli = Callable[..., Any]
Where = tuple[object, ...]
ANY = [name for name, kind in MEASURES.items() if kind is Kind.ANY]
BOTH = ("--extractor", "hsv-histogram", "--extractor", "efficientnet-lite0")


def tried(ran: Any) -> list[tuple[str, str, str]]:
    """Descriptor, measure and normalisation of every cell of --json."""
    plans = [cell["plan"] for cell in ran.json]
    return [(plan["descriptors"][0]["name"], plan["descriptors"][0]["measure"], plan["normalise"]) for plan in plans]


def test_cells_are_descriptors_by_the_measures_that_apply_by_plans(
    pixkin: Cli, name: str, items: Path, where: Where
) -> None:
    plans = ("--plan", "as stored=--normalise none", "--plan", "mass=")
    ran = pixkin("evaluate", "labels", name, "--grid", "--from", items, *BOTH, *plans, "--json", *where)
    # The network's features are activations behind a ReLU6, so all measures apply to both.
    assert ran.status == 0, ran.err
    assert sorted(tried(ran)) == sorted(
        (descriptor, measure, normalise)
        for descriptor in ("hsv-histogram.histogram", "efficientnet-lite0.gap")
        for measure in MEASURES
        for normalise in ("mass", "none")
    )


def test_measures_that_do_not_apply_are_passed_over_and_refused_when_named(
    pixkin: Cli, line: str, where: Where
) -> None:
    grid = ("evaluate", "labels", line, "--grid", *where)
    assert [measure for _, measure, _ in tried(pixkin(*grid, "--json"))] == ANY
    assert len(pixkin(*grid, "--measures", "manhattan,euclidean").out.splitlines()) == 3
    assert_refused(pixkin(*grid, "--measures", "manhattan,chi2"), "[MEASURE_NOT_APPLICABLE]")
    assert_refused(pixkin(*grid, "--measures", "hellinger"), "[UNKNOWN_MEASURE]")


def test_the_table_has_the_best_first_with_the_figures_of_single_evaluations(
    pixkin: Cli, line: str, where: Where, tmp_path: Path
) -> None:
    grid = ("evaluate", "labels", line, "--grid", "--measures", "cosine,euclidean", "--report", tmp_path / "report")
    heading, *rows = pixkin(*grid, *where).out.splitlines()
    assert heading.split() == ["descriptor", "measure", "mAP", "95", "%", "p50", "ms", "p95", "ms", "bytes"]
    single = {
        measure: pixkin("evaluate", "labels", line, "--measure", measure, "--json", *where).json
        for measure in ("cosine", "euclidean")
    }
    best = sorted(single, key=lambda measure: -single[measure]["map"])
    assert [row.split()[1] for row in rows] == best
    assert [row.split()[2] for row in rows] == [f"{single[measure]['map']:.4f}" for measure in best]
    assert [row.split()[-1] for row in rows] == ["4", "4"]
    kept = json.loads((tmp_path / "report" / "grid.json").read_text())
    assert {cell["map"] for cell in kept} == {found["map"] for found in single.values()}
    assert (tmp_path / "report" / "grid.md").read_text().count("\n") >= 4
    page = (tmp_path / "report" / "best" / "report.html").read_text()
    assert best[0] in page
    figures = json.loads((tmp_path / "report" / "best" / "evaluation.json").read_text())
    assert figures["per_query"] == single[best[0]]["per_query"]


def test_filters_and_descriptors_beside_the_plans_hold_for_all_of_them(
    pixkin: Cli, name: str, line: str, items: Path, where: Where
) -> None:
    plans = ("--plan", "raw=--normalise none", "--plan", "mass=", "--measures", "euclidean")
    both = pixkin("evaluate", "labels", line, "--grid", "--filter", "label=b", *plans, "--json", *where).json
    assert [cell["per_query"] for cell in both] == [{"b-1": 1.0, "b2": 1.0}] * 2
    pictures = f"{name}-pictures"
    grid = ("evaluate", "labels", pictures, "--grid", "--from", items, *BOTH, "--descriptor", "gap", *plans, "--json")
    assert {descriptor for descriptor, _, _ in tried(pixkin(*grid, *where))} == {"efficientnet-lite0.gap"}


def test_a_folder_is_indexed_first_and_each_picture_encoded_once(
    pixkin: Cli, name: str, items: Path, where: Where, tmp_path: Path
) -> None:
    grid = ("evaluate", "labels", name, "--grid", "--measures", "cosine", "--from", items, *where)
    assert_refused(pixkin(*grid), "is new; name the --extractor", status=2)
    assert pixkin(*grid, *BOTH).status == 0
    described = pixkin("index", "describe", name, "--json", *where).json
    assert described["items"] == 4
    assert pixkin(*grid, *BOTH).status == 0
    assert pixkin(*grid).status == 0
    assert pixkin("index", "describe", name, "--json", *where).json["generation"] == described["generation"]
    assert pixkin("index", "add", name, items, "--labels-from-folders", *where).out == "0 added, 4 unchanged\n"
    paint(items / "blue" / "2.png", "blue", "grey")
    assert len(pixkin(*grid).out.splitlines()) == 3
    assert pixkin("index", "describe", name, "--json", *where).json["items"] == 5


def test_a_collection_of_other_extractors_is_refused_by_name(pixkin: Cli, made: str, items: Path, where: Where) -> None:
    ran = pixkin("evaluate", "labels", made, "--grid", "--from", items, *BOTH, *where)
    assert_refused(ran, f"{made} was made with hsv-histogram, not with hsv-histogram, efficientnet-lite0")
    assert pixkin("index", "describe", made, "--json", *where).json["items"] == 0


def test_a_picture_that_is_none_is_left_out_and_told(pixkin: Cli, made: str, items: Path, where: Where) -> None:
    (items / "red" / "broken.png").write_text("no picture")
    ran = pixkin("evaluate", "labels", made, "--grid", "--measures", "chi2", "--from", items, *where)
    assert ran.status == 0
    assert "1 picture was refused, the first is red/broken.png" in ran.err


def test_queries_that_are_pictures_are_the_same_for_all_cells(
    pixkin: Cli, made: str, items: Path, where: Where, tmp_path: Path
) -> None:
    paint(tmp_path / "asked" / "red" / "q.png", "red", "grey")
    pixkin("index", "add", made, items, "--labels-from-folders", *where)
    evaluate = ("evaluate", "labels", made, "--queries", tmp_path / "asked", "--json")
    found = pixkin(*evaluate, "--grid", "--measures", "chi2,cosine", *where).json
    for cell in found:
        measure = cell["plan"]["descriptors"][0]["measure"]
        assert cell["per_query"] == pixkin(*evaluate, "--measure", measure, *where).json["per_query"]


def test_a_derived_descriptor_is_tried_with_queries_that_are_pictures(
    pixkin: Cli, made: str, items: Path, where: Where, workplace: Any, tmp_path: Path
) -> None:
    paint(tmp_path / "asked" / "red" / "q.png", "red", "grey")
    pixkin("index", "add", made, items, "--labels-from-folders", *where)
    store, file = ("--store", workplace.store), tmp_path / "w.npz"
    assert pixkin("whitening", "fit", made, "--shrink", "0.1", "--dims", "3", "-o", file, *store).status == 0
    assert pixkin("index", "derive", made, "--whitening", file, "--as", "white", *store).status == 0
    assert pixkin("index", "augment", made, "--descriptor", "white", "--as", "near", *store).status == 0
    evaluate = ("evaluate", "labels", made, "--queries", tmp_path / "asked", "--json")
    found = {cell["plan"]["descriptors"][0]["name"]: cell["per_query"]
             for cell in pixkin(*evaluate, "--grid", "--measures", "cosine", *where).json}  # fmt: skip
    assert found.keys() == {"hsv-histogram.histogram", "white", "near"}
    for descriptor, per_query in found.items():
        plan = ("--descriptor", descriptor, "--measure", "cosine")
        assert per_query == pixkin(*evaluate, *plan, *where).json["per_query"]


@pytest.mark.parametrize("plan", ["raw", "=--normalise none", "x=--nope", "x=--help", "x=stray", "x='open",
                                  "x=--measure chi2", "x=--filter a=b", "x=--descriptor at"])  # fmt: skip
def test_a_plan_that_is_none_is_one_line(pixkin: Cli, line: str, where: Where, plan: str) -> None:
    ran = pixkin("evaluate", "labels", line, "--grid", "--plan", plan, *where)
    assert_refused(ran, "Invalid value for --plan", status=2)
