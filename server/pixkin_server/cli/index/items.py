"""`pixkin index update`, `remove` and `list`: the items of a collection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pixkin_server.cli import options as shared
from pixkin_server.cli.index.report import collection_json, complain_of_refusals, end_partly_refused
from pixkin_server.cli.numbers import COUNT
from pixkin_server.cli.output import complain, one_line, print_json, print_table

if TYPE_CHECKING:
    from pixkin_scoring.items import Attribute, Item, ItemUpdate

    from pixkin_server.api import Service

PAGE = 1000


@click.command()
@click.argument("collection")
@click.argument("items", nargs=-1, metavar="ID...")
@click.option("--label", "labels", multiple=True, metavar="L", help="New labels instead of the old ones; repeatable.")
@click.option("--no-labels", is_flag=True, help="Take all labels away.")
@click.option(
    "--attribute",
    "attributes",
    multiple=True,
    metavar="KEY=VALUE",
    help="New attributes instead of the old ones; repeatable; a value that is a number becomes one.",
)
@click.option(
    "--manifest",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE.csv|.jsonl",
    help="List of items: id, and labels, attributes or both.",
)
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
    """Change labels and attributes of items; vectors stay as they are.

    The exit status is 3 when some changes were refused and the others are made.
    """
    said = bool(labels or no_labels or attributes)
    if bool(items) == bool(manifest) or bool(items) != said or (labels and no_labels):
        raise click.UsageError("name ids with --label or --no-labels and --attribute, or a --manifest")
    named = frozenset(labels) if labels or no_labels else None
    facts = dict(_attribute(text) for text in attributes) if attributes else None
    changes = _listed(manifest) if manifest else _changes(items, named, facts)
    with shared.connected(options) as service:
        results = service.update(collection, changes)
    refused = [result for result in results if result.error]
    click.echo(f"{len(results) - len(refused):,} updated, {len(changes) - len(results):,} unchanged")
    complain_of_refusals(refused)


@click.command()
@click.argument("collection")
@click.argument("items", nargs=-1, required=True, metavar="ID...")
@shared.connection
def remove(collection: str, items: tuple[str, ...], **options: Any) -> None:
    """Remove items from COLLECTION.

    The exit status is 3 when some were not there.
    """
    wanted = list(dict.fromkeys(items))
    with shared.connected(options) as service:
        removed = set(service.remove(collection, wanted))
    click.echo(f"{len(removed):,} removed")
    unknown = [item for item in wanted if item not in removed]
    for item in unknown:
        complain(f"{collection} has no item {item}")
    if unknown:
        end_partly_refused()


@click.command(name="list")
@click.argument("collection", required=False)
@shared.filters
@click.option("--size", type=COUNT, metavar="N", help="Stop after N items.")
@shared.connection
@shared.as_json
def list_(collection: str | None, filters: tuple[str, ...], size: int | None, as_json: bool, **options: Any) -> None:
    """List the collections, or the items of COLLECTION.

    Items are printed one a line: id and labels with a tab between them, or with --json an object.
    """
    if collection is None and (filters or size):
        raise click.UsageError("--filter and --size choose among the items of a COLLECTION; name one")
    with shared.connected(options) as service:
        if collection is None:
            _list_collections(service, as_json=as_json)
            return
        for item in _items(service, collection, filters, size):
            if as_json:
                print_json(_item_json(item), indent=None)
            else:
                click.echo("\t".join((item.id, ", ".join(map(one_line, sorted(item.labels))))).rstrip())


def _list_collections(service: Service, *, as_json: bool) -> None:
    found = service.collections()
    if as_json:
        print_json([collection_json(each) for each in found])
        return
    rows = [(each.name, f"{each.items:,}", ", ".join(d.name for d in each.descriptors)) for each in found]
    print_table(("collection", "items", "descriptors"), rows, right=(1,))


def _items(service: Service, collection: str, filters: tuple[str, ...], size: int | None) -> Iterator[Item]:
    """At most `size` items by id, all when it is None."""
    after, left = "", size
    while page := service.list_items(collection, filters, size=min(PAGE, left or PAGE), after=after):
        yield from page
        after = page[-1].id
        left = None if left is None else left - len(page)
        if left == 0:
            return


def _changes(
    items: tuple[str, ...], labels: frozenset[str] | None, attributes: dict[str, Attribute] | None
) -> list[ItemUpdate]:
    from pixkin_scoring.items import ItemUpdate

    return [ItemUpdate(item, labels, attributes) for item in dict.fromkeys(items)]


def _listed(manifest: Path) -> list[ItemUpdate]:
    from pixkin_scoring.items import ItemUpdate

    from pixkin_server.manifests import read_manifest

    return [ItemUpdate(each.id, each.labels, each.attributes) for each in read_manifest(manifest, paths=False)]


def _attribute(text: str) -> tuple[str, Attribute]:
    from pixkin_server.manifests import typed

    key, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="--attribute")
    return key, typed(value)


def _item_json(item: Item) -> dict[str, Any]:
    return {"id": item.id, "labels": sorted(item.labels), "attributes": _plain(item.attributes), "source": item.source}


def _plain(attributes: Mapping[str, Attribute]) -> dict[str, str | int | float]:
    """Return attributes by name, with whole numbers as they were written: 2019, not 2019.0."""
    return {
        key: int(value) if isinstance(value, float) and value.is_integer() else value
        for key, value in sorted(attributes.items())
    }
