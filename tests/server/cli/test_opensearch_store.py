"""The commands with the URL of a cluster in place of a directory, and those that only a cluster has."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
import pytest
from pixkin_scoring.plan import Plan
from pixkin_scoring.results import Hits, SearchResult
from pixkin_server.cli.search import print_result, result_to_json

Cli = Callable[..., Any]
Where = tuple[object, ...]


@pytest.fixture(params=["store", "server"])
def where(request: pytest.FixtureRequest) -> Where:
    """The options that name the cluster, or a server over it."""
    return request.getfixturevalue("on_cluster" if request.param == "store" else "over_cluster")


@pytest.fixture
def filled(pixkin: Cli, name: str, folder: Path, on_cluster: Where) -> str:
    """A collection of four pictures with the labels of their folders, in the cluster."""
    assert pixkin("index", "create", name, "--extractor", "hsv-histogram", *on_cluster).status == 0
    assert pixkin("index", "add", name, folder, "--labels-from-folders", *on_cluster).out == "4 added\n"
    return name


@pytest.fixture
def empty(pixkin: Cli, name: str, on_cluster: Where) -> str:
    """An empty collection of vectors in the cluster."""
    assert pixkin("index", "create", name, "--vectors", "v:dim=3,signed=0", *on_cluster).status == 0
    return name


def asked(method: str, url: str) -> Any:
    with urlopen(Request(url, method=method)) as reply:  # noqa: S310  # our own node
        return json.load(reply)


def layout(pixkin: Cli, collection: str, where: Where) -> Any:
    return pixkin("index", "describe", collection, "--json", *where).json["layout"]


def test_a_cluster_does_what_a_directory_does(
    pixkin: Cli, made: str, folder: Path, where: Where, workplace: Any, tmp_path: Path
) -> None:
    def both(*arguments: object) -> list[tuple[int, str]]:
        ran = [pixkin(*arguments, *options) for options in (where, workplace.on_store)]
        return [(each.status, each.out) for each in ran]

    assert pixkin("index", "create", made, "--extractor", "hsv-histogram", *workplace.on_store).status == 0
    (folder / "bad.jpg").write_text("no picture")
    steps: tuple[tuple[object, ...], ...] = (
        ("index", "add", made, folder, "--labels-from-folders"),
        ("index", "add", made, folder, "--labels-from-folders"),
        ("index", "update", made, "top.png", "--label", "kept", "--attribute", "year=1999", "--attribute", "a=b"),
        ("index", "list", made, "--json"),
        ("index", "list", made, "--filter", "year=1990..2000", "--filter", "a=b"),
        ("search", made, folder / "red/a.jpg"),
        ("search", made, "id:red/a.jpg", "--measure", "kl", "--filter", "label=red", "--filter", "label=kept"),
        ("search", made, "id:nobody"),
        ("search", made, "id:red/a.jpg", "id:top.png@-0.2", "--size", "2", "--offset", "1"),
        ("index", "remove", made, "blue/a.jpg", "nobody"),
        ("index", "verify", made),
    )  # fmt: skip
    for step in steps:
        ours, directory = both(*step)
        assert ours == directory, step
    (folder / "red/a.jpg").rename(folder / "moved.jpg")
    ours, directory = both("index", "sync", made, folder, "--json")
    assert json.loads(ours[1]) == json.loads(directory[1])
    values = [json.loads(out) for _, out in both("evaluate", "labels", made, "--measure", "intersection", "--json")]
    assert values[0]["map"] == values[1]["map"]


def test_vectors_come_back_from_a_cluster_bit_for_bit(
    pixkin: Cli, name: str, tmp_path: Path, on_cluster: Where
) -> None:
    rows = np.random.default_rng(3).normal(size=(300, 5)).astype(np.float32)
    np.save(tmp_path / "in.npy", rows)
    (tmp_path / "ids.txt").write_text("\n".join(f"{number:03}" for number in range(300)))
    files = ("--vectors", tmp_path / "in.npy", "--ids", tmp_path / "ids.txt")
    assert pixkin("index", "import", name, "--descriptor", "v", *files, *on_cluster).out == "300 added\n"
    files = ("--vectors", tmp_path / "out.npy", "--ids", tmp_path / "out.txt")
    assert pixkin("index", "export", name, *files, *on_cluster[:2]).out.startswith("300 vectors of v")
    assert np.array_equal(np.load(tmp_path / "out.npy"), rows)


def test_a_collection_has_the_layout_that_was_asked_for_and_describe_shows_it(
    pixkin: Cli, name: str, where: Where, on_cluster: Where
) -> None:
    options = ("--shards", 2, "--replicas", 0, "--slices", 2, "--ann", "--m", 8, "--ef-search", 300, "--lean")
    ran = pixkin("index", "create", name, "--vectors", "v:dim=3", *options, *where)
    expected = {
        "index": f"{name}-v0001", "approximate": "m=8, ef_construction=100, ef_search=300",
        "replicas": "0", "shards": "2", "slices": "2", "source": "lean",
    }  # fmt: skip
    said = " · ".join(f"{what} {how}" for what, how in expected.items())
    assert (ran.status, f"\n  {said}\n" in ran.out) == (0, True)
    described = pixkin("index", "describe", name, "--json", *where).json
    assert (described["layout"], described["approximate"]) == (expected, ["v"])
    assert layout(pixkin, name, on_cluster) == expected
    assert name in [each["name"] for each in pixkin("index", "list", "--json", *where).json]


def test_without_layout_options_the_defaults_hold(pixkin: Cli, empty: str, on_cluster: Where) -> None:
    described = pixkin("index", "describe", empty, "--json", *on_cluster).json
    assert described["approximate"] == []
    assert described["layout"]["approximate"] == "no"
    assert described["layout"]["shards"] == "1"


def test_a_directory_has_no_layout_and_says_so_in_one_line(pixkin: Cli, name: str, workplace: Any) -> None:
    for where in (workplace.on_store, workplace.on_server):
        ran = pixkin("index", "create", name, "--vectors", "v:dim=3", "--shards", "2", *where)
        assert (ran.status, ran.err.count("\n")) == (1, 1)
        assert "leave them out, or name a cluster" in ran.err
    described = pixkin("index", "create", name, "--vectors", "v:dim=3", *workplace.on_store)
    assert "shards" not in described.out
    found = pixkin("index", "describe", name, "--json", *workplace.on_server).json
    assert (found["layout"], found["approximate"]) == ({}, None)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("--shards", "0"), 1, "shards is 1 to 1,024"),
        (("--shards", "many"), 2, "'many' is not a valid integer"),
        (("--replicas", "many"), 2, "'many' is not a valid integer"),
        (("--m", "8"), 2, "--m: there is no index of neighbours to shape without --ann"),
        (("--no-ann", "--ef-search", "8", "--ef-construction", "9"), 2, "--ef-construction, --ef-search: there is no"),
        (("--ann", "--m", "1"), 1, "m is 2 to 512"),
    ],
)
def test_a_layout_that_cannot_be_is_refused_in_one_line(
    pixkin: Cli, empty: str, on_cluster: Where, arguments: Where, status: int, said: str
) -> None:
    new = ("index", "create", f"{empty}-other", "--vectors", "v:dim=3")
    for command in (new, ("index", "reindex", empty), ("index", "copy", empty, "--to", on_cluster[1], "--as", "x")):
        ran = pixkin(*command, *arguments, *on_cluster[:2])
        assert (ran.status, ran.out, ran.err.count("\n")) == (status, "", 1)
        assert said in ran.err
    assert layout(pixkin, empty, on_cluster)["index"] == f"{empty}-v0001"


def test_a_reindex_changes_only_what_is_named(pixkin: Cli, filled: str, folder: Path, on_cluster: Where) -> None:
    before = pixkin("search", filled, folder / "red/a.jpg", *on_cluster).out
    ran = pixkin("index", "reindex", filled, "--shards", "2", "--ann", "--lean", *on_cluster[:2])
    assert (ran.status, ran.err.startswith(f"{filled}-v0001 stays for")) == (0, True)
    assert ran.out.startswith(f"{filled}: 4 items")
    found = layout(pixkin, filled, on_cluster)
    assert (found["index"], found["shards"], found["source"]) == (f"{filled}-v0002", "2", "lean")
    near = pixkin("search", filled, folder / "red/a.jpg", "--candidates", "approximate", *on_cluster)
    assert (near.out, "approximate:depth=500" in near.err) == (before, True)
    pixkin("index", "reindex", filled, "--ef-search", "50", "--replicas", "0", *on_cluster[:2])
    found = layout(pixkin, filled, on_cluster)
    assert (found["approximate"], found["replicas"]) == ("m=16, ef_construction=100, ef_search=50", "0")
    pixkin("index", "reindex", filled, "--ef-search", "auto", "--replicas", "auto", *on_cluster[:2])
    found = layout(pixkin, filled, on_cluster)
    assert (found["approximate"][-9:], found["replicas"], found["shards"]) == ("the depth", "0-1", "2")
    pixkin("index", "reindex", filled, "--no-ann", "--whole", *on_cluster[:2])
    found = layout(pixkin, filled, on_cluster)
    assert (found["index"], found["approximate"], found["source"]) == (f"{filled}-v0005", "no", "whole")
    refused = pixkin("search", filled, folder / "red/a.jpg", "--candidates", "approximate", *on_cluster)
    assert (refused.status, "[INVALID_PLAN]" in refused.err) == (1, True)
    assert pixkin("search", filled, folder / "red/a.jpg", *on_cluster).out == before


@pytest.fixture
def colours(pixkin: Cli, filled: str, on_cluster: Where, tmp_path: Path) -> Path:
    """A whitening to 3 dimensions of the colours of the pictures, attached as `short`."""
    path, store = tmp_path / "short.npz", on_cluster[:2]
    ran = pixkin("whitening", "fit", filled, "--dims", 3, "--shrink", "0.1", "-o", path, *store)
    assert (ran.status, pixkin("whitening", "attach", filled, path, "--as", "short", *store).status) == (0, 0), ran.err
    return path


def test_neighbours_are_shortened_by_an_attached_whitening_and_whole_again(
    pixkin: Cli, filled: str, folder: Path, colours: Path, on_cluster: Where
) -> None:
    store = on_cluster[:2]
    before = pixkin("search", filled, folder / "red/a.jpg", *on_cluster).out
    ran = pixkin("index", "reindex", filled, "--ann", "--twin", "histogram=short", *store)
    assert (ran.status, "twins hsv-histogram.histogram by short to 3 dimensions (" in ran.out) == (0, True), ran.err
    near = pixkin("search", filled, folder / "red/a.jpg", "--candidates", "approximate", *on_cluster)
    assert (near.out, "approximate:depth=500" in near.err) == (before, True)
    assert pixkin("index", "reindex", filled, "--m", "8", *store).status == 0
    assert layout(pixkin, filled, on_cluster)["twins"].startswith("hsv-histogram.histogram by short to 3")
    assert pixkin("index", "reindex", filled, "--twin", "histogram=", *store).status == 0
    assert "twins" not in layout(pixkin, filled, on_cluster)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("--twin", "histogram=short"), 2, "--twin: there is no index of neighbours to shape without --ann"),
        (("--ann", "--twin", "short"), 2, "'short' is not DESCRIPTOR=WHITENING"),
        (("--ann", "--twin", "gap=short"), 1, "[UNKNOWN_DESCRIPTOR]"),
        (("--ann", "--twin", "histogram=long"), 1, "pixkin whitening attach"),
    ],
)
def test_a_twin_that_cannot_be_is_refused_in_one_line(
    pixkin: Cli, filled: str, on_cluster: Where, arguments: Where, status: int, said: str
) -> None:
    ran = pixkin("index", "reindex", filled, *arguments, *on_cluster[:2])
    assert (ran.status, ran.out, ran.err.count("\n")) == (status, "", 1)
    assert said in ran.err
    assert layout(pixkin, filled, on_cluster)["index"] == f"{filled}-v0001"


def test_a_rollback_asks_and_leaves_behind_what_was_written_since(
    pixkin: Cli, filled: str, cluster: str, on_cluster: Where
) -> None:
    store = on_cluster[:2]
    pixkin("index", "reindex", filled, *store)
    pixkin("index", "remove", filled, "top.png", *on_cluster)
    for answer, said in (("n\n", f"{filled} stays as it is"), ("", "--yes does not ask")):
        ran = pixkin("index", "rollback", filled, *store, stdin=answer)
        assert (ran.status, ran.out, said in ran.err) == (1, "", True)
    assert pixkin("index", "rollback", filled, *store, stdin="y\n").out.startswith(f"{filled}: 4 items")
    assert layout(pixkin, filled, on_cluster)["index"] == f"{filled}-v0001"
    assert "top.png" in pixkin("index", "list", filled, *on_cluster).out
    nothing = pixkin("index", "rollback", filled, "--yes", *store)
    assert (nothing.status, f"no version before {filled}-v0001" in nothing.err) == (1, True)
    assert pixkin("index", "update", filled, "top.png", "--label", "new", *on_cluster).out == "1 updated, 0 unchanged\n"
    asked("DELETE", f"{cluster}/{filled}-v0001/_alias/{filled}")
    gone = pixkin("index", "describe", filled, *on_cluster)
    assert (gone.status, "pixkin index rollback" in gone.err) == (1, True)
    assert pixkin("index", "rollback", filled, "--yes", *store).status == 0
    assert layout(pixkin, filled, on_cluster)["index"] == f"{filled}-v0002"


def test_prune_asks_before_it_deletes_the_way_back(pixkin: Cli, filled: str, cluster: str, on_cluster: Where) -> None:
    store = on_cluster[:2]
    ran = pixkin("index", "prune", filled, *store)
    assert (ran.status, ran.out, ran.err) == (0, "", f"{filled} has no other version\n")
    ran = pixkin("index", "reindex", filled, *store)
    assert (ran.status, f"{filled}-v0001 stays" in ran.err) == (0, True)
    ran = pixkin("index", "prune", filled, *store, stdin="n\n")
    assert (ran.status, f"Delete {filled}-v0001" in ran.err) == (1, True)
    assert sorted(asked("GET", f"{cluster}/{filled}-v*")) == [f"{filled}-v0001", f"{filled}-v0002"]
    ran = pixkin("index", "prune", filled, *store, "--yes")
    assert (ran.status, ran.out, ran.err) == (0, f"{filled}-v0001 is gone\n", "")
    assert list(asked("GET", f"{cluster}/{filled}-v*")) == [f"{filled}-v0002"]


@pytest.mark.parametrize("command", ["merge", "reindex", "rollback", "unlock", "prune"])
def test_versions_are_for_a_cluster_and_not_through_a_server(
    pixkin: Cli, made: str, command: str, workplace: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = pixkin("index", command, made, "--store", workplace.store)
    assert (ran.status, ran.err.count("\n")) == (2, 1)
    assert "is a directory, which needs no such care" in ran.err
    said = f"index {command} works on a store only, not through a server"
    assert said in pixkin("index", command, made, "--server", workplace.address).err
    monkeypatch.setenv("PIXKIN_SERVER", workplace.address)
    assert said in pixkin("index", command, made).err


def test_drop_names_the_index_and_deletes_every_version(
    pixkin: Cli, filled: str, cluster: str, where: Where, on_cluster: Where
) -> None:
    pixkin("index", "reindex", filled, *on_cluster[:2])
    ran = pixkin("index", "drop", filled, *where, stdin="n\n")
    assert f"Delete {filled} with 4 items and all versions of its index ({filled}-v0002 is in use)" in ran.err
    assert (ran.status, len(asked("GET", f"{cluster}/{filled}-v*"))) == (1, 2)
    assert pixkin("index", "drop", filled, *where, stdin="y\n").out == f"{filled} is gone\n"
    assert asked("GET", f"{cluster}/{filled}-v*") == {}


def test_a_collection_without_its_alias_can_be_dropped(
    pixkin: Cli, empty: str, cluster: str, on_cluster: Where
) -> None:
    asked("DELETE", f"{cluster}/{empty}-v0001/_alias/{empty}")
    ran = pixkin("index", "drop", empty, *on_cluster, stdin="n\n")
    assert (ran.status, "which cannot be read" in ran.err) == (1, True)
    assert pixkin("index", "drop", empty, "--yes", *on_cluster).out == f"{empty} is gone\n"
    assert asked("GET", f"{cluster}/{empty}-v*") == {}


def test_http_to_another_host_needs_insecure(
    pixkin: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, workplace: Any
) -> None:
    monkeypatch.setenv("PIXKIN_HOME", str(tmp_path / "home"))
    elsewhere = ("--store", "http://pixkin.invalid:9200")
    for command in (("index", "list"), ("search", "c", "id:x"), ("index", "copy", "c", "--to", "x"), ("demo",)):
        ran = pixkin(*command, *elsewhere)
        assert (ran.status, ran.err.count("\n"), "--insecure" in ran.err) == (1, 1, True)
    assert not (tmp_path / "home").exists()
    assert "[STORE_UNAVAILABLE]" in pixkin("index", "list", *elsewhere, "--insecure").err
    monkeypatch.setenv("PIXKIN_INSECURE", "1")
    assert "[STORE_UNAVAILABLE]" in pixkin("index", "list", *elsewhere).err
    both = pixkin("index", "list", *workplace.on_server, "--insecure")
    assert (both.status, "a server has its own" in both.err) == (2, True)


def test_hits_of_a_part_of_the_collection_are_named_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    result = SearchResult(Hits(), Plan(), {"candidates": 1.0}, partial="1 of 2 shards failed (a reason)")
    print_result(result)
    printed = capsys.readouterr()
    assert "these hits are not of the whole collection: 1 of 2 shards failed (a reason)" in printed.err
    assert "shards" not in printed.out
    assert result_to_json("c", result)["partial"] == "1 of 2 shards failed (a reason)"
    assert "partial" not in result_to_json("c", SearchResult(Hits(), Plan(), {}))


def test_a_search_may_allow_for_a_part(pixkin: Cli, filled: str, where: Where) -> None:
    found = pixkin("search", filled, "id:top.png", "--allow-partial", "--json", *where)
    assert (found.status, found.json["plan"]["allow_partial"], "partial" in found.json) == (0, True, False)
    found = pixkin("search", filled, "id:top.png", "--json", *where)
    assert found.json["plan"]["allow_partial"] is False


@pytest.mark.slow
def test_the_demo_ranks_in_a_cluster_as_in_a_directory(
    pixkin: Cli, opensearch: Any, extractors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIXKIN_HOME", str(tmp_path))
    here = pixkin("demo", "--extractors", extractors, "--device", "cpu")
    there = pixkin("demo", "--extractors", extractors, "--device", "cpu", "--store", opensearch.url)
    assert (here.status, there.status, there.err) == (0, 0, "")
    ranked = [re.findall(r"^ +\d .*|\d+ of their \d+.*", each.out, re.MULTILINE) for each in (here, there)]
    assert len(ranked[0]) == 16
    assert ranked[0] == ranked[1]
    assert f"pixkin index add photos FOLDER --store {opensearch.url}" in there.out.replace("-m ", "")
    again = pixkin("demo", "--extractors", extractors, "--device", "cpu", "--store", opensearch.url)
    assert "0 pictures added, 209 unchanged" in again.out
    assert pixkin("index", "drop", "demo", "--yes", "--store", opensearch.url).status == 0


def test_a_cluster_that_is_named_as_a_server_is_told_apart(pixkin: Cli, cluster: str) -> None:
    ran = pixkin("index", "list", "--server", cluster)
    assert (ran.status, ran.out) == (1, "")
    assert "a server is named by HOST:PORT" in ran.err
    ran = pixkin("index", "list", "--server", cluster.removeprefix("http://"))
    assert (ran.status, ran.out) == (1, "")
    # 2.19.1 hangs up without a word, as a server that ends would.
    assert f"--store {cluster}" in ran.err or "no pixkin server answers" in ran.err


def test_a_collection_whose_index_is_closed_is_named_in_the_list_and_can_be_dropped(
    pixkin: Cli, empty: str, cluster: str, on_cluster: Where
) -> None:
    asked("POST", f"{cluster}/{empty}-v0001/_close")
    ran = pixkin("index", "describe", empty, *on_cluster)
    assert (ran.status, f"POST /{empty}-v0001/_open" in ran.err) == (1, True)
    ran = pixkin("index", "drop", empty, *on_cluster, stdin="n\n")
    assert (ran.status, "which cannot be read" in ran.err) == (1, True)
    assert pixkin("index", "drop", empty, "--yes", *on_cluster).out == f"{empty} is gone\n"


def test_what_others_have_added_is_named_by_reindex_and_copy_and_left_behind_when_that_is_said(
    pixkin: Cli, filled: str, cluster: str, on_cluster: Where, tmp_path: Path
) -> None:
    store = on_cluster[:2]
    asked("PUT", f"{cluster}/{filled}-v0001/_alias/{filled}-shop")
    ran = pixkin("index", "reindex", filled, *store)
    assert (ran.status, f"would lack: alias {filled}-shop" in ran.err, "--leave-behind" in ran.err) == (1, True, True)
    ran = pixkin("index", "copy", filled, "--to", str(tmp_path / "copy"), *store)
    assert (ran.status, f"added it to the index: alias {filled}-shop" in ran.err) == (0, True)
    assert pixkin("index", "reindex", filled, "--leave-behind", *store).status == 0


def test_unlock_says_that_nothing_holds_a_collection(pixkin: Cli, empty: str, on_cluster: Where) -> None:
    ran = pixkin("index", "unlock", empty, *on_cluster[:2])
    assert (ran.status, ran.out, ran.err) == (0, "", f"{empty} is not held by any command\n")
