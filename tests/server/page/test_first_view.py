from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

WEIGHT = 150_000


def test_the_first_view_is_a_drop_area_and_pictures_to_start_from(visitor: Any) -> None:
    visitor.visit()
    expect(visitor.page.get_by_role("heading", name="Drop a picture")).to_be_visible()
    expect(visitor.page.locator(".card")).to_have_count(24)
    expect(visitor.page.locator("#settings")).to_be_hidden()


def test_a_picture_that_is_chosen_is_searched_with(visitor: Any, photos: Path) -> None:
    visitor.visit()
    with visitor.searching(), visitor.page.expect_file_chooser() as choosing:
        visitor.page.get_by_role("button", name="Choose a picture").first.click()
        choosing.value.set_files(photos / "red" / "2.jpg")
    assert visitor.hits()[0] == "red/2.jpg"
    expect(visitor.page.locator(".example").get_by_text("2.jpg")).to_be_visible()


@pytest.mark.parametrize("place", ["body", "header", "#results .card", ".hero"])
def test_a_picture_may_be_dropped_anywhere(visitor: Any, picture: Callable[[str], bytes], place: str) -> None:
    visitor.visit()
    with visitor.searching():
        visitor.drop(picture("blue/1.jpg"), at=place)
    assert visitor.hits()[0] == "blue/1.jpg"
    expect(visitor.page.locator("#overlay")).to_be_hidden()


def test_a_picture_may_be_pasted(visitor: Any, picture: Callable[[str], bytes]) -> None:
    visitor.visit()
    with visitor.searching():
        visitor.paste(picture("green/3.jpg"), kind="image/jpeg")
    assert visitor.hits()[0] == "green/3.jpg"


def test_the_bytes_that_are_sent_are_those_of_the_file(visitor: Any, picture: Callable[[str], bytes]) -> None:
    visitor.visit()
    with visitor.searching():
        visitor.drop(picture("red/2.jpg"))
    assert visitor.page.locator(".card .score").first.text_content() == "1.0000"  # of a re-encoded picture it is less


def test_an_id_is_searched_with_and_suggested_while_it_is_typed(visitor: Any) -> None:
    visitor.visit()
    visitor.page.get_by_label("Id").first.type("viol")
    visitor.page.wait_for_selector("#ids option", state="attached")
    visitor.page.locator("#ids option").first.wait_for(state="attached")
    offered = visitor.page.locator("#ids option").evaluate_all("all => all.map(one => one.value)")
    assert offered == [f"violet/{number}.jpg" for number in range(4)]
    visitor.page.get_by_label("Id").first.fill("violet/2.jpg")
    with visitor.searching():
        visitor.page.keyboard.press("Enter")
    assert "violet/2.jpg" not in visitor.hits()
    assert visitor.hits()[0].startswith("violet/")


def test_a_phone_has_a_button_for_its_camera(visitors: Callable[..., Any], address: str) -> None:
    phone = visitors(address, viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    phone.visit()
    expect(phone.page.get_by_role("button", name="Take a photo").first).to_be_visible()
    expect(phone.page.locator('input[type="file"][capture="environment"]')).to_have_count(1)


def test_a_server_without_collections_says_what_to_run(
    visitors: Callable[..., Any], tmp_path: Path, extractors: Path, start: Callable[..., Any]
) -> None:
    with start(tmp_path / "store", extractors) as server:
        visitor = visitors(server.page)
        visitor.visit()
        expect(visitor.page.get_by_role("heading", name="No collection yet")).to_be_visible()
        expect(visitor.page.locator("pre")).to_contain_text("pixkin index add photos ~/Pictures", use_inner_text=True)
        visitor.page.close()


def test_an_empty_collection_says_how_it_is_filled(visitor: Any) -> None:
    visitor.visit("/?collection=empty")
    expect(visitor.page.get_by_role("heading", name="empty is empty")).to_be_visible()
    expect(visitor.page.locator("pre")).to_contain_text("pixkin index add empty ~/Pictures", use_inner_text=True)


def test_a_collection_that_is_gone_is_said_and_others_are_offered(visitor: Any) -> None:
    visitor.visit("/?collection=nowhere")
    expect(visitor.page.get_by_role("alert")).to_contain_text("no collection nowhere", use_inner_text=True)
    visitor.page.get_by_role("button", name="Show photos").click()
    visitor.page.wait_for_selector(".card")
    assert "collection=photos" in visitor.page.url


def test_the_page_weighs_at_most_150_kilobytes() -> None:
    web = files("pixkin_server").joinpath("web")
    assert sum(len(file.read_bytes()) for file in web.iterdir()) <= WEIGHT


def test_nothing_but_the_page_and_thumbnails_is_loaded(visitor: Any) -> None:
    loaded: list[str] = []
    visitor.page.on("request", lambda request: loaded.append(request.url.removeprefix(visitor.address)))
    visitor.visit()
    assert loaded
    assert all(path == "/" or path.startswith(("/assets/", "/v1/")) for path in loaded)
