from __future__ import annotations

import base64
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.parsers import expat

import pytest
from pixkin_proto.errors import InvalidArgument, MissingExtra
from pixkin_scoring.evaluation.quality import QUALITIES
from pixkin_server.evaluation.report import Picture, Report
from pixkin_server.evaluation.report.page import page, write_page

MakeReport = Callable[..., Report]
Photo = Callable[[str], Picture]
Read = Callable[[bytes], Any]
HOSTILE = (
    "<script>alert(1)</script>", '" onload="alert(1)', "</style><img src=x onerror=alert(1)>", "]]></svg>",
    "gnp\u202egpj.exe", "lone\udcff", "nul\x00", "two\nlines", "$x_{$", "\ufffe", "猫/犬.jpg", "&lt;b&gt;",
)  # fmt: skip


@pytest.fixture(scope="module")
def holiday(make_report: MakeReport, ids: list[str], photo: Photo) -> Report:
    return make_report(ids, picture=photo, query_picture=photo, details={"version": "1", "fingerprint": "f" * 64})


@pytest.fixture(scope="module")
def holiday_page(holiday: Report) -> bytes:
    return page(holiday)


def test_a_page_begins_with_its_headline_its_interval_and_the_number_of_queries(
    holiday: Report, holiday_page: bytes, read_page: Read
) -> None:
    (headline,) = read_page(holiday_page).all("p", class_="headline")
    mean = f"{holiday.evaluation.map:.4f}"
    assert headline.text == f"{mean}mAP95 % interval 0.2500 to 0.7500, bootstrap over 12 queries"


def test_ids_are_unique_and_every_link_and_label_leads_to_one(holiday_page: bytes, read_page: Read) -> None:
    read = read_page(holiday_page)
    ids = [node.attributes["id"] for node in read.walk() if "id" in node.attributes]
    assert len(ids) == len(set(ids))
    links = [node.attributes["href"] for node in read.all("a")]
    assert links == ["#measures", "#curves", "#classes", "#worst", "#best"]
    assert {link[1:] for link in links} <= set(ids)
    assert {node.attributes["aria-labelledby"] for node in read.all("section")} <= set(ids)


def test_every_measure_has_a_row_with_its_value_and_its_formula(
    holiday: Report, holiday_page: bytes, read_page: Read
) -> None:
    read = read_page(holiday_page)
    (table,) = (part.all("table")[0] for part in read.all("section", id="measures"))
    rows = [[cell.text for cell in row.all("bdi")] for row in table.all("tbody")[0].all("tr")]
    assert [row[:2] for row in rows] == [[name, f"{value:.4f}"] for name, value in holiday.evaluation.measures.items()]
    assert rows[0][2] == QUALITIES["AP"].formula
    assert all(row[2] for row in rows)


def test_details_are_folded_and_whole(holiday: Report, holiday_page: bytes, read_page: Read) -> None:
    (details,) = read_page(holiday_page).all("details")
    assert "open" not in details.attributes
    assert [cell.text for cell in details.all("bdi")] == [text for pair in holiday.details.items() for text in pair]


def test_every_diagram_is_there_for_light_and_dark_paper_and_is_told_in_words(
    holiday_page: bytes, read_page: Read
) -> None:
    figures = read_page(holiday_page).all("figure")
    assert [figure.all("figcaption")[0].text for figure in figures] == [
        "Precision against rank", "Precision against recall", "AP of the queries", "Classes of the best hits",
    ]  # fmt: skip
    for figure in figures:
        (light,), (dark,) = figure.all("img"), figure.all("source")
        assert re.search(r"\d", light.attributes["alt"])
        assert "dark" in dark.attributes["media"]
        assert svg(light.attributes["src"]) != svg(dark.attributes["srcset"])


def test_a_page_needs_no_network_and_no_script(holiday_page: bytes, read_page: Read) -> None:
    text = holiday_page.decode()
    assert not re.search(r"https?:|//[a-z]+\.|url\((?!data:)|@import", text)
    read = read_page(holiday_page)
    assert not read.all("script")
    assert not read.all("link")
    assert not [name for node in read.walk() for name in node.attributes if name.startswith("on")]
    policy = read.all("meta", **{"http-equiv": "Content-Security-Policy"})[0].attributes["content"]
    assert policy.startswith("default-src 'none'")
    for drawn in (*read.all("img"), *read.all("source")):
        named = set(re.findall(rb"https?://[^\"\s]+", svg(drawn.attributes.get("src") or drawn.attributes["srcset"])))
        assert {url.split(b"/")[2] for url in named} == {b"www.w3.org"}  # names of formats, which nobody fetches


def test_the_same_report_gives_the_same_bytes(holiday: Report, holiday_page: bytes) -> None:
    assert page(holiday) == holiday_page


def test_hostile_names_stay_text(make_report: MakeReport, photo: Photo, read_page: Read) -> None:
    report = make_report(
        [f"{letter}{name}" for letter in ("a", "<", "$", "猫") for name in HOSTILE],
        picture=lambda name: photo(name) if name.startswith("a") else None,
        title=HOSTILE[0], collection=HOSTILE[1], compared=HOSTILE[2], protocol=HOSTILE[3],
        details=dict(zip(HOSTILE, reversed(HOSTILE), strict=True)), query_box={f"a{HOSTILE[0]}": (1, 1, 2, 2)},
    )  # fmt: skip
    read = read_page(page(report))
    assert not read.all("script")
    assert len(read.all("style")) == 1
    assert len(read.all("img")) == 4
    assert not [name for node in read.walk() for name in node.attributes if name.startswith("on")]
    shown = {heading.all("bdi")[0].text for heading in read.all("h3")}
    assert f"a{HOSTILE[0]}" in shown
    assert "agnp\\u202egpj.exe" in shown
    assert "alone\\udcff" in shown
    assert "atwo\\nlines" in shown
    for drawn in (*read.all("img"), *read.all("source")):
        expat.ParserCreate().Parse(svg(drawn.attributes.get("src") or drawn.attributes["srcset"]), True)


def test_a_page_that_cannot_be_written_is_refused_in_one_line(holiday: Report, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InvalidArgument, match=r"cannot be written: .*; name another folder with --report"):
        write_page(tmp_path / "file" / "report.html", holiday)


def test_a_page_is_written_into_a_folder_that_is_not_there_yet(
    holiday: Report, holiday_page: bytes, tmp_path: Path
) -> None:
    write_page(tmp_path / "new" / "report.html", holiday)
    assert (tmp_path / "new" / "report.html").read_bytes() == holiday_page


def test_without_matplotlib_the_extra_is_named(holiday: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match=r"pip install 'pixkin\[eval\]'"):
        page(holiday)


def svg(uri: str) -> bytes:
    kind, _, content = uri.partition(",")
    assert kind == "data:image/svg+xml;base64"
    return base64.b64decode(content)
