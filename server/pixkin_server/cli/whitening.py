"""`pixkin whitening`: principal components are learnt of a collection, and used by its searches or by another's."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from pixkin_server.cli import options as shared
from pixkin_server.cli.groups import Group
from pixkin_server.cli.numbers import REAL, WHOLE
from pixkin_server.cli.output import Progress, print_table

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(cls=Group)
def whitening() -> None:
    """Learn and attach PCA-whitenings.

    The same file serves three ways: in an extractor (export-model --whitening), as another descriptor of a collection
    (index derive), and at query time (search --rerank whiten:name=NAME).
    """


@whitening.command()
@click.argument("collection")
@click.option("--descriptor", default="", metavar="D", help="Descriptor to learn of; needed where there are several.")
@click.option("--dims", type=WHOLE, metavar="N", help="How many components to keep.  [default: all that vary]")
@click.option("--power", type=REAL, default=0.5, show_default=True, metavar="P",
              help="Divide by variance^P: 0.5 whitens fully, less does so less.")  # fmt: skip
@click.option("--shrink", type=REAL, default=0.0, show_default=True, metavar="S",
              help="Mix this part of the mean variance into every variance, where vectors are few.")  # fmt: skip
@click.option("--no-whiten", is_flag=True, help="Project only; the same as --power 0.")
@click.option("--normalise", type=click.Choice(["none", "l2"]), default="none", show_default=True,
              help="l2 divides every vector by its length first.")  # fmt: skip
@click.option("--supervised", is_flag=True,
              help="Learn of the items' labels: even out what differs between items that share one.")  # fmt: skip
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Where to write it.")  # fmt: skip
@shared.store_only
def fit(collection: str, descriptor: str, supervised: bool, output: Path, **options: Any) -> None:
    """Learn a PCA-whitening of the vectors of COLLECTION as they are stored.

    Works on a store only, not through a server.
    """
    from pixkin_proto.names import resolve_descriptor
    from pixkin_proto.whitening import write_whitening
    from pixkin_scoring.fitting import Fit, fit_whitening
    from pixkin_scoring.supervised import fit_supervised

    from pixkin_server.threads import sharing_cores

    dims, power, shrink = (options.pop(name) for name in ("dims", "power", "shrink"))
    normalise = "l2" if options.pop("normalise") == "l2" else ""
    wanted = Fit(dims, 0.0 if options.pop("no_whiten") else power, shrink, normalise)
    shared.refuse_server(options)
    with shared.opened_store(options["store"], insecure=options["insecure"]) as store, sharing_cores():
        described = store.describe(collection)
        known = {each.name: each for each in described.descriptors}
        of = known[resolve_descriptor(descriptor, list(known))]
        with Progress("vectors", described.items) as bar:
            blocks = bar.over(store.scan(collection, of.name), size=lambda block: len(block[0]))
            if supervised:
                found = fit_supervised(blocks, store.labels(collection), of, wanted)
            else:
                found = fit_whitening(blocks, of, wanted)
    write_whitening(output, found)
    rows = [("descriptor", of.name), ("dimensions", f"{of.dim:,} to {len(found.components):,}")]
    print_table(("learnt of", str(output)), rows)


@whitening.command()
@click.argument("collection")
@click.argument("file", type=FILE)
@click.option("--as", "name", required=True, metavar="NAME", help="Its name in --rerank whiten:name=NAME.")
@shared.store_only
def attach(collection: str, file: Path, name: str, **options: Any) -> None:
    """Keep the whitening FILE with COLLECTION, for searches with --rerank whiten:name=NAME.

    Works on a store only, not through a server, whose searches use it all the same.
    """
    from pixkin_proto.errors import InvalidArgument
    from pixkin_proto.names import check_name
    from pixkin_proto.whitening import read_whitening, whitening_key, whitening_to_bytes

    found = read_whitening(file)
    check_name("whitening", name)
    shared.refuse_server(options)
    with shared.opened_store(options["store"], insecure=options["insecure"]) as store:
        described = store.describe(collection)
        if all((d.fingerprint, d.name.rpartition(".")[2]) != (found.fingerprint, found.descriptor)
               for d in described.descriptors):  # fmt: skip
            raise InvalidArgument(
                f"{file} was learnt of {found.descriptor} of extractor {found.fingerprint[:12] or '(none)'}; "
                f"{collection} has no such descriptor"
            )
        store.put_attachment(collection, whitening_key(name), whitening_to_bytes(found), deadline=math.inf)
    click.echo(f"{name}: {len(found.mean):,} to {len(found.components):,} dimensions", err=True)
