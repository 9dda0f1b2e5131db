"""`pixkin index derive`: another descriptor of every item, computed of one that is stored."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from pixkin_server.cli import options as shared
from pixkin_server.cli.index.report import print_collection


@click.command(short_help="Add a whitened descriptor to every item of COLLECTION, without its pictures.")
@click.argument("collection")
@click.option("--descriptor", default="", metavar="D", help="Descriptor to derive of; needed where there are several.")
@click.option("--whitening", "file", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
              metavar="FILE", help="What `pixkin whitening fit` wrote.")  # fmt: skip
@click.option("--as", "name", required=True, metavar="NAME", help="Name of the new descriptor.")
@shared.store_only
def derive(collection: str, descriptor: str, file: Path, name: str, **options: Any) -> None:
    """Add a whitened descriptor to every item of COLLECTION, without encoding a picture.

    Pictures that are added later get it too, and queries are whitened alike. Works on a store only, not through a
    server.
    """
    from pixkin_proto.whitening import read_whitening

    from pixkin_server.deriving import derive

    whitening = read_whitening(file)
    shared.refuse_server(options)
    with shared.opened_store(options["store"], insecure=options["insecure"]) as store:
        derive(store, store.describe(collection), descriptor, whitening, name, deadline=math.inf)
        print_collection(store.describe(collection))
