from __future__ import annotations

import pytest
from pixkin_proto.errors import UnknownCollection, UnknownDescriptor, UnknownExtractor, UnknownMeasure
from pixkin_proto.suggestions import did_you_mean, nearest


@pytest.mark.parametrize(
    ("typed", "known", "meant"),
    [
        ("corl", ["corel", "photos"], ["corel"]),
        ("Corel", ["corel", "photos"], ["corel"]),
        ("cos", ["cosine", "chi2", "kl"], ["cosine"]),
        ("gp", ["efficientnet-lite0.gap", "hsv-histogram.histogram"], ["efficientnet-lite0.gap"]),
        (
            "hsv-histogram.histogramm",
            ["efficientnet-lite0.gap", "hsv-histogram.histogram"],
            ["hsv-histogram.histogram"],
        ),
        ("kreciprocal", ["whiten", "k-reciprocal", "mmr"], ["k-reciprocal"]),
        ("zebra", ["corel", "photos"], []),
        ("", ["corel"], []),
        ("x" * 1_000_000, ["x" * 100], []),
    ],
)
def test_a_mistyped_name_is_met_with_what_was_meant(typed: str, known: list[str], meant: list[str]) -> None:
    assert nearest(typed, known) == meant
    assert did_you_mean(typed, known) == (f" (did you mean {meant[0]}?)" if meant else "")


def test_a_mistyped_collection_is_not_offered_to_be_made() -> None:
    assert "did you mean corel?" in UnknownCollection("corl", ["corel"]).message
    assert "pixkin index create" not in UnknownCollection("corl", ["corel"]).message
    assert "pixkin index create zebra" in UnknownCollection("zebra", ["corel"]).message


def test_every_unknown_name_suggests_the_nearest() -> None:
    assert "did you mean cosine?" in UnknownMeasure("cosin", ["cosine", "chi2"]).message
    assert "did you mean a.gap?" in UnknownDescriptor("gpa", ["a.gap", "b.histogram"]).message
    said = UnknownExtractor("efficientnet-lit0", "here", ["efficientnet-lite0"]).message
    assert "did you mean efficientnet-lite0?" in said
    assert "export-model" not in said
    assert "pixkin export-model" in UnknownExtractor("", "here", []).message
