"""How the commands of `pixkin index` tell what became of items, and what a collection is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from pixkin_proto.errors import PixkinError

from pixkin_server.cli.folders import tell_what_was_left
from pixkin_server.cli.output import complain, one_line, print_json, print_table

if TYPE_CHECKING:
    from pixkin_proto.descriptors import Descriptor
    from pixkin_scoring.items import AddResult, Collection

    from pixkin_server.folders import Report

SHOWN_REFUSALS = 20
PARTLY_REFUSED = 3


@contextmanager
def told_when_interrupted(report: Report) -> Iterator[None]:
    """Say on stderr how far the work in the block came when an error ends it, and that it can go on from there."""
    try:
        yield
    except PixkinError:
        if done := report.added + report.replaced + report.updated:
            complain(f"{done:,} pictures are in; repeat the command to go on: they are not encoded again")
        raise


def print_report(report: Report, *, as_json: bool) -> None:
    """Print what became of the items; the exit status tells whether some were refused."""
    counts = {
        "added": report.added, "replaced": report.replaced, "updated": report.updated, "unchanged": report.unchanged,
        "moved": report.moved, "removed": report.removed,
    }  # fmt: skip
    if as_json:
        refused = [
            {"id": each.id, "reason": each.error.reason, "error": each.error.message}
            for each in report.refused
            if each.error
        ]
        print_json({**counts, "refused": refused})
    else:
        counts["refused"] = len(report.refused)
        said = {name: count for name, count in counts.items() if count or name == "added"}
        click.echo(", ".join(f"{count:,} {name}" for name, count in said.items()))
    tell_what_was_left(report)
    complain_of_refusals(report.refused)
    if report.kept and report.kept.doubtful:
        end_partly_refused()


def complain_of_refusals(refused: Sequence[AddResult]) -> None:
    """Print a line for each refused item, and end with their exit status when there are any."""
    for each in refused[:SHOWN_REFUSALS]:
        if each.error:
            complain(f"{each.id}: {each.error.message} [{each.error.reason}]")
    if len(refused) > SHOWN_REFUSALS:
        complain(f"and {len(refused) - SHOWN_REFUSALS:,} more")
    if refused:
        end_partly_refused()


def end_partly_refused() -> None:
    """End the command with the exit status for work that was done in part."""
    click.get_current_context().exit(PARTLY_REFUSED)


def agreed(question: str, *, otherwise: str) -> None:
    """Ask a question, and end the command unless the answer is yes; `otherwise` says how things are left."""
    try:
        yes = click.confirm(question, err=True)
    except click.Abort:
        click.echo("", err=True)
        raise click.ClickException(f"nobody answered, {otherwise}; --yes does not ask") from None
    if not yes:
        raise click.ClickException(otherwise)


def print_collection(found: Collection) -> None:
    """Print a collection's description."""
    click.echo(f"{found.name}: {found.items:,} items, generation {found.generation}, {one_line(found.store)}")
    for use, size in found.bytes.items():
        click.echo(f"  {use}: {size / 2**20:,.1f} MiB")
    for root in found.roots:
        click.echo(f"  from {one_line(root)}")
    if found.layout:
        click.echo(f"  {' · '.join(f'{what} {how}' for what, how in _ordered(found.layout).items())}")
    print_table(
        ("descriptor", "dim", "norm", "signed", "default measure", "fingerprint"),
        [_row(descriptor, derived=descriptor.name in found.derived) for descriptor in found.descriptors],
        right=(1,),
    )


def _row(each: Descriptor, *, derived: bool) -> tuple[str, ...]:
    made_by = "derived" if derived else each.fingerprint[:12]
    signed = "no" if each.non_negative else "yes"
    return each.name, str(each.dim), each.norm, signed, each.default_measure, made_by


def collection_json(found: Collection) -> dict[str, Any]:
    """Return a collection's description as an object of plain values."""
    from dataclasses import asdict

    approximate = None if found.approximate is None else sorted(found.approximate)
    plain = {"bytes": dict(found.bytes), "approximate": approximate, "derived": sorted(found.derived)}
    return {**asdict(found), **plain, "layout": _ordered(found.layout)}


def _ordered(layout: Mapping[str, str]) -> dict[str, str]:
    """Return a layout in one order, whoever sent it: the index, then its properties."""
    return {what: layout[what] for what in sorted(layout, key=lambda what: (what != "index", what))}
