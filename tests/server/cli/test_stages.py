"""Stages of a search on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pixkin_scoring.stores import open_store

from tests.scoring.collections_of_vectors import fill

Cli = Callable[..., Any]
Where = tuple[object, ...]
COUNT = 60
BOTH = ("--descriptor", "signed:weight=2", "--descriptor", "mass:measure=chi2")
NEAR = 1e-5
"""How far an average precision may be from the official program's, which prints six digits."""


@pytest.fixture
def filled(name: str, workplace: Any) -> str:
    """Sixty items of two descriptors."""
    with closing(open_store(str(workplace.store))) as store:
        fill(store, name, COUNT)
    return name


def test_the_plan_in_json_states_every_stage_with_its_options_and_may_be_asked_for_again(
    pixkin: Cli, filled: str, where: Where
) -> None:
    stages = ("--expand", "alpha:n=3", "--fuse", "rrf", "--rerank", "k-reciprocal:k1=5", "--rerank", "mmr")
    first = pixkin("search", filled, "id:i0007", *BOTH, *stages, "--json", *where).json
    plan = first["plan"]
    assert plan["expand"] == "alpha:n=3,a=3.0,shortlist=0"
    assert plan["fuse"] == "rrf:top=500,k=60"
    assert plan["rerank"] == ["k-reciprocal:top=200,k1=5,k2=6,lambda=0.3", "mmr:top=100,lambda=0.7"]
    assert list(first["timings_ms"])[-6:] == ["candidates", "expand", "fuse", "k-reciprocal", "mmr", "page"]
    again = ("--expand", plan["expand"], "--fuse", plan["fuse"], "--candidates", plan["candidates"])
    rerank = [part for stage in plan["rerank"] for part in ("--rerank", stage)]
    second = pixkin("search", filled, "id:i0007", *BOTH, *again, *rerank, "--json", *where).json
    assert second["hits"] == first["hits"]
    assert second["plan"] == plan


def test_a_table_of_hits_names_the_milliseconds_of_every_stage(pixkin: Cli, filled: str, where: Where) -> None:
    ran = pixkin(
        *("search", filled, "id:i0007", "--descriptor", "signed", "--expand", "average:n=3", "--rerank", "mmr", *where)
    )
    assert ran.status == 0
    assert len(ran.out.splitlines()) == 11
    last = ran.err.splitlines()[-1]
    assert [stage for stage in ("candidates", "expand", "mmr", "page") if stage in last] == [
        *("candidates", "expand", "mmr", "page"),
    ]


BAD = [
    (("--expand", "average:n=61"), "expansion average takes 61 answers of 60 items"),
    (("--expand", "average:n=0"), "expansion average: n is a whole number from 1"),
    (("--expand", "alpha:a=-1"), "expansion alpha: a is a number from 0"),
    (("--expand", "alpha:a=nan"), "expansion alpha: a is a number from 0"),
    (("--expand", "alpha:a="), "expansion alpha: a is a number, not ''"),
    (("--expand", "alpha:b=3"), "expansion alpha has no option 'b=3'"),
    (("--expand", "beta"), "there is no expansion 'beta'"),
    (("--expand", "average:n=5,shortlist=3"), "expansion average takes more answers"),
    (("--rerank", "k-reciprocal:k1=201"), "reranker k-reciprocal looks for k1=201"),
    (("--rerank", "k-reciprocal", "--candidates", "exact:depth=12"), "among 12 candidates"),
    (("--rerank", "diffusion:top=5"), "reranker diffusion looks for k=10 neighbours among 5"),
    (("--rerank", "mmr", "--rerank", "k-reciprocal"), "reranker k-reciprocal undoes mmr"),
    (("--rerank", "mmr:lambda=1.5"), "reranker mmr: lambda is a number from 0 to 1"),
    (("--rerank", "whiten"), "reranker whiten needs name"),
    (("--rerank", "whiten:name=none"), "no whitening 'none'"),
    (("--fuse", "rrf"), "nothing to fuse by rrf"),
    (("--descriptor", "mass", "--fuse", "median"), "there is no fusion 'median'"),
    (("--descriptor", "signed", "--descriptor", "mass"), "compared twice"),
    (("--descriptor", "mass:weight=-1"), "weight of a descriptor is above 0"),
]


@pytest.mark.parametrize(("options", "said"), BAD, ids=[" ".join(options) for options, _ in BAD])
def test_a_stage_that_cannot_be_is_refused_in_one_line(
    pixkin: Cli, filled: str, where: Where, options: tuple[str, ...], said: str
) -> None:
    ran = pixkin("search", filled, "id:i0007", "--descriptor", "signed", *options, *where)
    assert ran.status == 1
    assert ran.out == ""
    assert ran.err.count("\n") == 1
    assert "[INVALID_PLAN]" in ran.err
    assert said in ran.err


def test_oxford_with_the_mean_of_the_query_and_its_five_best_has_the_figures_of_the_official_program(
    pixkin: Cli, name: str, where: Where, data: Path
) -> None:
    source = data / "oxford5k"
    files = ("--vectors", source / "oxford_features.fvecs", "--ids", source / "names.txt")
    assert pixkin("index", "import", name, "--descriptor", "fc7", *files, *where).status == 0
    official = json.loads((source / "official_ap.json").read_text())
    for expand, key in (((), "l2"), (("--expand", "average:n=5"), "l2_qe5")):
        ran = pixkin(
            *("evaluate", "oxford", name, "--ground-truth", source / "gt_files"),
            *("--measure", "cosine", *expand, "--json", *where),
        )
        assert ran.status == 0, ran.err
        expected = {query: ap for query, ap in official[key].items() if query in ran.json["per_query"]}
        assert len(expected) == ran.json["queries"] == 55
        assert all(abs(ran.json["per_query"][query] - ap) <= NEAR for query, ap in expected.items())
        assert ran.json["map"] == pytest.approx({"l2": 0.402921, "l2_qe5": 0.396699}[key], abs=NEAR)


def test_every_stage_is_evaluated_as_it_is_searched(pixkin: Cli, filled: str, where: Where) -> None:
    stages = ("--expand", "average:n=3,shortlist=20", "--rerank", "diffusion", "--fuse", "adaptive")
    stages += ("--descriptor", "signed", "--descriptor", "mass:measure=manhattan")
    ran = pixkin("evaluate", "labels", filled, *stages, "--json", *where)
    assert ran.status == 0, ran.err
    hits = pixkin("search", filled, "id:i0011", *stages, "--size", COUNT, "--json", *where).json["hits"]
    good = [rank for rank, hit in enumerate(hits, 1) if hit["labels"] == ["blue"]]
    precisions = [found / rank for found, rank in enumerate(good, 1)]
    assert ran.json["per_query"]["i0011"] == pytest.approx(sum(precisions) / len(precisions))


def test_what_fits_into_the_time_is_not_skipped(pixkin: Cli, filled: str, where: Where) -> None:
    flags = ("--descriptor", "signed", "--rerank", "collapse", "--fit-deadline")
    ran = pixkin("search", filled, "id:i0007", *flags, "--json", *where)
    assert (ran.status, ran.json["plan"]["fit_deadline"], "skipped" in ran.json) == (0, True, False), ran.err
