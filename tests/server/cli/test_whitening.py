from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Cli = Callable[..., Any]
Where = tuple[object, ...]
FIT = ("--descriptor", "histogram", "--dims", "4", "--shrink", "0.2")


@pytest.fixture
def on_store(workplace: Any) -> Where:
    where: Where = workplace.on_store
    return where


@pytest.fixture
def colours(pixkin: Cli, name: str, photos: Path, on_store: Where) -> str:
    """The generated photos in a collection of colour histograms."""
    assert pixkin("index", "create", name, "--extractor", "hsv-histogram", *on_store).status == 0
    assert pixkin("index", "add", name, photos, "--labels-from-folders", *on_store).status == 0
    return name


@pytest.fixture
def file(pixkin: Cli, colours: str, on_store: Where, tmp_path: Path) -> Path:
    """A whitening that was learnt of them."""
    path = tmp_path / "colours.npz"
    ran = pixkin("whitening", "fit", colours, *FIT, "-o", path, *on_store[:2])
    assert (ran.status, "405 to 4" in ran.out) == (0, True), ran.err
    return path


def hits(ran: Any) -> list[tuple[str, float]]:
    assert ran.status == 0, ran.err
    return [(hit["id"], hit["score"]) for hit in ran.json["hits"]]


def test_attached_derived_and_exported_it_gives_the_same_ranking(
    pixkin: Cli, colours: str, name: str, file: Path, photos: Path, workplace: Any, tmp_path: Path
) -> None:
    # Making a collection of a file installs it among the extractors, which other tests count.
    extractors = shutil.copytree(workplace.on_store[3], tmp_path / "extractors")
    on_store = (*workplace.on_store[:2], "--extractors", extractors)
    assert pixkin("whitening", "attach", colours, file, "--as", "w", *on_store[:2]).status == 0
    made = pixkin("index", "derive", colours, "--descriptor", "histogram", "--whitening", file, "--as", "white",
                  *on_store[:2])  # fmt: skip
    assert made.status == 0, made.err
    exported = tmp_path / "whitened.onnx"
    ran = pixkin("export-model", "hsv-histogram", "--whitening", file, "--as", "whitened", "-o", exported)
    assert ran.status == 0, ran.err
    other = f"{name}-x"
    assert pixkin("index", "create", other, "--extractor", exported, *on_store).status == 0
    assert pixkin("index", "add", other, photos, *on_store).status == 0
    query = ("id:red/0.jpg", "--size", "30", "--json")
    attached = hits(
        pixkin("search", colours, *query, "--descriptor", "histogram", "--rerank", "whiten:name=w", *on_store)
    )
    derived = hits(pixkin("search", colours, *query, "--descriptor", "white", *on_store))
    inside = hits(pixkin("search", other, *query, "--descriptor", "histogram-white", *on_store))
    for ranking in (derived, inside):
        assert [item for item, _ in ranking] == [item for item, _ in attached]
        assert [score for _, score in ranking] == pytest.approx([score for _, score in attached], abs=1e-5)


def test_a_derived_descriptor_serves_pictures_that_come_later_and_queries_by_picture(
    pixkin: Cli, colours: str, file: Path, photos: Path, workplace: Any, tmp_path: Path
) -> None:
    on_store = workplace.on_store
    derive = ("index", "derive", colours, "--descriptor", "histogram", "--whitening", file, "--as", "white")
    assert pixkin(*derive, *on_store[:2]).status == 0
    later = tmp_path / "later.jpg"
    later.write_bytes((photos / "red" / "1.jpg").read_bytes())
    assert pixkin("index", "add", colours, later, *on_store).out == "1 added\n"
    for where in (on_store, workplace.on_server):
        found = hits(pixkin("search", colours, photos / "red" / "1.jpg", "--descriptor", "white", "--json", *where))
        assert {item for item, _ in found[:2]} == {"later.jpg", "red/1.jpg"}
        assert [score for _, score in found[:2]] == pytest.approx([1, 1], abs=1e-6)
    again = pixkin(*derive, *on_store[:2])
    assert (again.status, "has a descriptor white already" in again.err) == (1, True)


def test_a_server_uses_what_is_attached(pixkin: Cli, colours: str, file: Path, workplace: Any) -> None:
    assert pixkin("whitening", "attach", colours, file, "--as", "w", *workplace.on_store[:2]).status == 0
    asked = ("search", colours, "id:red/0.jpg", "--json", "--rerank", "whiten:name=w")
    here, there = (hits(pixkin(*asked, *where)) for where in (workplace.on_store, workplace.on_server))
    assert here == there


@pytest.mark.parametrize(
    ("rerank", "said"),
    [
        ("whiten", "reranker whiten needs name"),
        ("whiten:name=nothing", "has no whitening 'nothing'; attach it with: pixkin whitening attach"),
        ("whiten:name=w,dims=9", "the whitening has 4 components, and 9 dimensions are asked for"),
    ],
)
def test_what_cannot_be_whitened_is_said_in_one_line(
    pixkin: Cli, colours: str, file: Path, on_store: Where, rerank: str, said: str
) -> None:
    assert pixkin("whitening", "attach", colours, file, "--as", "w", *on_store[:2]).status == 0
    ran = pixkin("search", colours, "id:red/0.jpg", "--rerank", rerank, *on_store)
    assert (ran.status, ran.err.count("\n"), said in ran.err) == (1, 1, True), ran.err


def test_a_whitening_of_another_descriptor_or_a_damaged_file_is_refused(
    pixkin: Cli, name: str, file: Path, on_store: Where, tmp_path: Path
) -> None:
    np.save(tmp_path / "v.npy", np.eye(405, dtype=np.float32))
    (tmp_path / "ids").write_text("\n".join(f"i{at}" for at in range(405)))
    other = f"{name}-v"
    assert pixkin("index", "import", other, "--descriptor", "histogram", "--vectors", tmp_path / "v.npy", "--ids",
                  tmp_path / "ids", *on_store[:2]).status == 0  # fmt: skip
    for command in (("whitening", "attach", other, file, "--as", "w"),
                    ("index", "derive", other, "--whitening", file, "--as", "white")):  # fmt: skip
        ran = pixkin(*command, *on_store[:2])
        assert (ran.status, "learnt of" in ran.err) == (1, True), ran.err
    broken = tmp_path / "broken.npz"
    broken.write_bytes(file.read_bytes()[:-40])
    ran = pixkin("whitening", "attach", other, broken, "--as", "w", *on_store[:2])
    assert (ran.status, "damaged" in ran.err) == (1, True), ran.err


def test_fewer_pictures_than_dimensions_and_a_server_are_refused(
    pixkin: Cli, colours: str, workplace: Any, tmp_path: Path
) -> None:
    ran = pixkin("whitening", "fit", colours, "-o", tmp_path / "w.npz", *workplace.on_store[:2])
    assert (ran.status, "--shrink" in ran.err) == (1, True)
    assert not (tmp_path / "w.npz").exists()
    ran = pixkin("whitening", "fit", colours, *FIT, "-o", tmp_path / "w.npz", *workplace.on_server)
    assert (ran.status, "works on a store only" in ran.err) == (2, True)


def test_an_augmented_descriptor_is_brought_up_to_date_after_pictures_came(
    pixkin: Cli, colours: str, photos: Path, workplace: Any, tmp_path: Path
) -> None:
    on_store = workplace.on_store
    augment = ("index", "augment", colours, "--descriptor", "histogram", "--k", "3", "--alpha", "2", "--as", "near")
    assert pixkin(*augment, *on_store[:2]).out == "24 vectors written\n"
    assert pixkin(*augment, *on_store[:2]).out == "0 vectors written\n"
    later = tmp_path / "later.jpg"
    later.write_bytes((photos / "red" / "1.jpg").read_bytes())
    assert pixkin("index", "add", colours, later, *on_store).out == "1 added\n"
    found = hits(pixkin("search", colours, photos / "red" / "1.jpg", "--descriptor", "near", "--json", *on_store))
    assert found[0] == ("later.jpg", pytest.approx(1, abs=1e-6))  # its own vector alone, and so is the query's
    written = int(pixkin(*augment, *on_store[:2]).out.split()[0])
    assert 1 <= written < 25
    for where in (on_store, workplace.on_server):
        found = hits(pixkin("search", colours, "id:later.jpg", "--descriptor", "near", "--json", *where))
        assert found[0][0] == "red/1.jpg"
    ran = pixkin("index", "augment", colours, "--descriptor", "histogram", "--k", "0", "--as", "x", *on_store[:2])
    assert (ran.status, "k is 1 to 1,000 neighbours" in ran.err) == (1, True)


def test_a_kept_graph_serves_diffusion_here_and_through_a_server_until_vectors_are_written(
    pixkin: Cli, colours: str, photos: Path, workplace: Any, tmp_path: Path
) -> None:
    on_store = workplace.on_store
    graph = ("index", "graph", colours, "--descriptor", "histogram", "--k", "6", *on_store[:2])
    ran = pixkin(*graph)
    assert (ran.status, ran.out) == (0, "hsv-histogram.histogram: 24 items with 6 neighbours each, 24 looked at\n")
    query = ("search", colours, "id:red/0.jpg", "--json", "--rerank")
    found = [hits(pixkin(*query, "diffusion:k=4,graph=kept", *where)) for where in (on_store, workplace.on_server)]
    assert found[0] == found[1]
    assert {item.split("/")[0] for item, _ in found[0][:3]} == {"red"}
    assert pixkin("index", "update", colours, "red/0.jpg", "--label", "new", *on_store).status == 0
    assert hits(pixkin(*query, "diffusion:k=4,graph=kept", *on_store)) == found[0]
    later = tmp_path / "later.jpg"
    later.write_bytes((photos / "red" / "1.jpg").read_bytes())
    assert pixkin("index", "add", colours, later, *on_store).out == "1 added\n"
    ran = pixkin(*query, "diffusion:k=4,graph=kept", *on_store)
    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert f"pixkin index graph {colours} --descriptor hsv-histogram.histogram" in ran.err
    assert pixkin(*query, "diffusion:k=4,graph=kept,stale=use", *on_store).status == 0
    assert hits(pixkin(*query, "diffusion:k=4,graph=kept,stale=rebuild", *workplace.on_server))
    assert hits(pixkin(*query, "diffusion:k=4,graph=kept", *on_store))
    assert pixkin(*graph).out.endswith(" 0 looked at\n")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("--k", "0"), 1, "k is 1 to 1,000 neighbours"),
        (("--descriptor", "gap"), 1, "[UNKNOWN_DESCRIPTOR]"),
        (("--measure", "likeness"), 1, "[UNKNOWN_MEASURE]"),
        (("--server", "127.0.0.1:1"), 2, "works on a store only"),
    ],
)
def test_a_graph_that_cannot_be_is_refused_in_one_line(
    pixkin: Cli, colours: str, on_store: Where, arguments: Where, status: int, said: str
) -> None:
    where = () if "--server" in arguments else on_store[:2]
    ran = pixkin("index", "graph", colours, *arguments, *where)
    assert (ran.status, ran.out, ran.err.count("\n")) == (status, "", 1)
    assert said in ran.err
