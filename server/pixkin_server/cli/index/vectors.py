"""`pixkin index import` and `export`: vectors between files and a collection."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pixkin_server.cli import options as shared
from pixkin_server.cli.index.report import print_report
from pixkin_server.cli.output import Progress

if TYPE_CHECKING:
    from pixkin_proto.descriptors import Descriptor
    from pixkin_scoring.items import Collection

    from pixkin_server.api import Service

EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)
NEW = click.Path(dir_okay=False, path_type=Path)


@click.command(name="import")
@click.argument("collection")
@click.option("--descriptor", required=True, metavar="NAME", help="Descriptor that the vectors are.")
@click.option("--vectors", required=True, type=EXISTING, metavar="FILE.npy|.fvecs", help="Vectors, one a row.")
@click.option("--ids", required=True, type=EXISTING, metavar="FILE", help="Ids, one a line, in the order of the rows.")
@click.option(
    "--measure", default="cosine", show_default=True, metavar="M", help="Default measure of a new collection."
)
@shared.connection
@shared.as_json
def import_(
    collection: str, descriptor: str, vectors: Path, ids: Path, measure: str, as_json: bool, **options: Any
) -> None:
    """Add vectors to COLLECTION, which is made when it is not there.

    A new collection's vectors are signed when any component of the file is below 0. The exit status is 3 when some
    vectors were refused and the others are in.
    """
    from pixkin_server.folders import Report
    from pixkin_server.vectors import declare, import_vectors, read_ids, read_vectors

    rows, names = read_vectors(vectors), read_ids(ids)
    if len(rows) != len(names):
        raise click.UsageError(f"{vectors} has {len(rows):,} vectors and {ids} {len(names):,} ids; each vector has one")
    report = Report()
    with shared.connected(options) as service:
        into = _described_or_made(service, collection, declare(descriptor, rows, measure))
        with Progress("vectors", len(names)) as bar:
            for result in import_vectors(service, into, descriptor, rows, names):
                report.count(result)
                bar(1)
    print_report(report, as_json=as_json)


@click.command()
@click.argument("collection")
@click.option("--descriptor", default="", metavar="NAME", help="Descriptor to write; needed where there are several.")
@click.option("--vectors", required=True, type=NEW, metavar="FILE.npy|.fvecs", help="File for the vectors.")
@click.option("--ids", required=True, type=NEW, metavar="FILE", help="File for the ids, one a line.")
@shared.store_only
@shared.timeout
def export(collection: str, descriptor: str, vectors: Path, ids: Path, **options: Any) -> None:
    """Write the vectors of COLLECTION and their ids to files.

    Works on a store only, not through a server.
    """
    from pixkin_proto.names import resolve_descriptor

    from pixkin_server.vectors import export_vectors

    shared.refuse_server(options)
    with shared.opened(options) as engine:
        described = engine.describe(collection)
        dims = {each.name: each.dim for each in described.descriptors}
        name = resolve_descriptor(descriptor, list(dims))
        with Progress("vectors", described.items) as bar:
            blocks = bar.over(engine.store.scan(collection, name), size=lambda block: len(block[0]))
            written = export_vectors(blocks, dim=dims[name], vectors=vectors, ids=ids)
    click.echo(f"{written:,} vectors of {name}: {vectors}, {ids}")


def _described_or_made(service: Service, collection: str, declared: Descriptor) -> Collection:
    from pixkin_proto.errors import UnknownCollection

    try:
        return service.describe(collection)
    except UnknownCollection:
        return service.create(collection, descriptors=[declared])
