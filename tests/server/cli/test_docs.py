from __future__ import annotations

import runpy
from pathlib import Path

WRITER = runpy.run_path(str(Path(__file__).with_name("write_docs.py")))


def test_the_documentation_shows_the_help_of_every_command() -> None:
    assert WRITER["FILE"].read_text(encoding="utf-8") == WRITER["written"](), (
        "the help has changed; run: python tests/server/cli/write_docs.py"
    )


def test_the_documentation_has_a_section_for_commands_and_subcommands() -> None:
    text = WRITER["written"]()
    for heading in ("## pixkin\n", "## pixkin search\n", "## pixkin index\n", "## pixkin index sync\n"):
        assert text.count(f"\n{heading}") == 1
    assert "--labels-from-folders" in text
