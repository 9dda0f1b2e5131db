"""`pixkin index derive`, `augment`, `graph`: what is computed of a stored descriptor; `remove-descriptor`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from pixkin_server.cli import options as shared
from pixkin_server.cli.index.report import agreed, print_collection
from pixkin_server.cli.numbers import REAL, WHOLE


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


@click.command(short_help="Remove a derived descriptor from every item of COLLECTION.")
@click.argument("collection")
@click.argument("descriptor")
@click.option("--yes", is_flag=True, help="Do not ask.")
@shared.store_only
def remove_descriptor(collection: str, descriptor: str, yes: bool, **options: Any) -> None:
    """Remove DESCRIPTOR from every item of COLLECTION, with its vectors, its graph and what it is computed by.

    It is one that `index derive` or `index augment` has made, or one of several of imported vectors. Works on a store
    only, not through a server. In OpenSearch the vectors take room until the next `index reindex`.
    """
    from pixkin_server.deriving import remove_derived

    shared.refuse_server(options)
    with shared.opened_store(options["store"], insecure=options["insecure"]) as store:
        described = store.describe(collection)
        if not yes:
            what = f"Remove {descriptor} from {described.items:,} items of {collection}?"
            agreed(what, otherwise=f"{descriptor} stays")
        removed = remove_derived(store, described, descriptor, deadline=math.inf)
    click.echo(f"{removed} is gone")


@click.command(short_help="Add a descriptor averaged with that of each item's neighbours.")
@click.argument("collection")
@click.option("--descriptor", default="", metavar="D", help="Descriptor to average; needed where there are several.")
@click.option("--k", type=WHOLE, default=10, show_default=True, metavar="N", help="How many neighbours.")
@click.option("--alpha", type=REAL, default=0.0, show_default=True, metavar="A",
              help="Weight of a neighbour: likeness^A; 0 weighs all alike.")  # fmt: skip
@click.option("--as", "name", required=True, metavar="NAME", help="Name of the new descriptor.")
@shared.store_only
def augment(collection: str, descriptor: str, k: int, alpha: float, name: str, **options: Any) -> None:
    """Add a descriptor to every item of COLLECTION that is averaged with those of its nearest neighbours.

    Run again after adding or removing pictures, it looks only at the neighbourhoods that changed, and comes to what a
    run from the start would. What was added in between has its own vector alone until then. Works on a store only, not
    through a server.
    """
    from pixkin_scoring.augmentation import Augmentation, augment

    from pixkin_server.threads import sharing_cores

    settings = Augmentation(k, alpha)
    shared.refuse_server(options)
    with shared.opened_store(options["store"], insecure=options["insecure"]) as store, sharing_cores():
        written = augment(store, store.describe(collection), descriptor, name, settings, deadline=math.inf)
    click.echo(f"{written:,} vectors written")


@click.command(short_help="Keep the graph of nearest neighbours of COLLECTION, for diffusion.")
@click.argument("collection")
@click.option("--descriptor", default="", metavar="D", help="Whose neighbours; needed where there are several.")
@click.option("--measure", default="", metavar="M",
              help="Measure of the searches that will use it; all mass measures share one graph, all others another.  "
              "[default: the descriptor's]")  # fmt: skip
@click.option("--k", type=WHOLE, default=50, show_default=True, metavar="N", help="How many neighbours of each item.")
@shared.store_only
def graph(collection: str, descriptor: str, measure: str, k: int, **options: Any) -> None:
    """Keep the exact graph of nearest neighbours of COLLECTION, for searches with --rerank diffusion:graph=kept.

    All items are compared with all. Run again after vectors were written, it looks only at the neighbourhoods that
    changed. Works on a store only, not through a server, whose searches use it all the same.
    """
    from pixkin_proto.names import resolve_descriptor
    from pixkin_scoring.neighbour_graph import keep_graph
    from pixkin_scoring.plan import check_measure

    from pixkin_server.threads import sharing_cores

    shared.refuse_server(options)
    with shared.opened_store(options["store"], insecure=options["insecure"]) as store, sharing_cores():
        known = {each.name: each for each in store.describe(collection).descriptors}
        of = known[resolve_descriptor(descriptor, list(known))]
        measure = measure or of.default_measure
        check_measure(measure, of)
        made, looked_at = keep_graph(store, collection, of, measure, k, deadline=math.inf)
    each = max(0, min(k, made.items - 1))
    click.echo(f"{of.name}: {made.items:,} items with {each} neighbours each, {looked_at:,} looked at")
