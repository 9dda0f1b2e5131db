"""`pixkin scripts`: the painless scripts of an OpenSearch cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from pixkin_server.cli import options as shared
from pixkin_server.cli.groups import Group
from pixkin_server.cli.index.report import agreed, end_partly_refused
from pixkin_server.cli.output import complain, print_json, print_table

if TYPE_CHECKING:
    from pixkin_scoring.stores.opensearch.connection import Connection


@click.group(cls=Group)
def scripts() -> None:
    """Painless scripts of an OpenSearch cluster.

    Searches need one for every measure. Their ids name their content, so that several versions of pixkin can use one
    cluster. `index create` registers them where the role permits that.
    """


@scripts.command()
@shared.store_only
def register(**options: Any) -> None:
    """Store the scripts that the cluster lacks, or that were edited by hand."""
    from pixkin_scoring.stores.opensearch.scripts import register_scripts

    with _cluster(options) as connection:
        done = register_scripts(connection)
    for each in done:
        click.echo(f"{each.id} was {each.state}")
    click.echo(f"{len(done)} registered")


@scripts.command(name="list")
@shared.store_only
@shared.as_json
def list_(as_json: bool, **options: Any) -> None:
    """List all scripts whose ids begin with pixkin-.

    The state is current, missing, edited (by hand), old (of another version of pixkin), or foreign (an id that pixkin
    never makes).
    """
    from pixkin_scoring.stores.opensearch.scripts import list_scripts

    with _cluster(options) as connection:
        found = list_scripts(connection)
    if as_json:
        print_json([{"id": each.id, "state": each.state} for each in found])
    else:
        print_table(("id", "state"), [(each.id, each.state) for each in found])


@scripts.command()
@shared.store_only
def verify(**options: Any) -> None:
    """Compare the scripts of the cluster with pixkin's.

    The exit status is 3 when one is missing or was edited by hand.
    """
    from pixkin_scoring.stores.opensearch.scripts import verify_scripts

    with _cluster(options) as connection:
        problems = list(verify_scripts(connection))
    for problem in problems:
        complain(problem)
    click.echo(f"{len(problems)} problems")
    if problems:
        end_partly_refused()


@scripts.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@shared.store_only
def gc(yes: bool, **options: Any) -> None:
    """Delete the scripts of other versions of pixkin, which cannot search the cluster without them."""
    from pixkin_scoring.stores.opensearch.scripts import OLD, delete_script, list_scripts

    with _cluster(options) as connection:
        old = [each.id for each in list_scripts(connection) if each.state == OLD]
        if old and not yes:
            agreed(f"Delete {', '.join(old)}?", otherwise="all scripts stay")
        for id_ in old:
            delete_script(connection, id_)
            click.echo(f"{id_} is gone")
    click.echo(f"{len(old)} deleted")


@contextmanager
def _cluster(options: dict[str, Any]) -> Iterator[Connection]:
    shared.refuse_server(options)
    with shared.opened_store(options["store"], insecure=options["insecure"]) as store:
        from pixkin_scoring.stores.opensearch.store import OpenSearchStore

        if not isinstance(store, OpenSearchStore):
            raise click.UsageError(
                f"scripts are for OpenSearch, and {store.name} is a directory, which needs none; name a cluster: "
                "--store https://HOST:9200"
            )
        store.check()
        yield store.connection
