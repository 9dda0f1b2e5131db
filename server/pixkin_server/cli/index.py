"""`pixkin index`: make, fill and look after collections."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pixkin_server.cli import options as shared
from pixkin_server.cli.output import Progress, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixkin_scoring.items import AddResult, Attribute, Collection

    from pixkin_server.api import ExtractorChoice
    from pixkin_server.folders import Picture, Report

PAGE = 1000
SHOWN_REFUSALS = 20
FILE = click.Path(dir_okay=False, path_type=Path)
EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)

folder_options = (
    click.option("--labels-from-folders", is_flag=True, help="Label every picture with the first folder of its id."),
    click.option("--prefix", default="", metavar="P", help="Put P/ before every id, to keep several folders apart."),
    click.option("--checksum", is_flag=True, help="Read every file, whatever its size and time say."),
)


@click.group()
def index() -> None:
    """Make, fill and look after collections."""


@index.command()
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
    metavar="NAME:dim=D[,measure=M]",
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
    choices = [_extractor_choice(text, options) for text in chosen]
    with shared.connected(options) as service:
        made = service.create(
            collection, choices, descriptors=[_declared(text) for text in declared], thumbnails=not no_thumbnails
        )
    _print_collection(made)


@index.command()
@click.argument("collection")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="FOLDER|FILE...")
@click.option(
    "--manifest", type=EXISTING, metavar="FILE.csv|.jsonl", help="List of pictures: id, path, labels, attributes."
)
@shared.all_of(folder_options)
@shared.connection
@shared.as_json
def add(
    collection: str,
    paths: tuple[Path, ...],
    manifest: Path | None,
    labels_from_folders: bool,
    prefix: str,
    checksum: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Add pictures to COLLECTION. Unchanged ones are not encoded again; their labels are brought up to date.

    The exit status is 3 when some pictures were refused and the others are in.
    """
    from pixkin_server.folders import Report, add_pictures, read_manifest, single, walk

    if bool(paths) == bool(manifest):
        raise click.UsageError("name folders or files to add, or a --manifest")
    sources: list[tuple[Path, list[Picture]]] = []
    for path in paths:
        if path.is_dir():
            sources.append((path, walk(path, prefix=prefix, labels_from_folders=labels_from_folders)))
        else:
            sources.append((path.parent, [single(path, prefix=prefix)]))
    if manifest:
        sources.append((manifest.parent, read_manifest(manifest)))
    total = Report()
    with shared.connected(options) as service:
        bar = Progress("pictures", sum(len(found) for _, found in sources))
        for folder, found in sources:
            add_pictures(service, collection, found, total, root=str(folder.resolve()), checksum=checksum, progress=bar)
        bar.end()
    _report(total, as_json=as_json)


@index.command()
@click.argument("collection")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@shared.all_of(folder_options)
@shared.connection
@shared.as_json
def sync(
    collection: str,
    folder: Path,
    labels_from_folders: bool,
    prefix: str,
    checksum: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Make COLLECTION equal to FOLDER: add what is new, remove what vanished, rename what moved."""
    from pixkin_server.folders import sync_folder, walk

    found = walk(folder, prefix=prefix, labels_from_folders=labels_from_folders)
    with shared.connected(options) as service:
        bar = Progress("pictures", len(found))
        report = sync_folder(service, collection, folder, found, checksum=checksum, progress=bar)
        bar.end()
    _report(report, as_json=as_json)


@index.command(name="import")
@click.argument("collection")
@click.option("--descriptor", required=True, metavar="NAME", help="Descriptor that the vectors are.")
@click.option("--vectors", required=True, type=EXISTING, metavar="FILE.npy|.fvecs", help="Vectors, one a row.")
@click.option("--ids", required=True, type=EXISTING, metavar="FILE", help="Ids, one a line, in the order of the rows.")
@click.option(
    "--measure", default="cosine", show_default=True, metavar="M", help="Default measure of a new collection."
)
@shared.connection
def import_(
    collection: str,
    descriptor: str,
    vectors: Path,
    ids: Path,
    measure: str,
    **options: Any,
) -> None:
    """Add vectors to COLLECTION, which is made when it is not there."""
    from pixkin_proto.errors import UnknownCollection

    from pixkin_server.folders import Report
    from pixkin_server.vectors import declare, import_vectors, read_ids, read_vectors

    rows, names = read_vectors(vectors), read_ids(ids)
    report = Report()
    with shared.connected(options) as service:
        try:
            service.describe(collection)
        except UnknownCollection:
            service.create(collection, descriptors=[declare(descriptor, rows, measure)])
        bar = Progress("vectors", len(names))
        for result in import_vectors(service, collection, descriptor, rows, names):
            report.count(result)
            bar(1)
        bar.end()
    _report(report, as_json=False)


@index.command()
@click.argument("collection")
@click.option("--descriptor", default="", metavar="NAME", help="Descriptor to write; needed where there are several.")
@click.option("--vectors", required=True, type=FILE, metavar="FILE.npy|.fvecs", help="File for the vectors.")
@click.option("--ids", required=True, type=FILE, metavar="FILE", help="File for the ids, one a line.")
@shared.in_process
def export(collection: str, descriptor: str, vectors: Path, ids: Path, **options: Any) -> None:
    """Write the vectors of COLLECTION and their ids to files. Works on a store, not through a server."""
    from pixkin_proto.names import resolve_descriptor

    from pixkin_server.vectors import export_vectors

    with shared.opened(options) as engine:
        described = engine.describe(collection)
        dims = {each.name: each.dim for each in described.descriptors}
        name = resolve_descriptor(descriptor, list(dims))
        blocks = engine.store.scan(collection, name)
        written = export_vectors(blocks, count=described.items, dim=dims[name], vectors=vectors, ids=ids)
    click.echo(f"{written:,} vectors of {name}: {vectors}, {ids}")


@index.command()
@click.argument("collection")
@click.argument("items", nargs=-1, metavar="ID...")
@click.option("--label", "labels", multiple=True, metavar="L", help="New labels instead of the old ones; repeatable.")
@click.option("--no-labels", is_flag=True, help="Take all labels away.")
@click.option(
    "--attribute",
    "attributes",
    multiple=True,
    metavar="KEY=VALUE",
    help="New attributes instead of the old ones; repeatable; a value that reads as a number is one.",
)
@click.option("--manifest", type=EXISTING, metavar="FILE.csv|.jsonl", help="List of items: id, labels, attributes.")
@shared.connection
def update(
    collection: str,
    items: tuple[str, ...],
    labels: tuple[str, ...],
    no_labels: bool,
    attributes: tuple[str, ...],
    manifest: Path | None,
    **options: Any,
) -> None:
    """Change labels and attributes of items; vectors stay as they are."""
    from pixkin_scoring.items import ItemUpdate

    from pixkin_server.folders import read_manifest

    if bool(items) == bool(manifest) or (items and not (labels or no_labels or attributes)):
        raise click.UsageError("name ids with --label, --no-labels or --attribute, or a --manifest")
    named = frozenset(labels) if labels or no_labels else None
    facts = dict(_attribute(text) for text in attributes) if attributes else None
    changes = [ItemUpdate(item, named, facts) for item in items]
    if manifest:
        changes = [ItemUpdate(each.id, each.labels, each.attributes) for each in read_manifest(manifest)]
    with shared.connected(options) as service:
        results = service.update(collection, changes)
    refused = [result for result in results if result.error]
    click.echo(f"{len(results) - len(refused):,} updated")
    _refusals(refused)


@index.command()
@click.argument("collection")
@click.argument("items", nargs=-1, required=True, metavar="ID...")
@shared.connection
def remove(collection: str, items: tuple[str, ...], **options: Any) -> None:
    """Remove items from COLLECTION. The exit status is 3 when some were not there."""
    with shared.connected(options) as service:
        removed = service.remove(collection, items)
    click.echo(f"{len(removed):,} removed")
    if unknown := sorted(set(items) - set(removed)):
        click.echo(f"pixkin: not in {collection}: {', '.join(unknown)}", err=True)
        click.get_current_context().exit(3)


@index.command(name="list")
@click.argument("collection", required=False)
@click.option("--filter", "filters", multiple=True, metavar="KEY=VALUE", help="As for search.")
@click.option("--size", type=click.IntRange(1), metavar="N", help="Stop after N items.")
@shared.connection
@shared.as_json
def list_(collection: str | None, filters: tuple[str, ...], size: int | None, as_json: bool, **options: Any) -> None:
    """List the collections, or the items of COLLECTION."""
    with shared.connected(options) as service:
        if collection is None:
            found = service.collections()
            if as_json:
                print_json([_collection_json(each) for each in found])
            else:
                rows = [(each.name, f"{each.items:,}", ", ".join(d.name for d in each.descriptors)) for each in found]
                print_table(("collection", "items", "descriptors"), rows, right=(1,))
            return
        after, left = "", size
        while page := service.list_items(collection, filters, size=min(PAGE, left or PAGE), after=after):
            for item in page:
                if as_json:
                    click.echo(_item_line(item))
                else:
                    click.echo("\t".join((item.id, ", ".join(sorted(item.labels)))).rstrip())
            after = page[-1].id
            left = None if left is None else left - len(page)
            if left == 0:
                break


@index.command()
@click.argument("collection")
@shared.connection
@shared.as_json
def describe(collection: str, as_json: bool, **options: Any) -> None:
    """Describe COLLECTION."""
    with shared.connected(options) as service:
        found = service.describe(collection)
    if as_json:
        print_json(_collection_json(found))
    else:
        _print_collection(found)


@index.command()
@click.argument("collection")
@shared.connection
def verify(collection: str, **options: Any) -> None:
    """Check the stored data of COLLECTION. The exit status is 3 when something is wrong."""
    with shared.connected(options) as service:
        found = service.verify(collection)
    for problem in found.problems:
        click.echo(f"pixkin: {problem}", err=True)
    click.echo(f"{found.items:,} items read, {len(found.problems)} problems")
    if found.problems:
        click.get_current_context().exit(3)


@index.command()
@click.argument("collection")
@click.option("--yes", is_flag=True, help="Do not ask.")
@shared.connection
def drop(collection: str, yes: bool, **options: Any) -> None:
    """Delete COLLECTION and everything in it."""
    with shared.connected(options) as service:
        items = service.describe(collection).items
        if not yes:
            click.confirm(f"Delete {collection} with {items:,} items?", abort=True, err=True)
        service.drop(collection)
    click.echo(f"{collection} is gone")


def _extractor_choice(text: str, options: dict[str, Any]) -> ExtractorChoice:
    """Read NAME|FILE[:DESCRIPTOR,…]; a file is copied into the extractor directory."""
    from pixkin_embedding.directory import ExtractorDirectory

    from pixkin_server.api import ExtractorChoice

    name, _, descriptors = text.rpartition(":") if ":" in text else (text, "", "")
    if name.endswith(".onnx"):
        if options["server"]:
            raise click.UsageError("a server takes its extractors from its own directory: give a name, not a file")
        name = ExtractorDirectory(options["extractors"]).install(Path(name))
    return ExtractorChoice(name, tuple(part for part in descriptors.split(",") if part))


def _declared(text: str) -> Any:
    from pixkin_proto.descriptors import Descriptor
    from pixkin_scoring.stages import StageRule

    name = text.partition(":")[0]
    options = StageRule("vectors", {name: {"dim": int, "measure": str, "signed": int}}).parse(text).options
    if "dim" not in options:
        raise click.BadParameter(f"{text!r} is not NAME:dim=D[,measure=M][,signed=0]", param_hint="--vectors")
    signed = bool(options.get("signed", 1))
    return Descriptor(
        name, int(options["dim"]), non_negative=not signed, default_measure=str(options.get("measure", "cosine"))
    )


def _attribute(text: str) -> tuple[str, Attribute]:
    key, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="--attribute")
    try:
        return key, float(value)
    except ValueError:
        return key, value


def _report(report: Report, *, as_json: bool) -> None:
    counts = {
        "added": report.added, "replaced": report.replaced, "unchanged": report.unchanged, "moved": report.moved,
        "removed": report.removed, "refused": len(report.refused),
    }  # fmt: skip
    if as_json:
        refused = [{"id": each.id, "error": each.error.message} for each in report.refused if each.error]
        print_json({**counts, "refused": refused})
    else:
        said = {name: count for name, count in counts.items() if count or name == "added"}
        click.echo(", ".join(f"{count:,} {name}" for name, count in said.items()))
    _refusals(report.refused)


def _refusals(refused: Sequence[AddResult]) -> None:
    for each in refused[:SHOWN_REFUSALS]:
        if each.error:
            click.echo(f"pixkin: {each.id}: {each.error.message} [{each.error.reason}]", err=True)
    if len(refused) > SHOWN_REFUSALS:
        click.echo(f"pixkin: and {len(refused) - SHOWN_REFUSALS:,} more", err=True)
    if refused:
        click.get_current_context().exit(3)


def _print_collection(found: Collection) -> None:
    click.echo(f"{found.name}: {found.items:,} items, generation {found.generation}, {found.store}")
    for use, size in found.bytes.items():
        click.echo(f"  {use}: {size / 2**20:,.1f} MiB")
    for root in found.roots:
        click.echo(f"  from {root}")
    rows = [
        (d.name, str(d.dim), d.norm, "no" if d.non_negative else "yes", d.default_measure, d.fingerprint[:12])
        for d in found.descriptors
    ]
    print_table(("descriptor", "dim", "norm", "signed", "default measure", "fingerprint"), rows, right=(1,))


def _collection_json(found: Collection) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(found), "bytes": dict(found.bytes)}


def _item_line(item: Any) -> str:
    import json

    return json.dumps(
        {"id": item.id, "labels": sorted(item.labels), "attributes": dict(item.attributes), "source": item.source},
        ensure_ascii=False,
    )
