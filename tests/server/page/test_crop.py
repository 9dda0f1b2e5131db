from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

Box = dict[str, float]
HISTOGRAM = "/?collection=photos&descriptor=hsv-histogram.histogram"
QUARTERS = {"red": (0, 0), "green": (1, 0), "blue": (0, 1), "yellow": (1, 1)}


def shown(visitor: Any) -> Box:
    """Return where the query picture is on the screen."""
    visitor.page.wait_for_selector(".crop")
    return dict(visitor.page.locator(".crop").bounding_box())


def sent(visitor: Any) -> Box:
    """Return the box of the last request."""
    return dict(visitor.asked[-1]["queries"][0]["image"]["crop"])


def drag(visitor: Any, begin: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag the mouse over the picture between two places, in shares of its width and height."""
    at, mouse = shown(visitor), visitor.page.mouse
    mouse.move(at["x"] + begin[0] * at["width"], at["y"] + begin[1] * at["height"])
    mouse.down()
    mouse.move(at["x"] + end[0] * at["width"], at["y"] + end[1] * at["height"], steps=5)
    mouse.up()


def open_with(visitor: Any, picture: bytes, path: str = HISTOGRAM) -> None:
    visitor.visit(path)
    with visitor.searching():
        visitor.drop(picture)
    shown(visitor)


def test_a_box_is_drawn_by_mouse_in_pixels_of_the_full_picture(visitor: Any, quarters: Callable[..., bytes]) -> None:
    open_with(visitor, quarters(width=3200, height=2000))
    with visitor.searching():
        drag(visitor, (0.5, 0.5), (1, 1))
    box = sent(visitor)
    assert box["x"] == pytest.approx(1600, abs=12)
    assert box["y"] == pytest.approx(1000, abs=12)
    assert box["x"] + box["width"] == pytest.approx(3200, abs=12)
    assert box["y"] + box["height"] == pytest.approx(2000, abs=12)
    assert all(value == int(value) for value in box.values())
    assert visitor.hits()[0].startswith("yellow/")


def test_a_box_is_moved_and_resized_by_mouse(visitor: Any, quarters: Callable[..., bytes]) -> None:
    open_with(visitor, quarters())
    with visitor.searching():
        drag(visitor, (0.1, 0.1), (0.4, 0.4))
    drawn = sent(visitor)
    with visitor.searching():
        drag(visitor, (0.25, 0.25), (0.75, 0.25))
    moved = sent(visitor)
    assert (moved["width"], moved["height"], moved["y"]) == (drawn["width"], drawn["height"], drawn["y"])
    assert moved["x"] - drawn["x"] == pytest.approx(320, abs=4)
    assert visitor.hits()[0].startswith("green/")
    with visitor.searching():
        drag(visitor, (0.9, 0.4), (0.9, 0.9))  # the lower right corner
    assert sent(visitor)["height"] == pytest.approx(0.8 * 400, abs=4)
    assert (sent(visitor)["x"], sent(visitor)["y"]) == (moved["x"], moved["y"])


def test_a_click_on_the_picture_is_no_box(visitor: Any, quarters: Callable[..., bytes]) -> None:
    open_with(visitor, quarters())
    drag(visitor, (0.3, 0.3), (0.302, 0.302))
    visitor.page.wait_for_timeout(300)
    assert len(visitor.asked) == 1
    expect(visitor.page.locator(".crop-box")).to_be_hidden()


def test_a_box_never_leaves_the_picture(visitor: Any, quarters: Callable[..., bytes]) -> None:
    open_with(visitor, quarters())
    with visitor.searching():
        drag(visitor, (0.6, 0.6), (1.4, 1.5))
    box = sent(visitor)
    assert (box["x"] + box["width"], box["y"] + box["height"]) == (640, 400)


def test_a_box_is_begun_moved_resized_and_taken_away_by_keyboard(visitor: Any, quarters: Callable[..., bytes]) -> None:
    open_with(visitor, quarters())
    visitor.page.get_by_role("button", name="Crop").focus()
    with visitor.searching():
        visitor.page.keyboard.press("Enter")
    assert sent(visitor) == {"x": 160, "y": 100, "width": 320, "height": 200}
    keyboard = visitor.page.keyboard
    with visitor.searching():
        for _ in range(12):
            keyboard.press("ArrowRight")
            keyboard.press("ArrowUp")
    assert sent(visitor) == {"x": 316, "y": 0, "width": 320, "height": 200}
    with visitor.searching():
        keyboard.press("Alt+ArrowRight")
        keyboard.press("Shift+ArrowDown")
        keyboard.press("Shift+Alt+ArrowLeft")
    assert sent(visitor) == {"x": 317, "y": 0, "width": 319, "height": 213}
    assert len(visitor.asked) == 4  # steps of one movement are one search
    keyboard.press("Delete")
    expect(visitor.page.locator(".crop-box")).to_be_hidden()
    assert "box=" not in visitor.page.url


def test_a_box_is_typed_in_pixels(visitor: Any, quarters: Callable[..., bytes]) -> None:
    open_with(visitor, quarters())
    with visitor.searching():
        visitor.page.get_by_role("button", name="Crop").click()
    with visitor.searching():
        visitor.page.get_by_label("x", exact=True).fill("7")
        visitor.page.keyboard.press("Tab")
    assert sent(visitor)["x"] == 7
    assert visitor.page.get_by_label("y", exact=True).evaluate("one => one === document.activeElement")
    with visitor.searching():
        visitor.page.get_by_label("width", exact=True).fill("99999")
        visitor.page.keyboard.press("Tab")
    assert sent(visitor)["width"] == 633


def test_a_box_is_moved_and_resized_by_touch(
    visitors: Callable[..., Any], address: str, quarters: Callable[..., bytes]
) -> None:
    visitor = visitors(address, viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    open_with(visitor, quarters())
    with visitor.searching():
        visitor.page.get_by_role("button", name="Crop").tap()
    touch(visitor, (0.5, 0.5), (0.25, 0.5))
    assert sent(visitor) == {"x": 0, "y": 100, "width": 320, "height": 200}
    touch(visitor, (0.5, 0.75), (0.75, 0.95))  # the lower right corner
    assert sent(visitor)["width"] == pytest.approx(480, abs=4)
    assert sent(visitor)["height"] == pytest.approx(280, abs=4)


def touch(visitor: Any, begin: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag a finger over the picture between two places, in shares of its width and height."""
    at = shown(visitor)
    protocol = visitor.page.context.new_cdp_session(visitor.page)

    def send(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": at["x"] + x * at["width"], "y": at["y"] + y * at["height"]} for x, y in places]
        protocol.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    with visitor.searching():
        send("touchStart", begin)
        for share in (0.25, 0.5, 0.75, 1):
            send("touchMove", tuple(one + share * (other - one) for one, other in zip(begin, end, strict=True)))
        send("touchEnd")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_pixels_that_are_sent_are_those_that_are_shown_in_every_orientation(
    visitor: Any, quarters: Callable[..., bytes], orientation: int
) -> None:
    open_with(visitor, quarters(orientation))
    expect(visitor.page.locator(".example-name")).to_contain_text("640 × 400", use_inner_text=True)
    for colour, (right, down) in QUARTERS.items():
        colour_shown = visitor.page.evaluate(
            """([x, y]) => {
              const canvas = document.querySelector(".example canvas");
              const dot = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
              dot.drawImage(canvas, x * canvas.width, y * canvas.height, 1, 1, 0, 0, 1, 1);
              return [...dot.getImageData(0, 0, 1, 1).data].slice(0, 3);
            }""",
            [0.25 + right / 2, 0.25 + down / 2],
        )
        near = {"red": (200, 30, 30), "green": (30, 180, 40), "blue": (30, 40, 200), "yellow": (220, 210, 30)}[colour]
        assert colour_shown == pytest.approx(near, abs=12)
        with visitor.searching():
            drag(visitor, (right / 2 + 0.02, down / 2 + 0.02), (right / 2 + 0.48, down / 2 + 0.48))
        assert visitor.hits()[0].startswith(f"{colour}/")
        visitor.page.keyboard.press("Delete")


def test_photos_of_cameras_are_shown_upright(visitor: Any, data: Any) -> None:
    folder = data / "bad-images" / "exif-orientation"
    for number in (3, 6, 8):
        open_with(visitor, (folder / f"Landscape_{number}.jpg").read_bytes())
        at = shown(visitor)
        assert at["width"] > at["height"]


def test_the_original_of_a_hit_can_be_cropped(visitor: Any) -> None:
    visitor.visit("/?collection=photos&q=id:red/2.jpg")
    with visitor.searching():
        visitor.page.get_by_role("button", name="Crop").click()
    shown(visitor)
    assert visitor.asked[-1]["queries"][0]["image"]["crop"] == {"x": 32, "y": 28, "width": 64, "height": 56}
    visitor.page.wait_for_selector(".crop-box:focus")
    with visitor.searching():
        visitor.page.keyboard.press("ArrowRight")
    assert visitor.asked[-1]["queries"][0]["image"]["crop"]["x"] > 32
    expect(visitor.page.locator(".example-name")).to_contain_text("128 × 112", use_inner_text=True)
    assert visitor.hits()[0].startswith("red/")
