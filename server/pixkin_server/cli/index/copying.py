"""`pixkin index copy`: a collection from one store to another."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from pixkin_server.cli import options as shared
from pixkin_server.cli.index.layout import layout_options, new_layout, take_layout
from pixkin_server.cli.index.report import complain_of_refusals, end_partly_refused, print_collection
from pixkin_server.cli.output import Progress, complain

if TYPE_CHECKING:
    from pixkin_scoring.stores.copying import Copied


@click.command(name="copy", short_help="Copy COLLECTION to another store, without encoding anything.")
@click.argument("collection")
@click.option(
    "--to", "target", required=True, metavar="S", help="The other store: a directory, or the URL of a cluster."
)
@click.option("--as", "new_name", default="", metavar="NAME", help="Name of the copy.  [default: as it is]")
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with a copy that is there: equal items are passed over, all others replaced.",
)
@layout_options
@shared.store_only
@shared.timeout
def copy(collection: str, target: str, new_name: str, resume: bool, **options: Any) -> None:
    """Copy COLLECTION from one store to another of either kind, with its vectors bit for bit.

    Nothing is encoded, so no extractor is needed. Everything that an item has is copied, and what derived and augmented
    descriptors are computed by. Graphs and whitenings that are attached for searches are not; what others have added to
    an index in OpenSearch is not either, and named. The exit status is 3 when some items were refused and the others
    are copied. Works on stores only, not through a server.
    """
    from pixkin_proto.errors import listed
    from pixkin_scoring.stores import copying

    layout = new_layout(take_layout(options))
    shared.refuse_server(options)
    insecure, patience = options["insecure"], options["timeout"]
    with (
        shared.opened_store(options["store"], insecure=insecure) as source,
        shared.opened_store(target, insecure=insecure) as there,
        Progress("items", source.describe(collection).items) as bar,
    ):
        copied = copying.copy(
            source,
            there,
            collection,
            new_name=new_name,
            layout=layout,
            resume=resume,
            told=bar,
            deadline=time.monotonic() + patience,
        )
        left = source.additions(collection) if hasattr(source, "additions") else []
    if left:
        complain(f"not copied, because others than pixkin have added it to the index: {listed(left)}")
    _tell(copied)


def _tell(copied: Copied) -> None:
    same = f", {copied.equal:,} were there already" if copied.equal else ""
    refused = f", {len(copied.refused):,} refused" if copied.refused else ""
    click.echo(f"{copied.written:,} items copied{same}{refused}")
    print_collection(copied.collection)
    if copied.others > 0:
        complain(f"{copied.others:,} items of the copy are not in the collection that was copied")
    elif copied.others < 0:
        complain(f"{-copied.others:,} copied items are not in the copy any more; repeat with --resume")
    complain_of_refusals(copied.refused)
    if copied.others:
        end_partly_refused()
