from __future__ import annotations

import runpy
from pathlib import Path

import pytest

WRITER = runpy.run_path(str(Path(__file__).with_name("write_docs.py")))


@pytest.mark.parametrize("name", WRITER["FILES"])
def test_the_documentation_shows_what_the_program_says_of_itself(name: str) -> None:
    assert (WRITER["DOCS"] / name).read_text(encoding="utf-8") == WRITER["FILES"][name](), (
        "the help or the catalogue has changed; run: python tests/server/cli/write_docs.py"
    )


def test_the_documentation_has_a_section_for_commands_and_subcommands() -> None:
    text = WRITER["FILES"]["cli.md"]()
    for heading in ("## pixkin\n", "## pixkin search\n", "## pixkin index\n", "## pixkin index sync\n"):
        assert text.count(f"\n{heading}") == 1
    assert "--labels-from-folders" in text
