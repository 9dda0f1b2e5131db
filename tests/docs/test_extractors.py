from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="heads are parts of ONNX graphs: pip install 'pixkin[onnx]'")
from pixkin_export.catalogue import CATALOGUE
from pixkin_export.heads.registry import HEADS

TEXT = (Path(__file__).parents[2] / "docs" / "extractors.md").read_text(encoding="utf-8")
HEAD = re.compile(r"^\| `([a-z0-9-]+)` \| (map|maps|vector|pixels) \| .+? \|([^|]*)\| (l1|l2|none) \| ", re.MULTILINE)
ROWS = {name: (takes, settings, norm) for name, takes, settings, norm in HEAD.findall(TEXT)}


def test_every_head_is_documented() -> None:
    assert list(ROWS) == list(HEADS)


@pytest.mark.parametrize("name", HEADS)
def test_a_head_is_documented_with_what_it_takes_its_settings_and_its_norm(name: str) -> None:
    takes, settings, norm = ROWS[name]
    assert (takes, norm) == (str(HEADS[name].takes), str(HEADS[name].norm))
    assert re.findall(r"`([a-z]+)=", settings) == list(HEADS[name].parameters)


@pytest.mark.parametrize("name", HEADS)
def test_the_documented_defaults_of_a_head_are_those_that_it_has(name: str) -> None:
    documented = dict(re.findall(r"`([a-z]+)=([^`]+)`", ROWS[name][1]))
    for key, parameter in HEADS[name].parameters.items():
        if parameter.default is not None:  # else it depends on another setting
            assert parameter.read(documented[key]) == parameter.default


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_entry_of_the_catalogue_is_documented(name: str) -> None:
    assert re.search(rf"^\| {re.escape(name)} \| ", TEXT, re.MULTILINE)
