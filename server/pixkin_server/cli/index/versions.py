"""`pixkin index merge`, `reindex`, `rollback`, `unlock` and `prune`: segments and versions of an OpenSearch index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from pixkin_server.cli import options as shared
from pixkin_server.cli.index.layout import (
    changed_layout,
    other_layout_options,
    take_layout,
    twin_options,
    twinned_layout,
)
from pixkin_server.cli.index.report import agreed, print_collection
from pixkin_server.cli.output import Progress

if TYPE_CHECKING:
    from pixkin_scoring.stores.layout import IndexLayout
    from pixkin_scoring.stores.opensearch.store import OpenSearchStore

yes = click.option("--yes", is_flag=True, help="Do not ask.")
leave_behind = click.option(
    "--leave-behind",
    is_flag=True,
    help="Leave behind fields, settings and aliases that others have added to the index; they are refused otherwise.",
)


@click.command(short_help="Make searches in OpenSearch faster after a large load.")
@click.argument("collection")
@shared.store_only
def merge(collection: str, **options: Any) -> None:
    """Merge the segments of COLLECTION's index, after a large load: searches get faster, approximate ones most of all.

    Takes as long as building the index of neighbours once more; searches and writes go on. `index reindex` does it
    too. Works on a cluster only, not through a server.
    """
    with _cluster(options) as store:
        found = store.merge(collection)
    print_collection(found)


@click.command(short_help="Build the index of COLLECTION anew in OpenSearch, with another layout.")
@click.argument("collection")
@other_layout_options
@twin_options
@leave_behind
@shared.store_only
def reindex(collection: str, twins: tuple[str, ...], leave_behind: bool, **options: Any) -> None:
    """Build the index of COLLECTION anew beside the old one, and put it in its place.

    What is not named of the layout stays as it is. Nothing is encoded. Meanwhile the collection answers searches and
    takes no writes. The version before stays for `index rollback` until `index prune` deletes it. Works on a cluster
    only, not through a server.
    """
    given = take_layout(options)
    with _cluster(options) as store:
        before = store.describe(collection)
        descriptors = [descriptor.name for descriptor in before.descriptors]

        def change(layout: IndexLayout) -> IndexLayout:
            return twinned_layout(changed_layout(layout, given), twins, descriptors)

        with _counted(before.items) as told:
            found = store.reindex(collection, change, told=told, leave_behind=leave_behind)
    print_collection(found)
    click.echo(f"{before.layout['index']} stays for `index rollback`; `index prune` deletes it", err=True)


@click.command(short_help="Go back to the version of COLLECTION before the last re-index in OpenSearch.")
@click.argument("collection")
@yes
@leave_behind
@shared.store_only
def rollback(collection: str, yes: bool, leave_behind: bool, **options: Any) -> None:
    """Go back to the version of COLLECTION before the last `index reindex`.

    What was written since then stays behind in the newer version, which the next `index reindex` deletes. Also puts an
    alias back that somebody has removed. Works on a cluster only, not through a server.
    """
    with _cluster(options) as store:
        if not yes:
            agreed(
                f"Go back to the version of {collection} before the re-index, and leave behind what was written since?",
                otherwise=f"{collection} stays as it is",
            )
        found = store.rollback(collection, leave_behind=leave_behind)
    print_collection(found)


@click.command(short_help="Let COLLECTION in OpenSearch take writes again after a command that was killed.")
@click.argument("collection")
@yes
@shared.store_only
def unlock(collection: str, yes: bool, **options: Any) -> None:
    """Let COLLECTION take writes again after a command that was killed.

    `index reindex` and `index rollback` hold the collection while they work, so that no second command and no writer
    comes between. One that is killed cannot give it back. This ends its claim, deletes what it has built and lifts the
    block on writes. Nothing that was acknowledged is lost, also when the command still runs: it then fails. Works on a
    cluster only, not through a server.
    """
    with _cluster(options) as store:
        holder = store.holder(collection)
        if holder and not yes:
            agreed(f"End the claim of {holder}, which fails if it still runs?", otherwise="it stays")
        done = store.unlock(collection)
    for sentence in done:
        click.echo(sentence)
    if not done:
        click.echo(f"{collection} is not held by any command", err=True)


@click.command(short_help="Delete the versions of COLLECTION in OpenSearch that are not in use.")
@click.argument("collection")
@yes
@shared.store_only
def prune(collection: str, yes: bool, **options: Any) -> None:
    """Delete the versions of COLLECTION that are not in use.

    These are the ones before an `index reindex`, the one that an `index rollback` left, and what an interrupted
    `index reindex` left. `index rollback` then has none to go back to. Works on a cluster only, not through a server.
    """
    with _cluster(options) as store:
        unused = store.unused_versions(collection)
        if unused and not yes:
            agreed(f"Delete {', '.join(unused)}, with no way back?", otherwise="they stay")
        for name in store.remove_versions(collection) if unused else ():
            click.echo(f"{name} is gone")
    if not unused:
        click.echo(f"{collection} has no other version", err=True)


@contextmanager
def _cluster(options: dict[str, Any]) -> Iterator[OpenSearchStore]:
    """Open the store, which must be a cluster."""
    shared.refuse_server(options)
    with shared.opened_store(options["store"], insecure=options["insecure"]) as store:
        from pixkin_scoring.stores.opensearch.store import OpenSearchStore

        if not isinstance(store, OpenSearchStore):
            raise click.UsageError(
                f"a collection has an index in OpenSearch only, and {store.name} is a directory, which needs no such "
                "care; name a cluster: --store https://HOST:9200"
            )
        yield store


@contextmanager
def _counted(items: int) -> Iterator[Callable[[int, int], None]]:
    """Show how many items are done, as a store tells it: all so far, of how many."""
    before = 0
    with Progress("items", items) as bar:

        def told(done: int, _: int) -> None:
            nonlocal before
            bar(done - before)
            before = done

        yield told
