from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pixkin_embedding.images import decode, thumbnail
from pixkin_server.evaluation.report import CropBox, Picture, Report
from pixkin_server.evaluation.report.markup import document, element
from pixkin_server.evaluation.report.queries import DRAWN, QuerySections, worst_and_best
from pixkin_server.evaluation.report.thumbnails import Thumbnails

MakeReport = Callable[..., Report]
Photo = Callable[[str], Picture]
Read = Callable[[bytes], Any]
Draw = Callable[[Report], Any]


@pytest.fixture
def draw(read_page: Read) -> Draw:
    """Draws the queries of a report alone, and returns them as they are read."""

    def drawn(report: Report) -> Any:
        return read_page(document(element("main", *QuerySections(report, Thumbnails()).draw())))

    return drawn


def test_every_query_is_drawn_once_the_worst_first_and_then_the_best(
    make_report: MakeReport, ids: list[str], draw: Draw
) -> None:
    report = make_report(ids)
    names = [heading.all("bdi")[0].text for heading in draw(report).all("h3")]
    assert sorted(names) == ids
    scores = [report.evaluation.per_query[name] for name in names]
    assert scores[:6] == sorted(scores[:6])
    assert scores[6:] == sorted(scores[6:], reverse=True)
    assert max(scores[:6]) <= min(scores[6:])


def test_each_query_says_its_score_and_how_many_of_its_hits_are_right(
    make_report: MakeReport, ids: list[str], draw: Draw
) -> None:
    report = make_report(ids)
    for query in draw(report).all("article"):
        name = query.all("h3")[0].all("bdi")[0].text
        right = sum(hit.relevant for hit in report.evaluation.top[name])
        assert f"AP {report.evaluation.per_query[name]:.4f} · {right} of 10 hits right" in query.text


def test_wrong_hits_are_marked_by_a_sign_and_junk_by_a_word(
    make_report: MakeReport, ids: list[str], photo: Photo, draw: Draw
) -> None:
    report = make_report(ids, junk=frozenset(ids[:1]), picture=photo)
    page = draw(report)
    drawn = {query.all("h3")[0].all("bdi")[0].text: query.all("li") for query in page.all("article")}
    for name, hits in report.evaluation.top.items():
        for hit, item in zip(hits, drawn[name], strict=True):
            signs = [sign.text for sign in item.all("b", class_="sign")]
            verdict = "junk" if hit.junk else "" if hit.relevant else "wrong"
            assert signs == {"junk": ["junk"], "wrong": ["✗"], "": []}[verdict]
            assert (verdict in item.attributes["class"]) if verdict else item.attributes["class"] == "hit"
            label = item.all("span", role="img")[0].attributes["aria-label"]
            assert hit.id in label
            assert f"{hit.value:.4g}" in label
            assert not verdict or verdict in label
            assert item.all(class_="caption")[0].text == f"{hit.id}{hit.value:.4g}"
    assert page.all(class_="junk")
    assert page.all(class_="wrong")


def test_every_picture_is_embedded_once_however_often_it_appears(
    make_report: MakeReport, ids: list[str], photo: Photo, read_page: Read
) -> None:
    thumbnails = Thumbnails()
    report = make_report(ids, picture=photo, query_picture=photo)
    page = read_page(document(element("main", *QuerySections(report, thumbnails).draw())))
    rules = re.findall(r"^\.(p\d+)\{", thumbnails.css(), re.MULTILINE)
    assert len(rules) == len(set(rules)) == len(ids)
    used = [node.attributes["class"].split()[1] for node in page.all("span", role="img")]
    assert set(used) == set(rules)
    assert len(used) == len(ids) * 11


def test_thumbnails_keep_their_shape_and_are_small(photo: Photo) -> None:
    thumbnails = Thumbnails()
    drawn = thumbnails.add(photo("one"))
    assert drawn is not None
    assert (drawn.width, drawn.height) == (640, 480)
    assert "aspect-ratio:160/120;width:100.00%" in thumbnails.css()


def test_a_thousand_photos_leave_room_in_a_page_of_12_mb(data: Path) -> None:
    thumbnails = Thumbnails()
    photos = sorted((data / "corel1k").glob("*/*.jpg"))[::20]
    for path in photos:
        thumbnails.add(Picture(thumbnail(decode(path.read_bytes()))))
    assert len(photos) == 50
    assert len(thumbnails.css()) / len(photos) < 7000


@pytest.mark.parametrize(
    ("box", "style"),
    [
        ((64, 48, 320, 240), "left:10.00%;top:10.00%;width:50.00%;height:50.00%"),
        ((0, 0, 640, 480), "left:0.00%;top:0.00%;width:100.00%;height:100.00%"),
        ((-0.5, 240, 160, 241), "left:0.00%;top:50.00%;width:24.92%;height:50.00%"),
    ],
)
def test_the_crop_box_lies_over_the_query_in_percent_of_the_full_picture(
    make_report: MakeReport, ids: list[str], photo: Photo, draw: Draw, box: CropBox, style: str
) -> None:
    page = draw(make_report(ids, query_picture=photo, query_box={ids[3]: box}))
    (drawn,) = page.all("span", class_="box")
    assert drawn.attributes["style"] == style
    (asked,) = (node for node in page.all("div", class_="asked") if node.all(class_="box"))
    assert ids[3] in asked.attributes["title"]


def test_a_box_over_a_picture_of_unknown_size_is_named_and_not_drawn(
    make_report: MakeReport, ids: list[str], photo: Photo, draw: Draw
) -> None:
    page = draw(
        make_report(ids, query_picture=lambda name: Picture(photo(name).jpeg), query_box={ids[0]: (1, 2, 30, 40)})
    )
    assert not page.all(class_="box")
    assert "searched with its part 1, 2, 30, 40" in page.text


@pytest.mark.parametrize("picture", [None, Picture(b"no picture"), Picture(b"")], ids=["none", "damaged", "empty"])
def test_a_hit_without_a_picture_shows_its_id_as_text(
    make_report: MakeReport, ids: list[str], draw: Draw, picture: Picture | None
) -> None:
    report = make_report(ids, picture=lambda _: picture)
    page = draw(report)
    assert not page.all("span", role="img")
    assert len(page.all("li", class_="bare")) == 10 * len(ids)
    assert all("aria-hidden" not in caption.attributes for caption in page.all(class_="caption"))
    assert {node.text for node in page.all("li")[0].all("bdi")} <= set(ids)


def test_of_more_than_a_thousand_queries_the_500_worst_and_best_are_drawn_and_the_page_says_so(
    make_report: MakeReport, draw: Draw
) -> None:
    ids = [f"{chr(97 + number % 6)}{number:04}" for number in range(1200)]
    report = make_report(ids)
    page = draw(report)
    names = [heading.all("bdi")[0].text for heading in page.all("h3")]
    ranked = sorted(ids, key=lambda name: (report.evaluation.per_query[name], name))
    assert names == ranked[:DRAWN] + ranked[: -DRAWN - 1 : -1]
    assert [node.text for node in page.all("p")] == [
        "500 of 1,200 queries, worst first.",
        "500 of 1,200 queries, best first.",
    ]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8])
def test_no_query_is_among_the_worst_and_the_best(count: int) -> None:
    worst, best = worst_and_best({str(number): number / 10 for number in range(count)}, most=3)
    assert len(worst) == min((count + 1) // 2, 3)
    assert len(best) == min(count // 2, 3)
    assert not set(worst) & set(best)


def test_the_only_query_has_one_section(make_report: MakeReport, draw: Draw) -> None:
    report = make_report(["a1", "a2", "b1"])
    evaluation = replace(report.evaluation, scores={"AP": {"a1": 0.5}})
    page = draw(replace(report, evaluation=evaluation))
    assert [node.attributes["id"] for node in page.all("section")] == ["worst"]


def test_a_query_that_found_nothing_says_so(make_report: MakeReport, ids: list[str], draw: Draw) -> None:
    report = make_report(ids)
    evaluation = replace(report.evaluation, top={**report.evaluation.top, ids[0]: ()})
    assert draw(replace(report, evaluation=evaluation)).text.count("no hits") == 1
