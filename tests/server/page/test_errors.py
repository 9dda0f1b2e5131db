from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect


def test_a_picture_that_the_server_cannot_read_is_said_in_its_words(visitor: Any) -> None:
    visitor.refused = {400}
    visitor.visit("/?collection=photos")
    with visitor.searching():
        visitor.drop(b"\xff\xd8\xff no picture at all")
    alert = visitor.page.get_by_role("alert").inner_text()
    assert "damaged" in alert
    expect(visitor.page.get_by_role("heading", name="No answer")).to_be_visible()
    expect(visitor.page.locator(".card")).to_have_count(0)


def test_a_file_that_is_no_picture_is_not_sent(visitor: Any) -> None:
    visitor.visit("/?collection=photos")
    visitor.drop(b"%PDF", name="paper.pdf", kind="application/pdf")
    expect(visitor.page.get_by_role("alert")).to_contain_text("paper.pdf is no picture", use_inner_text=True)
    assert visitor.asked == []


def test_a_picture_that_is_too_large_is_not_sent(visitor: Any) -> None:
    visitor.visit("/?collection=photos")
    visitor.drop(b"\xff" * (17 * 2**20), name="poster.jpg")
    expect(visitor.page.get_by_role("alert")).to_contain_text(
        "poster.jpg has 17.0 MiB and the server takes 16.0", use_inner_text=True
    )
    assert visitor.asked == []


def test_pasted_text_and_dropped_links_are_answered_with_what_to_do(visitor: Any) -> None:
    visitor.visit("/?collection=photos")
    visitor.paste(None, "https://example.org/a.jpg")
    expect(visitor.page.get_by_role("alert")).to_contain_text("no picture", use_inner_text=True)
    visitor.page.evaluate(
        """() => {
          const carried = new DataTransfer();
          carried.setData("text/uri-list", "https://example.org/a.jpg");
          const told = { bubbles: true, cancelable: true, dataTransfer: carried };
          for (const kind of ["dragenter", "dragover", "drop"]) document.body.dispatchEvent(new DragEvent(kind, told));
        }"""
    )
    expect(visitor.page.get_by_role("alert")).to_contain_text("reads no addresses", use_inner_text=True)


def test_an_unknown_id_is_said(visitor: Any) -> None:
    visitor.refused = {404}
    visitor.visit("/?collection=photos&q=id:nothing.jpg")
    expect(visitor.page.get_by_role("alert")).to_contain_text("nothing.jpg", use_inner_text=True)


@pytest.mark.parametrize(
    "settings",
    ["descriptor=nothing", "descriptor=hsv-histogram.histogram:measure=nothing", "rerank=k-reciprocal:top=5",
     "filter=x", "candidates=exact:depth=3", "expand=nothing:", "normalise=never"],
)  # fmt: skip
def test_settings_that_the_server_refuses_are_said_with_a_way_back(visitor: Any, settings: str) -> None:
    visitor.refused = {400, 404}
    visitor.visit(f"/?collection=photos&q=id:red/0.jpg&{settings}")
    alert = visitor.page.get_by_role("alert")
    assert len(alert.inner_text()) > 30
    with visitor.searching():
        alert.get_by_role("button", name="Plain settings").click()
    assert len(visitor.hits()) == 23


@pytest.mark.parametrize(
    "path",
    ["/?q=&q=id:&q=nonsense&q=weight=x;id:red/0.jpg&collection=photos", "/?size=-4&pages=x&collection=photos",
     "/?collection=photos&with=%%%&q=box=1,2;picture:gone", "/?item=nothing&collection=photos", "/?collection=%00"],
)  # fmt: skip
def test_an_address_that_makes_no_sense_breaks_nothing(visitor: Any, path: str) -> None:
    visitor.refused = {400, 404}
    visitor.visit(path)
    expect(visitor.page.locator("#results :is(.card, .trouble, .empty)").first).to_be_visible()


def test_a_server_that_is_gone_is_said_and_tried_again(
    visitors: Callable[..., Any], page_store: Path, extractors: Path, start: Callable[..., Any]
) -> None:
    with start(page_store, extractors) as server:
        visitor = visitors(server.page)
        visitor.visit("/?collection=photos")
    visitor.page.locator(".shot").first.click()
    alert = visitor.page.get_by_role("alert")
    alert.wait_for()
    expect(alert).to_contain_text("does not answer", use_inner_text=True)
    expect(alert).to_contain_text("pixkin serve", use_inner_text=True)
    visitor.complaints.clear()  # connections that were refused
    port = server.page.rpartition(":")[2]
    with start(page_store, extractors, "--http", f"127.0.0.1:{port}"):
        alert.get_by_role("button", name="Try again").click()
        visitor.settle()
        assert len(visitor.hits()) == 23
        visitor.page.close()
    visitor.complaints.clear()
