from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pixkin_proto.descriptors import MEASURES, Kind
from pixkin_scoring.expansion import EXPANSIONS
from pixkin_scoring.fusion import FUSIONS
from pixkin_scoring.rerankers import RERANKERS
from playwright.sync_api import expect

BY_ID = "/?collection=photos&q=id:red/0.jpg"
SIGNED = [name for name, kind in MEASURES.items() if kind is Kind.ANY]


def fold_out(visitor: Any, path: str = BY_ID) -> Any:
    visitor.visit(path)
    visitor.page.locator("#settings > summary").click()
    return visitor.page


def options(page: Any, selector: str) -> list[str]:
    found = page.locator(f"{selector} option")
    found.first.wait_for(state="attached")  # the page makes them once it knows the collection
    return list(found.evaluate_all("all => all.map(one => one.value)"))


def test_settings_are_folded_away_and_say_on_one_line_what_is_compared(visitor: Any) -> None:
    visitor.visit(BY_ID)
    expect(visitor.page.locator("#settings-line")).to_have_text("efficientnet-lite0.gap cosine", use_inner_text=True)
    expect(visitor.page.locator(".settings-body")).to_be_hidden()


def test_a_measure_is_switched_and_said_in_the_address(visitor: Any) -> None:
    page = fold_out(visitor, f"{BY_ID}&descriptor=hsv-histogram.histogram")
    measure = page.get_by_label("Measure of hsv-histogram.histogram")
    expect(measure).to_have_value("chi2")
    with visitor.searching():
        measure.select_option("intersection")
    assert visitor.asked[-1]["plan"]["descriptors"][0]["measure"] == "intersection"
    assert "measure=intersection" in page.url
    assert "hsv-histogram.histogram intersection" in visitor.plan
    expect(page.locator(".hint").first).to_contain_text("easiest to explain", use_inner_text=True)


def test_every_measure_is_offered_where_it_applies_and_says_what_it_is_for(visitor: Any) -> None:
    page = fold_out(visitor, f"{BY_ID}&descriptor=hsv-histogram.histogram")
    assert options(page, "select[aria-label^='Measure of']") == list(MEASURES)
    for name in MEASURES:
        if page.get_by_label("Measure of").input_value() != name:
            with visitor.searching():
                page.get_by_label("Measure of").select_option(name)
        page.wait_for_function("name => document.querySelector('.hint b')?.textContent === name", arg=name)
        assert len(page.locator(".hint").first.inner_text()) > len(name) + 10
        assert visitor.hits()[0].startswith("red/")


def test_a_signed_descriptor_has_no_measures_of_mass(visitor: Any) -> None:
    page = fold_out(visitor, "/?collection=signed&q=id:v0")
    assert options(page, "select[aria-label='Measure of plain']") == SIGNED


@pytest.mark.parametrize("fusion", FUSIONS)
def test_several_descriptors_are_fused(visitor: Any, fusion: str) -> None:
    page = fold_out(visitor)
    with visitor.searching():
        page.get_by_label("histogram", exact=True).check()
    if fusion != next(iter(FUSIONS)):
        with visitor.searching():
            page.get_by_label("Fused by").select_option(fusion)
    with visitor.searching():
        page.get_by_label("Weight of hsv-histogram.histogram").fill("0.2")
        page.keyboard.press("Tab")
    plan = visitor.asked[-1]["plan"]
    assert [(each["name"], each["weight"]) for each in plan["descriptors"]] == [
        ("efficientnet-lite0.gap", 1),
        ("hsv-histogram.histogram", 0.2),
    ]
    assert f"{fusion}:" in visitor.plan


@pytest.mark.parametrize("expansion", EXPANSIONS)
def test_an_expansion_is_chosen_with_its_options(visitor: Any, expansion: str) -> None:
    page = fold_out(visitor)
    page.get_by_text("Stage by stage").click()
    with visitor.searching():
        page.get_by_label("Query expansion").select_option(expansion)
    with visitor.searching():
        page.get_by_label("n", exact=True).fill("3")
        page.keyboard.press("Tab")
    assert visitor.asked[-1]["plan"]["expand"] == f"{expansion}:n=3"
    assert f"{expansion}:n=3," in visitor.plan  # the reply says the others' defaults


@pytest.mark.parametrize("name", [name for name, each in RERANKERS.items() if each.needed is None])
def test_every_reranker_is_added_and_taken_away(visitor: Any, name: str) -> None:
    page = fold_out(visitor)
    page.get_by_text("Stage by stage").click()
    with visitor.searching():
        page.get_by_label("Add a re-ranking").select_option(name)
    assert f"{name}:" in visitor.plan
    shown = page.locator(f"[aria-label='Re-ranking 1: {name}'] .option")
    expect(shown).to_have_text(list(RERANKERS[name].options))
    page.get_by_role("button", name=f"Take away {name}").click()
    assert f"{name}:" not in visitor.plan
    assert "rerank" not in page.url


def test_stages_stay_shown_however_soon_one_is_added(visitor: Any) -> None:
    page = fold_out(visitor)
    with visitor.searching():
        page.get_by_label("Add a re-ranking").evaluate("""select => {
            select.closest("details").querySelector("summary").click();
            select.value = "collapse";
            select.dispatchEvent(new Event("change", { bubbles: true }));
        }""")
    expect(page.get_by_role("button", name="Take away collapse")).to_be_visible()


def test_rerankers_run_in_the_order_in_which_they_are_shown(visitor: Any) -> None:
    page = fold_out(visitor, f"{BY_ID}&rerank=diffusion&rerank=k-reciprocal")
    with visitor.searching():
        page.get_by_role("button", name="Do earlier: k-reciprocal").click()
    assert visitor.asked[-1]["plan"]["rerank"] == ["k-reciprocal", "diffusion"]


def test_a_reranker_that_needs_a_name_says_so_beside_its_field(visitor: Any) -> None:
    visitor.refused = {400, 404}
    page = fold_out(visitor)
    page.get_by_text("Stage by stage").click()
    with visitor.searching():
        page.get_by_label("Add a re-ranking").select_option("whiten")
    expect(page.get_by_role("alert")).to_contain_text("whiten needs name", use_inner_text=True)
    with visitor.searching():
        page.get_by_label("name", exact=True).fill("paris")
        page.keyboard.press("Tab")
    assert visitor.asked[-1]["plan"]["rerank"] == ["whiten:name=paris"]


def test_a_preset_sets_all_stages_at_once(visitor: Any) -> None:
    page = fold_out(visitor)
    with visitor.searching():
        page.locator("#a-preset").select_option(label="Neighbours that agree")
    assert visitor.asked[-1]["plan"]["rerank"] == ["k-reciprocal"]
    with visitor.searching():
        page.locator("#a-preset").select_option(label="Average with the best answers")
    assert visitor.asked[-1]["plan"]["rerank"] == []
    assert visitor.asked[-1]["plan"]["expand"] == "average:n=5"


def test_hits_are_filtered_by_label(visitor: Any) -> None:
    page = fold_out(visitor)
    page.get_by_label("Label or condition").focus()
    page.wait_for_selector("#a-labels option", state="attached")
    assert options(page, "#a-labels") == ["blue", "green", "grey", "red", "violet", "yellow"]
    with visitor.searching():
        page.get_by_label("Label or condition").fill("violet")
        page.keyboard.press("Enter")
    assert {id_.partition("/")[0] for id_ in visitor.hits()} == {"violet"}
    page.get_by_role("button", name="Take away label=violet").click()
    assert len(visitor.hits()) == 23


def test_a_filter_that_nothing_meets_says_so(visitor: Any) -> None:
    visitor.visit(f"{BY_ID}&filter=label=nothing")
    expect(visitor.page.get_by_role("heading", name="No picture fits")).to_be_visible()
    expect(visitor.page.locator(".empty")).to_contain_text("filter", use_inner_text=True)


def test_candidates_number_and_the_example_itself_are_set(visitor: Any) -> None:
    page = fold_out(visitor)
    with visitor.searching():
        page.locator("#a-candidates").select_option("exact")
    assert "exact:depth=100" in visitor.plan
    expect(page.locator("#a-candidates option")).to_have_text(["automatic", "exact"])  # a directory compares all
    with visitor.searching():
        page.get_by_label("How many candidates").fill("30")
        page.keyboard.press("Tab")
    assert visitor.asked[-1]["plan"]["candidates"] == "exact:depth=30"
    with visitor.searching():
        page.get_by_label("Pictures on a page").select_option("12")
    assert len(visitor.hits()) == 12
    with visitor.searching():
        page.get_by_label("show the example itself").check()
    assert visitor.hits()[0] == "red/0.jpg"
    with visitor.searching():
        page.get_by_role("button", name="Back to plain settings").click()
    assert visitor.asked[-1]["plan"].keys() == {"descriptors", "rerank", "filter", "include_self"}


def test_another_collection_keeps_the_pictures_and_drops_ids(visitor: Any, picture: Callable[[str], bytes]) -> None:
    visitor.visit("/?collection=photos")
    with visitor.searching():
        visitor.drop(picture("red/0.jpg"))
    with visitor.searching():
        visitor.page.get_by_label("Collection").select_option("strange")
    assert visitor.asked[-1]["collection"] == "strange"
    assert len(visitor.asked[-1]["queries"]) == 1


def test_several_examples_have_weights_above_and_below_zero(visitor: Any, picture: Callable[[str], bytes]) -> None:
    visitor.visit("/?collection=photos&q=id:red/0.jpg")
    visitor.page.get_by_text("Add an example").click()
    visitor.page.get_by_label("Id", exact=True).fill("blue/0.jpg")
    with visitor.searching():
        visitor.page.keyboard.press("Enter")
    with visitor.searching():
        visitor.drop(picture("green/0.jpg"), at="[data-drop=add]")
    queries = visitor.asked[-1]["queries"]
    assert [query.get("id") for query in queries] == ["red/0.jpg", "blue/0.jpg", None]
    with visitor.searching():
        visitor.page.get_by_role("button", name="Less like this").nth(1).click()
    with visitor.searching():
        visitor.page.get_by_label("Weight", exact=True).nth(2).fill("0.3")
        visitor.page.keyboard.press("Tab")
    assert [query.get("weight", 1) for query in visitor.asked[-1]["queries"]] == [1, -1, 0.3]
    with visitor.searching():
        visitor.page.get_by_role("button", name="Take away blue/0.jpg").click()
    assert len(visitor.asked[-1]["queries"]) == 2
