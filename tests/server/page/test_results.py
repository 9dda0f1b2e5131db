from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from pixkin_server.client import Client
from playwright.sync_api import expect

BY_ID = "/?collection=photos&q=id:red/0.jpg"


def test_a_hit_shows_rank_score_value_id_and_label(visitor: Any) -> None:
    visitor.visit(f"{BY_ID}&descriptor=hsv-histogram.histogram")
    first = visitor.page.locator(".card").first
    assert first.locator(".rank").inner_text() == "1"
    assert first.locator(".name").get_attribute("title") == visitor.hits()[0]
    assert first.locator(".folder").inner_text() == "red/"
    assert re.fullmatch(r"\d\.jpg", first.locator(".file").inner_text())
    assert first.locator(".label").inner_text() == "red"
    score, value = (float(first.locator(f".{name}").inner_text()) for name in ("score", "value"))
    assert score == pytest.approx(1 / (1 + value), abs=1e-4)


def test_every_hit_has_its_thumbnail(visitor: Any) -> None:
    visitor.visit(BY_ID)
    visitor.page.wait_for_function(
        "() => [...document.images].every(image => image.complete && image.naturalWidth > 0)"
    )
    visitor.page.locator(".card img").first.wait_for(state="attached")
    sources = visitor.page.locator(".card img").evaluate_all("all => all.map(one => one.getAttribute('src'))")
    assert sources[0] == f"/v1/collections/photos/items/{visitor.hits()[0].replace('/', '%2F')}/thumbnail"


def test_a_click_on_a_hit_makes_it_the_query_and_back_returns(visitor: Any) -> None:
    visitor.visit(BY_ID)
    before, target = visitor.hits(), visitor.hits()[-1]
    with visitor.searching():
        visitor.page.locator(".shot").last.click()
    assert visitor.asked[-1]["queries"] == [{"id": target}]
    assert f"q=id:{target}" in visitor.page.url
    visitor.page.go_back()
    assert visitor.hits() == before
    visitor.page.go_forward()
    assert visitor.page.locator(".example-name").inner_text() == target


def test_a_hit_is_dragged_to_be_the_query_or_another_example(visitor: Any) -> None:
    visitor.visit(BY_ID)
    for zone, expected in (("add", ["red/0.jpg", visitor.hits()[5]]), ("search", [visitor.hits()[5]])):
        at = visitor.page.locator(".shot").nth(5).bounding_box()
        dragged = visitor.page.locator(".card").nth(5).get_attribute("data-id")
        visitor.page.mouse.move(at["x"] + 20, at["y"] + 60)
        visitor.page.mouse.down()
        visitor.page.mouse.move(at["x"] + 60, at["y"] + 80, steps=4)
        target = visitor.page.locator(f"[data-drop={zone}]")
        target.wait_for()
        place = target.bounding_box()
        visitor.page.mouse.move(place["x"] + 80, place["y"] + 80, steps=3)
        with visitor.searching():
            visitor.page.mouse.up()
        assert [query["id"] for query in visitor.asked[-1]["queries"]] == [*expected[:-1], dragged]


def test_everything_is_in_the_address_and_a_reload_shows_it_again(visitor: Any) -> None:
    visitor.visit(
        "/?collection=photos&q=id:red/0.jpg&q=weight=-0.5;id:blue/1.jpg&descriptor=hsv-histogram.histogram:measure=kl"
        "&expand=average:n=2&rerank=mmr:top=20&filter=label=red&filter=label=violet&size=12&self=1"
    )
    before, line = visitor.hits(), visitor.plan
    assert "kl" in line
    assert "average:n=2" in line
    assert "mmr:top=20" in line
    visitor.page.reload()
    visitor.settle()
    assert (visitor.hits(), visitor.plan) == (before, line)
    plan = visitor.asked[-1]["plan"]
    assert plan["filter"] == ["label=red", "label=violet"]
    assert [query.get("weight") for query in visitor.asked[-1]["queries"]] == [None, -0.5]


def test_an_uploaded_picture_and_its_box_outlive_a_reload(visitor: Any, picture: Callable[[str], bytes]) -> None:
    visitor.visit("/?collection=photos")
    with visitor.searching():
        visitor.drop(picture("green/1.jpg"), name="leaf.jpg")
    with visitor.searching():
        visitor.page.get_by_role("button", name="Crop").click()
    before, crop = visitor.hits(), visitor.asked[-1]["queries"][0]["image"]["crop"]
    visitor.page.reload()
    visitor.settle()
    assert visitor.hits() == before
    assert visitor.asked[-1]["queries"][0]["image"]["crop"] == crop
    visitor.page.get_by_text("leaf.jpg").wait_for()
    visitor.page.go_back()
    visitor.settle()
    assert "box=" not in visitor.page.url
    assert visitor.hits()[0] == "green/1.jpg"


def test_a_shared_link_says_what_it_lacks_and_takes_the_picture(
    visitors: Callable[..., Any], visitor: Any, address: str, picture: Callable[[str], bytes]
) -> None:
    visitor.visit("/?collection=photos")
    with visitor.searching():
        visitor.drop(picture("green/1.jpg"))
    with visitor.searching():
        visitor.page.get_by_role("button", name="Crop").click()
    other = visitors(address)
    other.visit(visitor.page.url.removeprefix(address))
    assert "not in this browser" in other.page.get_by_role("alert").inner_text()
    with other.searching():
        other.drop(picture("green/1.jpg"))
    assert other.hits() == visitor.hits()
    assert other.asked[-1]["queries"] == visitor.asked[-1]["queries"]  # with the box of the link


def test_more_hits_come_by_the_page_and_outlive_a_reload(visitor: Any) -> None:
    visitor.visit(f"{BY_ID}&size=7")
    first = visitor.hits()
    with visitor.searching():
        visitor.page.get_by_role("button", name="More").click()
    assert visitor.asked[-1]["offset"] == 7
    assert visitor.hits()[:7] == first
    assert len(set(visitor.hits())) == 14
    expect(visitor.page.locator(".rank").nth(13)).to_have_text("14", use_inner_text=True)
    focused = visitor.page.evaluate("document.activeElement.closest('.card').dataset.id")
    assert focused == visitor.hits()[7]
    whole = visitor.hits()
    visitor.page.reload()
    visitor.settle()
    assert visitor.hits() == whole
    for _ in range(2):
        with visitor.searching():
            visitor.page.get_by_role("button", name="More").click()
    assert len(visitor.hits()) == 23
    expect(visitor.page.get_by_role("button", name="More")).to_have_count(0)


def test_a_slower_older_search_never_overwrites_a_newer_one(visitor: Any) -> None:
    visitor.visit("/?collection=photos")
    held: list[Any] = []

    def hold(route: Any) -> None:
        if "red/0.jpg" in (route.request.post_data or ""):
            held.append(route)
        else:
            route.continue_()

    visitor.page.route("**/v1/search", hold)
    visitor.page.locator(".card[data-id='red/0.jpg'] .shot").click()
    with visitor.searching():
        visitor.page.locator(".card[data-id='blue/0.jpg'] .shot").click()
    newer = visitor.hits()
    assert newer[0].startswith("blue/")
    for route in held:
        route.continue_()
    visitor.page.wait_for_timeout(500)
    assert held
    assert visitor.hits() == newer


def test_the_milliseconds_of_every_stage_are_drawn_and_said(visitor: Any, picture: Callable[[str], bytes]) -> None:
    visitor.visit("/?collection=photos")
    with visitor.searching():
        visitor.drop(picture("red/0.jpg"))
    visitor.page.wait_for_selector("#shown-in", state="attached")
    visitor.page.locator(".timings summary").click()
    visitor.page.locator(".timings li").first.wait_for(state="attached")
    said = visitor.page.locator(".timings li").all_inner_texts()
    assert [line.split()[0] for line in said[:-1]] == ["decode", "prepare", "encode", "query", "candidates", "page"]
    assert re.fullmatch(r"from picture to pictures \d+(\.\d)? ms", said[-1])
    expect(visitor.page.locator(".bar span")).to_have_count(len(said) - 1)


def test_the_grid_does_not_move_while_thumbnails_come(visitor: Any) -> None:
    visitor.page.route("**/thumbnail", lambda route: (visitor.page.wait_for_timeout(5), route.continue_()))
    visitor.visit(BY_ID)
    places = (
        "all => all.map(one => { const at = one.getBoundingClientRect(); return [at.x, at.y, at.width, at.height]; })"
    )
    visitor.page.locator(".card").first.wait_for(state="attached")
    before = visitor.page.locator(".card").evaluate_all(places)
    visitor.page.wait_for_function("() => [...document.querySelectorAll('.card img')].every(image => image.complete)")
    assert visitor.page.locator(".card").evaluate_all(places) == before


def test_screen_readers_are_told_of_the_hits(visitor: Any) -> None:
    visitor.visit(BY_ID)
    said = visitor.page.locator("#said")
    assert said.get_attribute("aria-live") == "polite"
    assert said.inner_text() == f"23 pictures; most alike: {visitor.hits()[0]}."


def test_names_and_labels_are_only_ever_text(visitor: Any) -> None:
    visitor.visit("/?collection=strange")
    visitor.page.locator(".name").first.wait_for(state="attached")
    shown = visitor.page.locator(".name").evaluate_all("all => all.map(one => one.textContent)")
    visitor.page.locator(".card").first.wait_for(state="attached")
    strange = visitor.page.locator(".card").evaluate_all("all => all.map(one => one.dataset.id)")
    assert shown == strange
    assert len(shown) == 8
    for name in strange:
        visitor.visit("/?collection=strange")
        card = visitor.page.locator(".card").nth(strange.index(name))
        assert card.locator(".label").inner_text().strip() == name.strip()
        with visitor.searching():
            card.locator(".shot").click()
        assert visitor.asked[-1]["queries"] == [{"id": name}]
        assert name not in visitor.hits()
        visitor.page.locator(".look").first.click()
        visitor.page.wait_for_selector(".facts")
        visitor.page.wait_for_function(
            "() => [...document.images].every(image => image.complete && image.naturalWidth > 0)"
        )
        assert visitor.page.locator(".facts .tag").inner_text() in strange
    expect(visitor.page.locator("#main script, #main [onerror], #main [onmouseover]")).to_have_count(0)


def test_a_collection_that_grows_offers_to_search_again(
    visitors: Callable[..., Any],
    page_store: Any,
    extractors: Any,
    tmp_path: Any,
    start: Callable[..., Any],
    picture: Callable[[str], bytes],
) -> None:
    from pixkin_server.api import ExtractorChoice, NewItem

    with start(tmp_path / "store", extractors) as server, Client(server.address) as client:
        visitor = visitors(server.page)
        visitor.visit()
        expect(visitor.page.get_by_role("heading", name="No collection yet")).to_be_visible()
        client.create("growing", [ExtractorChoice("hsv-histogram")])
        client.add("growing", [NewItem("red.jpg", image=picture("red/0.jpg"))])
        visitor.page.wait_for_selector(".card")  # the page goes on by itself
        with visitor.searching():
            visitor.drop(picture("red/1.jpg"))
        assert visitor.hits() == ["red.jpg"]
        client.add("growing", [NewItem("blue.jpg", image=picture("blue/0.jpg"))])
        visitor.page.get_by_text("1 more picture since this search").wait_for()
        with visitor.searching():
            visitor.page.get_by_role("button", name="Search again").click()
        assert visitor.hits() == ["red.jpg", "blue.jpg"]
        client.add("growing", [NewItem("green.jpg", image=picture("green/0.jpg"))])
        visitor.page.get_by_text("1 more picture").wait_for()
        with visitor.searching():
            visitor.page.get_by_label("keep searching while it grows").check()
        with visitor.searching():
            client.add("growing", [NewItem("red2.jpg", image=picture("red/2.jpg"))])
        assert sorted(visitor.hits()) == ["blue.jpg", "green.jpg", "red.jpg", "red2.jpg"]
        visitor.page.wait_for_function(
            "() => !document.querySelector('.growth').textContent", timeout=20_000
        )  # all is quiet
        visitor.page.close()
