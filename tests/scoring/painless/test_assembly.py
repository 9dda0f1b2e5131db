"""The texts of the scripts, before any cluster sees them."""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files

import pytest
from pixkin_proto.errors import UnknownMeasure
from pixkin_scoring import painless
from pixkin_scoring.measures import MEASURES
from pixkin_scoring.painless import CONTEXTS, script, script_id, scripts

SHARED = {"prologue", "epilogue"}
LARGEST = 65_535  # script.max_size_in_bytes of a cluster that nobody has changed

every_measure = pytest.mark.parametrize("name", list(MEASURES))


@every_measure
def test_every_registered_measure_has_a_kernel(name: str) -> None:
    assert files(painless).joinpath(f"{name}.painless").is_file(), f"{name} has no {name}.painless"


def test_every_kernel_belongs_to_a_measure() -> None:
    kernels = {file.name for file in files(painless).iterdir() if file.name.endswith(".painless")}
    assert kernels == {f"{name}.painless" for name in {*MEASURES, *SHARED}}


@every_measure
def test_value_and_score_hold_the_same_kernel(name: str) -> None:
    kernel = files(painless).joinpath(f"{name}.painless").read_text(encoding="utf-8")
    for returns in CONTEXTS:
        assert kernel in script(name, returns).source
    assert script(name, "value").source != script(name, "score").source


def test_an_id_names_measure_kind_and_content() -> None:
    for each in scripts():
        digest = hashlib.sha256(each.source.encode()).hexdigest()
        assert each.id == f"pixkin-{each.measure}-f32-{each.returns}-{digest[:12]}"
    assert len({each.id for each in scripts()}) == 2 * len(MEASURES)


def test_another_byte_is_another_id(monkeypatch: pytest.MonkeyPatch) -> None:
    before = script_id("chi2", "value")
    text = painless._text
    monkeypatch.setattr(painless, "_text", lambda name: text(name) + ("\n" if name == "chi2" else ""))
    script.cache_clear()
    try:
        assert script_id("chi2", "value") != before
    finally:
        script.cache_clear()


def test_a_text_reads_nothing_but_its_four_parameters() -> None:
    for each in scripts():
        assert each.source.isascii()
        assert len(each.source) < LARGEST
        read = set(re.findall(r"params(?:\.getOrDefault\(|\.put\(|\[)'(\w+)'", each.source))
        assert read == {"field", "q", "normalise", "lenient", "_query"}
        assert each.source.count("doc[") == each.source.count("doc[params['field']]") == 1


def test_an_unknown_measure_has_no_script() -> None:
    with pytest.raises(UnknownMeasure):
        script_id("hellinger", "value")
