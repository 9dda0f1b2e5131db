from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

BY_COLOUR = "/?collection=photos&q=id:red/0.jpg&descriptor=hsv-histogram.histogram"
REGIONS = ["top left", "top right", "bottom left", "bottom right", "centre"]


def look(visitor: Any, path: str = BY_COLOUR, place: int = 0) -> Any:
    visitor.visit(path)
    visitor.page.locator(".look").nth(place).click()
    visitor.page.wait_for_selector(".descriptor")
    return visitor.page


def test_a_hit_is_explained_by_regions_and_bins(visitor: Any) -> None:
    page = look(visitor, place=20)
    page.wait_for_selector(".bins li")
    assert visitor.asked[-1]["explain"] is True
    assert (visitor.asked[-1]["offset"], visitor.asked[-1]["size"]) == (20, 1)
    expect(page.get_by_role("heading", name="What sets them apart")).to_be_visible()
    assert sorted(page.locator(".region-name").all_inner_texts()) == sorted(REGIONS)
    shares = [float(text.removesuffix(" %")) for text in page.locator(".region-list .number").all_inner_texts()]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100, abs=3)
    assert page.locator(".bin-name").first.inner_text().count(",") == 3
    expect(page.locator(".framed .regions")).to_have_count(2)  # over both pictures
    expect(page.locator(".framed .regions").first.locator(".tint")).to_have_count(5)


def test_the_swatch_of_a_bin_has_its_colour(visitor: Any) -> None:
    page = look(visitor)  # the example is red, with noise
    page.wait_for_selector(".bins li")
    lines = page.locator(".bins li").all()
    for line in lines:
        red, green, blue = line.locator(".swatch").evaluate(
            "one => getComputedStyle(one).backgroundColor.match(/\\d+/g).map(Number)"
        )
        if "hue 1 of 9" in line.inner_text():
            assert red >= max(green, blue)
    assert any("hue 1 of 9" in line.inner_text() for line in lines)


def test_the_bars_of_a_bin_stand_for_example_and_hit(visitor: Any) -> None:
    page = look(visitor, place=22)
    page.wait_for_selector(".bins li")
    for line in page.locator(".bins li").all():
        example, hit = (
            float(part.rpartition(" ")[2]) for part in line.locator(".unseen").text_content().split(", hit")
        )
        widths = [
            float(line.locator(f".{kind}").evaluate("one => parseFloat(one.style.width)")) for kind in ("query", "item")
        ]
        assert (example > hit) == (widths[0] > widths[1])


def test_regions_lie_within_the_crop_of_the_example(visitor: Any, quarters: Callable[..., bytes]) -> None:
    visitor.visit("/?collection=photos&descriptor=hsv-histogram.histogram")
    with visitor.searching():
        visitor.drop(quarters(width=600, height=400))
    with visitor.searching():
        visitor.page.get_by_role("button", name="Crop").click()
    visitor.page.locator(".look").first.click()
    visitor.page.wait_for_selector(".framed .regions")
    assert visitor.page.locator(".framed canvas").evaluate("one => [one.width, one.height]") == [300, 200]
    boxes = [visitor.page.locator(f".framed:has(canvas) {what}").bounding_box() for what in ("canvas", ".regions")]
    assert boxes[0] == pytest.approx(boxes[1], abs=1)


def test_a_measure_that_cannot_be_explained_says_so_and_offers_one_that_can(visitor: Any) -> None:
    page = look(visitor, "/?collection=photos&q=id:red/0.jpg")
    expect(page.locator(".why")).to_contain_text("cosine compares all components at once", use_inner_text=True)
    page.locator("#explain-by").click()
    page.wait_for_selector(".bins li")
    assert "descriptor=hsv-histogram.histogram:measure=chi2" in page.url


def test_what_is_shared_is_told_from_what_sets_apart(visitor: Any) -> None:
    page = look(visitor, f"{BY_COLOUR}:measure=intersection")
    page.wait_for_selector(".bins li")
    expect(page.get_by_role("heading", name="What they share")).to_be_visible()


def test_a_hit_of_several_descriptors_is_explained_by_those_that_can_be(visitor: Any) -> None:
    page = look(
        visitor,
        "/?collection=photos&q=id:red/0.jpg&descriptor=efficientnet-lite0.gap&descriptor=hsv-histogram.histogram",
    )
    page.wait_for_selector(".bins li")
    expect(page.locator(".why")).to_have_count(1)
    expect(page.locator(".why h3")).to_contain_text("hsv-histogram.histogram chi2", use_inner_text=True)


def test_a_descriptor_is_drawn_as_histogram_log_scaled_and_as_a_grid(visitor: Any) -> None:
    page = look(visitor)
    canvas = page.locator(".descriptor-canvas")
    assert "405 components" in canvas.get_attribute("aria-label")
    drawings = []
    for view in ("histogram", "log", "grid"):
        page.locator("#view-view").select_option(view)
        drawings.append(canvas.evaluate("one => one.toDataURL()"))
    page.locator("#view-name").select_option("efficientnet-lite0.gap")
    drawings.append(canvas.evaluate("one => one.toDataURL()"))
    assert len(set(drawings)) == 4
    assert "1280 components" in canvas.get_attribute("aria-label")


def test_a_component_is_read_by_number_and_by_pointer(visitor: Any) -> None:
    page = look(visitor)
    page.get_by_role("spinbutton", name="Component").fill("0")
    assert (
        page.locator(".descriptor output")
        .inner_text()
        .startswith("top left, hue 1 of 9, saturation 1 of 3, value 1 of 3: ")
    )
    page.locator(".descriptor-canvas").hover(position={"x": 3, "y": 10})
    page.locator(".descriptor-canvas").hover(position={"x": 400, "y": 10})
    assert not page.locator(".descriptor output").inner_text().startswith("top left, hue 1 of 9, saturation 1")


def test_an_item_that_is_no_hit_is_shown_too(visitor: Any) -> None:
    page = look(visitor, "/?collection=photos")
    expect(page.locator(".why")).to_have_count(0)
    expect(page.locator(".facts")).to_contain_text("blue/0.jpg", use_inner_text=True)


def test_the_close_look_is_in_the_address_and_closes_by_escape_and_back(visitor: Any) -> None:
    page = look(visitor)
    assert "item=" in page.url
    page.keyboard.press("Escape")
    page.wait_for_function("() => !location.search.includes('item=')")
    expect(page.locator("dialog")).to_be_hidden()
    assert page.evaluate("() => document.activeElement.className") == "look"
    page.go_back()
    page.wait_for_selector("dialog .bins li")
    page.reload()
    page.wait_for_selector("dialog .bins li")
    page.get_by_role("button", name="Next picture").click()
    page.wait_for_selector("dialog .bins li")
    assert f"item={visitor.hits()[1]}" in page.url
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(
        "id => document.querySelector('dialog .facts dd')?.textContent === id", arg=visitor.hits()[0]
    )


def test_a_hit_becomes_the_query_another_example_or_one_to_move_away_from(visitor: Any) -> None:
    page = look(visitor)
    hit = visitor.hits()[0]
    with visitor.searching():
        page.get_by_role("button", name="Less like this").last.click()
    expect(page.locator("dialog")).to_be_hidden()
    assert visitor.asked[-1]["queries"] == [{"id": "red/0.jpg"}, {"id": hit, "weight": -0.5}]
    page.locator(".look").first.click()
    with visitor.searching():
        page.get_by_role("button", name="More like this too").click()
    assert len(visitor.asked[-1]["queries"]) == 3
    page.locator(".look").first.click()
    with visitor.searching():
        page.get_by_role("button", name="Search with it", exact=True).click()
    assert len(visitor.asked[-1]["queries"]) == 1


def test_a_label_filters(visitor: Any) -> None:
    page = look(visitor)
    with visitor.searching():
        page.locator(".facts .tag").click()
    assert visitor.asked[-1]["plan"]["filter"] == ["label=red"]


def test_the_original_is_offered_where_the_server_gives_it(visitor: Any) -> None:
    page = look(visitor)
    link = page.get_by_role("link", name="Original")
    answer = page.request.get(f"{visitor.address}{link.get_attribute('href')}")
    assert answer.headers["content-type"] == "image/jpeg"
    assert link.get_attribute("rel") == "noopener noreferrer"


def test_the_original_of_an_item_from_elsewhere_is_there_and_never_a_script(visitor: Any) -> None:
    page = look(visitor, "/?collection=remote")
    link = page.get_by_role("link", name="Original")
    assert link.get_attribute("href") == "https://example.org/a.jpg"
    page = look(visitor, "/?collection=remote", place=1)
    expect(page.locator(".facts")).to_contain_text("javascript:b", use_inner_text=True)
    expect(link).to_have_count(0)


def test_no_original_is_offered_where_the_server_gives_none(visitors: Callable[..., Any], served: Any) -> None:
    page = look(visitors(served.page))
    expect(page.get_by_role("link", name="Original")).to_have_count(0)
    expect(page.get_by_role("button", name="Crop")).to_have_count(0)
