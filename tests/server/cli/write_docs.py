"""Write what the program says of itself into the documentation: `python tests/server/cli/write_docs.py`.

docs/cli.md gets the help of every command, docs/extractors.md the catalogue, docs/http.md the routes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click
from pixkin_export.catalogue import CATALOGUE
from pixkin_server.cli import pixkin
from pixkin_server.http.comments import comments
from pixkin_server.http.others import OTHERS
from pixkin_server.http.routes import ROUTES

DOCS = Path(__file__).parents[3] / "docs"
MARK = "<!-- From here on tests/server/cli/write_docs.py has written what `--help` prints. -->\n"
CATALOGUE_MARK = "<!-- The table was written by tests/server/cli/write_docs.py. -->\n"
TABLE_END = "<!-- End of the table. -->\n"
ROUTES_MARK = "<!-- The routes were written by tests/server/cli/write_docs.py. -->\n"
WIDTH = 100


def cli() -> str:
    """Return what docs/cli.md should hold: its own text as far as the mark, then the help."""
    before = (DOCS / "cli.md").read_text(encoding="utf-8").partition(MARK)[0]
    return before + MARK + "".join(_sections(pixkin, None, "pixkin"))


def extractors() -> str:
    """Return what docs/extractors.md should hold: its own text, and the catalogue between the marks."""
    return _with_table("extractors.md", CATALOGUE_MARK, _rows())


def http() -> str:
    """Return what docs/http.md should hold: its own text, and the routes between the marks."""
    return _with_table("http.md", ROUTES_MARK, _routes())


FILES: Mapping[str, Callable[[], str]] = {"cli.md": cli, "extractors.md": extractors, "http.md": http}


def _with_table(name: str, mark: str, rows: Iterator[str]) -> str:
    before, _, rest = (DOCS / name).read_text(encoding="utf-8").partition(mark)
    return before + mark + "".join(rows) + TABLE_END + rest.partition(TABLE_END)[2]


def _routes() -> Iterator[str]:
    yield "| route | call | what it does |\n|---|---|---|\n"
    for route in ROUTES:
        query = f"?{'&'.join(f'{name}=' for name in route.query)}" if route.query else ""
        call = f"{route.name} (needs `--allow-writes`)" if route.writes else route.name
        yield f"| `{route.method} {route.path}{query}` | {call} | {comments()[route.name]} |\n"
    for other in OTHERS:
        yield f"| `GET {other.path}` | | {other.summary} |\n"


def _rows() -> Iterator[str]:
    yield "| name | from | descriptors | weights | what it is |\n|---|---|---|---|---|\n"
    for entry in CATALOGUE.values():
        made = ", ".join(f"{text.partition('=')[0]} ({dim})" for text, dim in entry.descriptors.items())
        yield f"| {entry.name} | `{entry.origin}` | {made} | {entry.weights} | {entry.title} |\n"


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
    for name, written in FILES.items():
        (DOCS / name).write_text(written(), encoding="utf-8")
