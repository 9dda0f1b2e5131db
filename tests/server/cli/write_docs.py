"""Write the help of every command into docs/cli.md: `python tests/server/cli/write_docs.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
from pixkin_server.cli import pixkin

FILE = Path(__file__).parents[3] / "docs" / "cli.md"
MARK = "<!-- From here on tests/server/cli/write_docs.py has written what `--help` prints. -->\n"
WIDTH = 100


def written(file: Path = FILE) -> str:
    """Return what the file should hold: its own text as far as the mark, then the help."""
    before = file.read_text(encoding="utf-8").partition(MARK)[0]
    return before + MARK + "".join(_sections(pixkin, None, "pixkin"))


def _sections(command: click.Command, parent: click.Context | None, name: str) -> Iterator[str]:
    context = click.Context(command, parent=parent, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH)
    context.help_option_names = ["-h", "--help"]
    path = context.command_path
    yield f"\n## {path}\n\n```\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            if found is not None:
                yield from _sections(found, context, below)


if __name__ == "__main__":
    FILE.write_text(written(), encoding="utf-8")
