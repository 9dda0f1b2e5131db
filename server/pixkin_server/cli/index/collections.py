"""`pixkin index create`, `describe`, `verify` and `drop`: a collection as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pixkin_server.cli import options as shared
from pixkin_server.cli.index.layout import layout_options, new_layout, take_layout
from pixkin_server.cli.index.report import agreed, collection_json, end_partly_refused, print_collection
from pixkin_server.cli.numbers import COUNT
from pixkin_server.cli.output import Progress, complain, one_line, print_json

if TYPE_CHECKING:
    from pixkin_proto.descriptors import Descriptor

    from pixkin_server.api import ExtractorChoice, Service

SAMPLE = 50
SHOWN = 20
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
@layout_options
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
    layout = new_layout(take_layout(options))
    descriptors = [_declared(text) for text in declared]
    choices = [_extractor_choice(text, options) for text in chosen]
    with shared.connected(options) as service:
        made = service.create(collection, choices, descriptors=descriptors, thumbnails=not no_thumbnails, layout=layout)
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


@click.command(short_help="Check the stored data of COLLECTION.")
@click.argument("collection")
@click.option(
    "--images",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="ROOT",
    help="Also encode some of the pictures below ROOT anew, and compare with what is stored.",
)
@click.option("--sample", type=COUNT, metavar="N", help="How many, with --images.  [default: 50]")
@shared.connection
def verify(collection: str, images: Path | None, sample: int | None, **options: Any) -> None:
    """Check the stored data of COLLECTION: items, vectors, extractors, and in OpenSearch mapping, scripts and settings.

    With --images, pictures evenly spread over the collection are found by the path they came from or by their id, and
    encoded with the collection's extractors. The exit status is 3 when something is wrong.
    """
    if sample and not images:
        raise click.UsageError("--sample says how many pictures of --images to compare; name the folder")
    with shared.connected(options) as service:
        found = service.verify(collection)
        for problem in found.problems:
            complain(problem)
        click.echo(f"{found.items:,} items read, {len(found.problems)} problems")
        wrong = _compare(service, collection, images, sample or SAMPLE) if images else False
    if found.problems or wrong:
        end_partly_refused()


def _compare(service: Service, collection: str, images: Path, sample: int) -> bool:
    """Compare pictures with what is stored, tell what was found, and return whether something is wrong."""
    from pixkin_server.sampling import compare_pictures

    with Progress("pictures", min(sample, service.describe(collection).items)) as bar:
        found = compare_pictures(service, collection, images, sample=sample, progress=bar)
    for texts in (found.left_out, found.problems):
        for text in texts[:SHOWN]:
            complain(text)
        if len(texts) > SHOWN:
            complain(f"and {len(texts) - SHOWN:,} more")
    said = f"{found.compared:,} pictures encoded anew, {len(found.problems):,} problems"
    if found.left_out:
        said += f", {len(found.left_out):,} not compared"
    if found.compared:
        said += f"; the lowest cosine is {found.worst:.6f} ({one_line(found.worst_of)})"
    click.echo(said)
    return bool(found.problems)


@click.command()
@click.argument("collection")
@click.option("--yes", is_flag=True, help="Do not ask.")
@shared.connection
def drop(collection: str, yes: bool, **options: Any) -> None:
    """Delete COLLECTION and everything in it."""
    with shared.connected(options) as service:
        what = _what_goes(service, collection)
        if not yes:
            agreed(f"Delete {what}?", otherwise=f"{collection} stays")
        service.drop(collection)
    click.echo(f"{collection} is gone")


def _what_goes(service: Service, collection: str) -> str:
    """Return in words what a drop deletes; a collection that cannot be described may be deleted all the same."""
    from pixkin_proto.errors import StoreFormat, StoreReadOnly, StoreUnavailable

    try:
        found = service.describe(collection)
    except (StoreFormat, StoreReadOnly, StoreUnavailable) as error:  # of an index that is damaged, blocked or closed
        return f"{collection}, which cannot be read ({one_line(error.message)})"
    index = found.layout.get("index")
    versions = f" and all versions of its index ({index} is in use) in {found.store}" if index else ""
    return f"{collection} with {found.items:,} items{versions}"


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
    from pixkin_scoring.stages import Accepts, Option, StageRule

    name = text.partition(":")[0]
    try:
        accepted = Accepts({"dim": Option(int), "measure": Option(str), "signed": Option(int)})
        options = StageRule("vectors", {name: accepted}).parse(text).options
    except InvalidPlan as error:
        raise click.BadParameter(error.message, param_hint="--vectors") from None
    if "dim" not in options:
        raise click.BadParameter(f"{text!r} is not {DECLARATION}", param_hint="--vectors")
    signed, measure = bool(options.get("signed", 1)), str(options.get("measure", "cosine"))
    return Descriptor(name, int(options["dim"]), non_negative=not signed, default_measure=measure)
