from __future__ import annotations

import re
from pathlib import Path

import pytest
from pixkin_proto.descriptors import MEASURES as KINDS
from pixkin_proto.errors import LEAVES
from pixkin_scoring.measures import MEASURES
from pixkin_server.interceptors import code_of

ROOT = Path(__file__).parents[2]
DOCS = sorted([*(ROOT / "docs").glob("*.md"), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md"))])


def test_every_error_is_documented_with_its_code() -> None:
    text = (ROOT / "docs" / "errors.md").read_text()
    rows = dict(re.findall(r"^\| ([A-Z_]+) \| ([A-Z_]+) \|", text, re.MULTILINE))
    assert rows == {reason: code_of(leaf.rebuild(reason, "", {})).name for reason, leaf in LEAVES.items()}


def test_every_measure_is_documented_with_kind_and_direction() -> None:
    text = (ROOT / "docs" / "measures.md").read_text()
    rows = re.findall(r"^\| ([a-z_0-9]+) \| ([a-z]+) \| .*? \| ([a-z]+) \|", text, re.MULTILINE)
    assert rows[1:] == [(name, str(KINDS[name]), str(MEASURES[name].better)) for name in MEASURES]


@pytest.mark.parametrize("file", DOCS, ids=lambda file: file.name)
def test_links_lead_somewhere(file: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", file.read_text()):
        if not target.startswith("http"):
            assert (file.parent / target).exists(), target


@pytest.mark.parametrize("file", DOCS, ids=lambda file: file.name)
def test_files_that_are_named_exist(file: Path) -> None:
    for name in re.findall(r"`([a-z_]+/[a-z_0-9/]+\.(?:py|proto))`", file.read_text()):
        found = [*ROOT.glob(f"*/{name}"), *ROOT.glob(name)]
        assert found, f"{file.name} names {name}"
