"""`pixkin index create`, `describe`, `verify` and `drop`: a collection as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pixkin_server.cli import options as shared
from pixkin_server.cli.index.report import collection_json, end_partly_refused, print_collection
from pixkin_server.cli.output import complain, print_json

if TYPE_CHECKING:
    from pixkin_proto.descriptors import Descriptor

    from pixkin_server.api import ExtractorChoice

DECLARATION = "NAME:dim=D[,measure=M][,signed=0]"


@click.command()
@click.argument("collection")
@click.option(
    "--extractor",
    "chosen",
    multiple=True,
    metavar="NAME|FILE[:DESCRIPTOR,…]",
    help="Extractor that encodes the pictures; repeatable.",
)
@click.option(
    "--vectors",
    "declared",
    multiple=True,
    metavar=DECLARATION,
    help="Descriptor of vectors that are imported, without extractor; repeatable.",
)
@click.option("--no-thumbnails", is_flag=True, help="Keep no thumbnails.")
@shared.connection
def create(
    collection: str,
    chosen: tuple[str, ...],
    declared: tuple[str, ...],
    no_thumbnails: bool,
    **options: Any,
) -> None:
    """Make an empty COLLECTION."""
    if bool(chosen) == bool(declared):
        raise click.UsageError(
            "name an --extractor, or declare --vectors to import; `index import` does the latter itself"
        )
    descriptors = [_declared(text) for text in declared]
    choices = [_extractor_choice(text, options) for text in chosen]
    with shared.connected(options) as service:
        made = service.create(collection, choices, descriptors=descriptors, thumbnails=not no_thumbnails)
    print_collection(made)


@click.command(short_help="Describe COLLECTION.")
@click.argument("collection")
@shared.connection
@shared.as_json
def describe(collection: str, as_json: bool, **options: Any) -> None:
    """Describe COLLECTION: items, descriptors, size, and where its pictures came from."""
    with shared.connected(options) as service:
        found = service.describe(collection)
    if as_json:
        print_json(collection_json(found))
    else:
        print_collection(found)


@click.command()
@click.argument("collection")
@shared.connection
def verify(collection: str, **options: Any) -> None:
    """Check the stored data of COLLECTION.

    The exit status is 3 when something is wrong.
    """
    with shared.connected(options) as service:
        found = service.verify(collection)
    for problem in found.problems:
        complain(problem)
    click.echo(f"{found.items:,} items read, {len(found.problems)} problems")
    if found.problems:
        end_partly_refused()


@click.command()
@click.argument("collection")
@click.option("--yes", is_flag=True, help="Do not ask.")
@shared.connection
def drop(collection: str, yes: bool, **options: Any) -> None:
    """Delete COLLECTION and everything in it."""
    with shared.connected(options) as service:
        items = service.describe(collection).items
        if not yes:
            _ask(collection, items)
        service.drop(collection)
    click.echo(f"{collection} is gone")


def _ask(collection: str, items: int) -> None:
    try:
        agreed = click.confirm(f"Delete {collection} with {items:,} items?", err=True)
    except click.Abort:
        click.echo("", err=True)
        raise click.ClickException(f"nobody answered, {collection} stays; --yes does not ask") from None
    if not agreed:
        raise click.ClickException(f"{collection} stays")


def _extractor_choice(text: str, options: dict[str, Any]) -> ExtractorChoice:
    """Read NAME|FILE[:DESCRIPTOR,…]; a file is copied into the extractor directory."""
    from pixkin_embedding.directory import ExtractorDirectory

    from pixkin_server.api import ExtractorChoice

    whole = ":" not in text or text.endswith(".onnx")
    name, _, descriptors = (text, "", "") if whole else text.rpartition(":")
    if name.endswith(".onnx"):
        if shared.server_address(options) is not None:
            raise click.UsageError("a server takes its extractors from its own directory: give a name, not a file")
        name = ExtractorDirectory(options["extractors"]).install(Path(name))
    return ExtractorChoice(name, tuple(part for part in descriptors.split(",") if part))


def _declared(text: str) -> Descriptor:
    from pixkin_proto.descriptors import Descriptor
    from pixkin_proto.errors import InvalidPlan
    from pixkin_scoring.stages import StageRule

    name = text.partition(":")[0]
    try:
        options = StageRule("vectors", {name: {"dim": int, "measure": str, "signed": int}}).parse(text).options
    except InvalidPlan as error:
        raise click.BadParameter(error.message, param_hint="--vectors") from None
    if "dim" not in options:
        raise click.BadParameter(f"{text!r} is not {DECLARATION}", param_hint="--vectors")
    signed, measure = bool(options.get("signed", 1)), str(options.get("measure", "cosine"))
    return Descriptor(name, int(options["dim"]), non_negative=not signed, default_measure=measure)
