from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pixkin_server.cli.queries import split_weight

Cli = Callable[..., Any]
Where = tuple[object, ...]


@pytest.fixture
def filled(pixkin: Cli, made: str, folder: Path, where: Where) -> str:
    """A collection of four pictures with the labels of their folders."""
    assert pixkin("index", "add", made, folder, "--labels-from-folders", *where).status == 0
    return made


def test_hits_are_on_stdout_and_what_ran_on_stderr(pixkin: Cli, filled: str, folder: Path, where: Where) -> None:
    ran = pixkin("search", filled, folder / "red/a.jpg", "--size", "2", *where)
    assert ran.status == 0
    lines = [line.split() for line in ran.out.splitlines()]
    assert lines[0] == ["rank", "id", "score", "value", "labels"]
    assert lines[1] == ["1", "red/a.jpg", "1.0000", "0.0000", "red"]
    assert len(lines) == 3
    assert "hsv-histogram.histogram chi2 · exact:depth=100" in ran.err
    assert "decode" in ran.err
    assert ran.err.endswith(" ms\n")


def test_hits_are_explained_in_words_and_in_json(pixkin: Cli, filled: str, folder: Path, where: Where) -> None:
    ran = pixkin("search", filled, folder / "red/a.jpg", "--size", "2", "--explain", *where)
    table, words = ran.out.split("\n\n")
    assert len(table.splitlines()) == 3
    assert words.splitlines()[0].split() == ["rank", "id", "descriptor", "what", "the", "value", "comes", "from"]
    assert re.search(r"bins +\w+.*, hue \d of 9, saturation \d of 3, value \d of 3 \d+%", words)
    assert re.search(r"regions +.*centre \d+%", words)
    found = pixkin("search", filled, folder / "red/a.jpg", "--size", "2", "--explain", "--json", *where).json
    [explanation] = found["explanations"][1]
    assert explanation["sum"] == pytest.approx(found["hits"][1]["value"], abs=1e-9)
    refused = pixkin("search", filled, folder / "red/a.jpg", "--measure", "cosine", "--explain", *where)
    assert (refused.status, refused.err.count("\n")) == (1, 1)
    assert "INVALID_PLAN" in refused.err


def test_json_has_the_promised_shape(pixkin: Cli, filled: str, folder: Path, where: Where) -> None:
    found = pixkin("search", filled, folder / "red/a.jpg", "--offset", "1", "--size", "2", "--json", *where).json
    assert list(found) == ["collection", "plan", "hits", "timings_ms"]
    assert found["collection"] == filled
    assert [list(hit) for hit in found["hits"]] == [["rank", "id", "score", "value", "labels"]] * 2
    assert [hit["rank"] for hit in found["hits"]] == [2, 3]
    assert found["plan"]["descriptors"] == [
        {"name": "hsv-histogram.histogram", "measure": "chi2", "weight": 1.0}
    ]  # fmt: skip
    assert (found["plan"]["size"], found["plan"]["offset"]) == (2, 1)
    assert list(found["timings_ms"])[-6:] == ["decode", "prepare", "encode", "query", "candidates", "page"]
    assert all(isinstance(ms, float) for ms in found["timings_ms"].values())


def test_store_and_server_print_the_same_hits(pixkin: Cli, made: str, folder: Path, workplace: Any) -> None:
    pixkin("index", "add", made, folder, "--labels-from-folders", *workplace.on_store)
    query = (folder / "red/a.jpg", "id:top.png@-0.25", "--crop", "3,3,20,15", "--measure", "intersection")
    here, there = (
        pixkin("search", made, *query, "--json", *options).json for options in (workplace.on_store, workplace.on_server)
    )
    here.pop("timings_ms")
    there.pop("timings_ms")
    assert here == there


def test_a_query_by_id_leaves_itself_out_unless_asked(pixkin: Cli, filled: str, where: Where) -> None:
    hits = pixkin("search", filled, "id:top.png", "--json", *where).json["hits"]
    assert [hit["id"] for hit in hits].count("top.png") == 0
    kept = pixkin("search", filled, "id:top.png", "--include-self", "--json", *where).json["hits"]
    assert kept[0]["id"] == "top.png"


def test_weights_move_towards_and_away(pixkin: Cli, filled: str, where: Where) -> None:
    def best(*queries: str) -> list[str]:
        ran = pixkin("search", filled, *queries, "--include-self", "--measure", "cosine", "--json", *where)
        return [hit["id"] for hit in ran.json["hits"]]

    assert best("id:red/a.jpg@3", "id:top.png@0.1")[0] == "red/a.jpg"
    assert best("id:red/a.jpg@0.1", "id:top.png@3")[0] == "top.png"
    assert best("id:red/a.jpg", "id:top.png@-1")[-1] == "top.png"


def test_filters_choose_among_labels(pixkin: Cli, filled: str, where: Where) -> None:
    options = ("--filter", "label=red", "--filter", "label=blue", "--json")
    hits = pixkin("search", filled, "id:top.png", *options, *where).json["hits"]
    assert {hit["id"] for hit in hits} == {"red/a.jpg", "red/b.jpg", "blue/a.jpg"}
    nothing = pixkin("search", filled, "id:top.png", "--filter", "label=none", *where)
    assert (nothing.status, nothing.out) == (0, "")
    assert nothing.err.startswith("no hits\n")


def test_file_names_and_ids_may_hold_an_at_sign(
    pixkin: Cli, filled: str, folder: Path, where: Where, draw: Callable[[Path, int], Path]
) -> None:
    file = draw(folder / "me@2.png", 60)
    pixkin("index", "add", filled, folder, *where)
    for query in (file, f"{file}@0.5", "id:me@2.png", "id:me@2.png@1"):
        ran = pixkin("search", filled, query, "--include-self", "--json", *where)
        assert ran.json["hits"][0]["id"] == "me@2.png"


def test_a_weight_is_a_finite_number_behind_what_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there@3").touch()
    assert split_weight("there@3") == ("there@3", 1.0)
    assert split_weight("there@3@-2") == ("there@3", -2.0)
    assert split_weight("id:a@b@1e-1") == ("id:a@b", 0.1)
    for text in ("a@b", "a@nan", "a@inf", "a@", "@2", "plain", "x" * 5000):
        assert split_weight(text) == (text, 1.0)


def test_the_crop_is_in_pixels_of_the_upright_picture(pixkin: Cli, filled: str, where: Where, tmp_path: Path) -> None:
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, :20] = (250, 10, 10)
    pixels[:10, 20:] = (10, 10, 250)
    upright = Image.fromarray(pixels)
    upright.save(tmp_path / "upright.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees clockwise, so it is stored turned the other way
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    found = [
        pixkin("search", filled, tmp_path / file, "--crop", "20,0,40,10", "--size", "4", "--json", *where).json["hits"]
        for file in ("upright.png", "turned.png")
    ]
    assert found[0] == found[1]
    whole = pixkin("search", filled, tmp_path / "upright.png", "--json", *where).json["hits"]
    assert whole != found[0]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("nowhere.jpg",), 1, "id:nowhere.jpg"),
        (("x" * 5000,), 1, "there is no picture"),
        (("id:nobody",), 1, "[UNKNOWN_ITEM]"),
        (("id:",), 1, "[INVALID_ARGUMENT]"),
        (("id:top.png", "--size", "0"), 1, "[INVALID_SIZE]"),
        (("id:top.png", "--size", "many"), 2, "not a valid integer"),
        (("id:top.png", "--offset", "-1"), 1, "[INVALID_SIZE]"),
        (("id:top.png", "--candidates", "exact:depth=2"), 1, "[INVALID_PLAN]"),
        (("id:top.png", "--expand", "average:n=5"), 1, "[INVALID_PLAN]"),
        (("id:top.png", "--rerank", "nobody"), 1, "[INVALID_PLAN]"),
        (("id:top.png", "--descriptor", "gap"), 1, "[UNKNOWN_DESCRIPTOR]"),
        (("id:top.png", "--descriptor", "histogram:measure=chi3"), 1, "[UNKNOWN_MEASURE]"),
        (("id:top.png", "--filter", "label"), 1, "[INVALID_FILTER]"),
        (("id:top.png", "--crop", "1,2,3,4"), 2, "--crop belongs to a picture"),
        (("id:top.png@0",), 1, "[INVALID_ARGUMENT]"),
        ((), 2, "Missing argument"),
    ],
)
def test_a_search_that_cannot_be_is_refused_in_one_line(
    pixkin: Cli, filled: str, where: Where, arguments: Where, status: int, said: str
) -> None:
    ran = pixkin("search", filled, *arguments, *where)
    assert ran.status == status
    assert said in ran.err
    assert ran.err.count("\n") == 1
    assert ran.out == ""


def test_a_crop_that_is_none_is_refused(pixkin: Cli, filled: str, folder: Path, where: Where) -> None:
    for crop, status in (("1,2,3", 2), ("a,b,c,d", 2), ("0,0,5000,10", 1), ("1,1,0,0", 1), ("nan,0,1,1", 1)):
        ran = pixkin("search", filled, folder / "top.png", "--crop", crop, *where)
        assert ran.status == status, crop
        assert ran.err.count("\n") == 1
