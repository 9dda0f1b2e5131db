"""What the commands that read folders ask, and say of what they left as it was."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from pixkin_server.cli.output import complain, one_line

if TYPE_CHECKING:
    from pixkin_server.folders import Gone, Report

HINT = "--remove-missing removes"


def may_be_removed(gone: Gone, collection: str) -> bool:
    """Ask whether doubtful items may be removed, where somebody is there to answer."""
    if not gone.doubtful or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    for sentence in gone.sentences():
        complain(sentence)
    return click.confirm(f"Remove {_items(len(gone.doubtful))} from {one_line(collection)}?", err=True)


def tell_what_was_left(report: Report) -> None:
    """Say which items stay although their files were not seen, and which files were passed over."""
    from pixkin_server.folders import sentence

    gone = report.kept
    if gone and gone.doubtful:
        for reason in gone.sentences():
            complain(reason)
        complain(f"{_items(len(gone.doubtful))} stayed; {HINT} {_them(len(gone.doubtful))}")
    if gone and gone.passed_over:
        many = len(gone.passed_over)
        complain(
            f"{_items(many)} stayed whose {'file is' if many == 1 else 'files are'} hidden or excluded now, the first "
            f"is {gone.passed_over[0]}; {HINT} {_them(many)}"
        )
    if report.passed_over:
        complain(sentence(report.passed_over))


def _items(count: int) -> str:
    return "1 item" if count == 1 else f"{count:,} items"


def _them(count: int) -> str:
    return "it" if count == 1 else "them"
