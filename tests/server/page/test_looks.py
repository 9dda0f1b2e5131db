from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

STATES = {
    "start": "/?collection=photos",
    "results": "/?collection=photos&q=id:red/0.jpg",
    "examples": "/?collection=photos&q=id:red/0.jpg&q=weight=-0.5;id:blue/1.jpg",
    "settings": "/?collection=photos&q=id:red/0.jpg"
    "&descriptor=efficientnet-lite0.gap&descriptor=hsv-histogram.histogram&expand=alpha&rerank=k-reciprocal&rerank=mmr&filter=label=red&candidates=exact:depth=200",
    "why": "/?collection=photos&q=id:red/0.jpg&descriptor=hsv-histogram.histogram&item=red/1.jpg",
    "compare": "/?collection=photos&q=id:red/0.jpg&precision=1&with=descriptor%3Dhsv-histogram.histogram",
    "trouble": "/?collection=photos&q=id:red/0.jpg&rerank=k-reciprocal:top=5",
    "missing": "/?collection=photos&q=picture:gone",
    "empty": "/?collection=empty",
    "strange": "/?collection=strange",
    "signed": "/?collection=signed&q=id:v0&item=v1",
}


def open_state(visitor: Any, state: str) -> None:
    """Open a state with everything in it folded out."""
    visitor.refused = {400}
    visitor.visit(STATES[state])
    if "item=" in STATES[state]:
        visitor.page.wait_for_selector("dialog .descriptor")
    if "precision=" in STATES[state]:
        visitor.page.wait_for_selector(".curve")
    if state == "settings":
        visitor.page.evaluate("() => document.querySelectorAll('details').forEach(one => { one.open = true; })")
    visitor.page.wait_for_timeout(150)


@pytest.mark.parametrize("state", STATES)
def test_nothing_is_cut_off_at_360_pixels(visitors: Callable[..., Any], address: str, state: str) -> None:
    phone = visitors(address, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    open_state(phone, state)
    wide = phone.page.evaluate(
        """() => [document.documentElement, document.querySelector("dialog")].map(one => one.scrollWidth)"""
    )
    assert max(wide) <= 360
    beyond = phone.page.evaluate(
        """() => [...document.querySelectorAll("body *")]
                  .filter(one => one.checkVisibility() && !one.closest("pre, .unseen, .skip"))
                  .filter(one => one.getBoundingClientRect().right > 361).map(one => one.outerHTML.slice(0, 80))"""
    )
    assert beyond == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", STATES)
def test_axe_finds_no_barrier(visitors: Callable[..., Any], address: str, state: str, scheme: str) -> None:
    import axe_playwright_python

    visitor = visitors(address, viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    open_state(visitor, state)
    visitor.page.evaluate((Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text())
    found = visitor.page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    serious = [
        (each["id"], each["impact"], [node["html"][:120] + str(node["any"][:1]) for node in each["nodes"]][:3])
        for each in found["violations"]
        if each["impact"] in {"serious", "critical"}
    ]
    assert serious == []


def lightness(visitor: Any) -> int:
    return int(
        visitor.page.evaluate(
            "() => Number(getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/)[0])"
        )
    )


def test_the_page_is_dark_where_the_system_is(visitors: Callable[..., Any], address: str) -> None:
    for scheme, dark in (("dark", True), ("light", False)):
        visitor = visitors(address, color_scheme=scheme)
        visitor.visit()
        assert (lightness(visitor) < 60) == dark


def test_a_chosen_theme_stays(visitors: Callable[..., Any], address: str) -> None:
    visitor = visitors(address, color_scheme="light")
    visitor.visit()
    theme = visitor.page.locator("#theme")
    theme.click()
    theme.click()
    assert theme.get_attribute("aria-label") == "Theme: dark"
    assert lightness(visitor) < 60
    visitor.page.reload()
    assert lightness(visitor) < 60
    visitor.page.wait_for_selector("#main[data-ready]")
    theme.click()
    assert theme.get_attribute("aria-label") == "Theme: as the system"
    assert lightness(visitor) > 200


def test_nothing_moves_for_those_who_ask_for_it(visitors: Callable[..., Any], address: str) -> None:
    visitor = visitors(address, reduced_motion="reduce")
    visitor.visit(STATES["results"])
    moving = visitor.page.evaluate(
        """() => [...document.querySelectorAll("*")].filter(one => {
             const { transitionProperty, transitionDuration, animationName } = getComputedStyle(one);
             return animationName !== "none" || (transitionProperty !== "none" && parseFloat(transitionDuration) > 0);
           }).length"""
    )
    assert moving == 0


def test_a_search_is_made_and_explained_by_keyboard_alone(visitor: Any) -> None:
    visitor.visit("/?collection=photos")
    keyboard = visitor.page.keyboard

    def go_to(selector: str) -> None:
        for _ in range(80):
            keyboard.press("Tab")
            if visitor.page.evaluate("selector => document.activeElement.matches(selector)", selector):
                shown = visitor.page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
                assert shown == "solid", f"the focus on {selector} is not seen"
                return
        pytest.fail(f"the keyboard never comes to {selector}")

    go_to(".skip")
    go_to("#id")
    keyboard.type("red/0.jpg")
    with visitor.searching():
        keyboard.press("Enter")
    go_to("#settings > summary")
    keyboard.press("Enter")
    go_to("[id='by-a-hsv-histogram.histogram']")
    with visitor.searching():
        keyboard.press("Space")
    go_to("[id='by-a-hsv-histogram.histogram-measure']")
    go_to(".shot")
    keyboard.press("ArrowRight")
    assert visitor.page.evaluate("() => document.activeElement.closest('.card').dataset.id") == visitor.hits()[1]
    go_to(".look")
    keyboard.press("Enter")
    visitor.page.wait_for_selector(".bins li")
    go_to("#inspector-next")
    keyboard.press("Enter")
    visitor.page.wait_for_selector(".bins li")
    keyboard.press("Escape")
    go_to(".shot")
    target = visitor.page.evaluate("() => document.activeElement.closest('.card').dataset.id")
    with visitor.searching():
        keyboard.press("Enter")
    assert visitor.asked[-1]["queries"] == [{"id": target}]
