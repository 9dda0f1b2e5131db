from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

TWO = "/?collection=photos&q=id:red/0.jpg&size=12&with=descriptor%3Dhsv-histogram.histogram"


def test_comparing_begins_with_the_same_settings_and_marks_every_move(visitor: Any) -> None:
    visitor.visit("/?collection=photos&q=id:red/0.jpg&size=12")
    with visitor.searching():
        visitor.page.get_by_role("button", name="Compare").click()
    visitor.page.wait_for_selector(".column:nth-child(2) .rank")
    assert visitor.hits(0) == visitor.hits(1)
    expect(visitor.page.locator(".changes")).to_have_text(
        "12 of 12 kept, 12 at the same rank, 0 new", use_inner_text=True
    )
    assert visitor.page.get_by_role("radio", name="Settings B").is_checked()
    with visitor.searching():
        visitor.page.locator("#b-preset").select_option(label="Varied")
    visitor.page.wait_for_function("() => document.querySelectorAll('.plan')[1].textContent.includes('mmr')")
    before, after = visitor.hits(0), visitor.hits(1)
    for at, card in enumerate(visitor.page.locator(".column").nth(1).locator(".card:has(.rank)").all()):
        was = before.index(after[at]) if after[at] in before else None
        mark = card.locator(".move").inner_text()
        expected = "new" if was is None else "=" if was == at else f"▲ {was - at}" if was > at else f"▼ {at - was}"
        assert mark == expected
    visitor.page.locator(".gone .card").first.wait_for(state="attached")
    gone = visitor.page.locator(".gone .card").evaluate_all("all => all.map(one => one.dataset.id)")
    assert gone == [each for each in before if each not in after]


def test_two_settings_stand_in_the_address(visitor: Any) -> None:
    visitor.visit(TWO)
    visitor.page.wait_for_selector(".column:nth-child(2) .rank")
    visitor.page.locator(".plan").first.wait_for(state="attached")
    plans = visitor.page.locator(".plan").all_inner_texts()
    assert plans[0].startswith("efficientnet-lite0.gap cosine")
    assert plans[1].startswith("hsv-histogram.histogram chi2")
    assert len({plan["plan"]["descriptors"][0]["name"] for plan in visitor.asked}) == 2


def test_settings_that_fail_cost_their_own_column(visitor: Any) -> None:
    visitor.refused = {400}
    visitor.visit("/?collection=photos&q=id:red/0.jpg&with=expand%3Daverage:n%3D900")
    visitor.page.wait_for_selector(".column:nth-child(2) .trouble")
    assert len(visitor.hits(0)) == 23
    expect(visitor.page.get_by_role("alert")).to_contain_text("average", use_inner_text=True)


def test_comparing_ends_with_the_first_settings(visitor: Any) -> None:
    visitor.visit(TWO)
    visitor.page.get_by_role("button", name="Compare").click()
    visitor.page.wait_for_function("() => document.querySelectorAll('.column').length === 1")
    assert "with=" not in visitor.page.url


def test_a_hit_of_the_second_settings_is_explained_by_them(visitor: Any) -> None:
    visitor.visit(TWO)
    visitor.page.locator(".column").nth(1).locator(".look").first.click()
    visitor.page.wait_for_selector(".bins li")
    expect(visitor.page.locator(".why h3")).to_contain_text("hsv-histogram.histogram chi2", use_inner_text=True)


def test_precision_is_drawn_against_rank_for_a_query_with_labels(visitor: Any) -> None:
    visitor.visit("/?collection=photos&q=id:red/0.jpg&descriptor=hsv-histogram.histogram")
    visitor.page.get_by_role("button", name="Precision").click()
    visitor.page.wait_for_selector(".curve")
    right = [id_.startswith("red/") for id_ in visitor.hits()]
    expected = {k: sum(right[:k]) / k for k in (1, 5, 10, 20)}
    visitor.page.locator(".precision thead th").first.wait_for(state="attached")
    headings = visitor.page.locator(".precision thead th").all_inner_texts()
    figures = [float(text) for text in visitor.page.locator(".precision tbody td").all_inner_texts()]
    assert headings == [f"P@{k}" for k in expected]
    assert figures == pytest.approx(list(expected.values()), abs=0.006)
    points = visitor.page.locator(".curve").get_attribute("points").split()
    assert len(points) == 23
    assert "precision=1" in visitor.page.url


def test_precision_of_two_settings_is_two_curves(visitor: Any) -> None:
    visitor.visit(f"{TWO}&precision=1")
    visitor.page.wait_for_selector(".curve.b")
    expect(visitor.page.locator(".curve")).to_have_count(2)
    expect(visitor.page.locator(".precision tbody tr")).to_have_count(2)


def test_precision_without_labels_says_why_there_is_none(visitor: Any) -> None:
    visitor.visit("/?collection=signed&q=id:v0&precision=1")
    visitor.page.wait_for_selector(".precision .note")
    expect(visitor.page.locator(".precision")).to_contain_text("v0 has no labels", use_inner_text=True)


@pytest.mark.parametrize(
    ("before", "after", "moves", "gone"),
    [
        (["a", "b", "c"], ["c", "a", "d"], {"c": ["up", 2], "a": ["down", 1], "d": ["new", 0]}, ["b"]),
        (["a", "b"], ["a", "b"], {"a": ["same", 0], "b": ["same", 0]}, []),
        ([], ["a"], {"a": ["new", 0]}, []),
        (["a"], [], {}, ["a"]),
    ],
)
def test_moves_are_counted_between_two_rankings(
    visitor: Any, before: list[str], after: list[str], moves: dict[str, Any], gone: list[str]
) -> None:
    visitor.visit()
    found = visitor.page.evaluate(
        """async ([before, after]) => {
          const { movesBetween } = await import("/assets/moves.js");
          const found = movesBetween(before, after);
          return [Object.fromEntries([...found.moves].map(([id, { kind, by }]) => [id, [kind, by]])), found.gone];
        }""",
        [before, after],
    )
    assert found == [moves, gone]
