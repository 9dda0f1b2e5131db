"""The versions of a collection: making the first, building the next beside it, and moving the alias between them."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import (
    CollectionExists,
    InvalidArgument,
    InvalidName,
    PixkinError,
    StoreFormat,
    UnknownCollection,
)

from pixkin_scoring.items import AddResult, Item
from pixkin_scoring.stores.batches import batches
from pixkin_scoring.stores.layout import IndexLayout, check_layout
from pixkin_scoring.stores.opensearch.answers import acknowledged, part, refresh
from pixkin_scoring.stores.opensearch.connection import Connection
from pixkin_scoring.stores.opensearch.faults import IndexExists, IndexMissing, check_shards, not_opensearch, of_answer
from pixkin_scoring.stores.opensearch.index import Index, find_index, find_versions, unknown_collection, version_names
from pixkin_scoring.stores.opensearch.mapping import (
    Schema,
    attachments_index,
    index_body,
    index_name,
    served_settings,
    version_of,
    write_alias,
)
from pixkin_scoring.stores.opensearch.reading import get_items, list_items
from pixkin_scoring.stores.opensearch.statistics import counted, measured
from pixkin_scoring.stores.opensearch.writing import add_batch

PAGE = 256
MERGE_PAUSE = 0.2
CLUSTER_SECONDS = 60.0
"""How long the making of an index or a change of aliases may take."""


def quiet(done: int, items: int) -> None:
    """Tell nobody how far a re-index is."""
    del done, items


def create_first(connection: Connection, collection: str, schema: Schema) -> None:
    """Make the first version of a collection, behind its alias. Raises CollectionExists, InvalidName or StoreFormat."""
    try:
        find_index(connection, collection)
        raise CollectionExists(collection)
    except UnknownCollection:
        pass
    _make(connection, index_name(collection, 1), schema, alias=collection)


def drop_all(connection: Connection, collection: str) -> None:
    """Delete every version of a collection, and its attachments."""
    names = version_names(connection, collection)
    if not names:
        raise unknown_collection(connection, collection)
    # In one request, so that it all goes at once; what is missing was never made, or deleted by the first of two tries.
    gone = ",".join([*names, attachments_index(collection)])
    acknowledged(connection.ask("DELETE", f"/{gone}", params={"ignore_unavailable": True}, deadline=_later()))


def reindex(
    connection: Connection,
    collection: str,
    change: Callable[[IndexLayout], IndexLayout],
    *,
    told: Callable[[int, int], None] = quiet,
) -> Index:
    """Build the next version with another layout from the stored vectors, and move the alias there.

    Meanwhile the collection answers searches and refuses writes, so that none is lost; the version before stays for
    `rollback`. `told` hears how many of the items have been copied.
    """
    old = find_index(connection, collection)
    layout = check_layout(change(old.schema.layout))
    _remove_unfinished(connection, collection, old)
    acknowledged(connection.ask("PUT", f"/{old.name}/_block/write", deadline=_later()))
    name = index_name(collection, old.version + 1)
    schema = replace(old.schema, layout=layout, token=uuid.uuid4().hex)
    try:
        refresh(connection, old.name, _later())  # a writer that was killed did not
        generation = measured(connection, old).generation
        schema = replace(schema, base=generation + 1)
        _make(connection, name, schema, loading=True)
        new = Index(collection, name, old.version + 1, schema)
        items = _copy(connection, old, new, told)
        merge(connection, new)
        _finish(connection, name, layout, items)
        _swap(connection, collection, old.name, name)
    except BaseException:
        with contextlib.suppress(PixkinError):  # the first error says what happened
            _abandon(connection, old, name, schema)
        raise
    return find_index(connection, collection)


def _abandon(connection: Connection, old: Index, new: str, schema: Schema) -> None:
    """Let the version before take writes again and delete the new one, unless the alias has moved there after all."""
    if find_index(connection, old.collection, deadline=_later()).name != old.name:
        return
    _unblock(connection, old.name)
    if _token_of(connection, new) == schema.token:  # another index may have the name
        _delete(connection, new)


def merge(connection: Connection, index: Index) -> None:
    """Merge the segments of each shard into as many as threads scan it, and wait until that is done.

    A load leaves dozens of them, and each has a graph of neighbours of its own that every approximate search walks.
    """
    params = {"max_num_segments": index.schema.layout.slices, "wait_for_completion": False}
    task = part(connection.ask("POST", f"/{index.name}/_forcemerge", params=params, deadline=_later()), "task", str)
    while not part(done := connection.ask("GET", f"/_tasks/{task}", deadline=_later()), "completed", bool):
        time.sleep(MERGE_PAUSE)
    if "error" in done:
        raise of_answer(0, done)
    check_shards(part(done, "response", dict))


def rollback(connection: Connection, collection: str) -> Index:
    """Move the alias to the version before, or to the last one where the alias is gone; writes go there again.

    What was written since is left behind in the newer version. Raises InvalidArgument when there is no version before.
    """
    versions = find_versions(connection, collection)
    try:
        current: Index | None = find_index(connection, collection)
    except (StoreFormat, UnknownCollection):
        if not versions:
            raise
        current = None
    earlier = [index for index in versions if current is None or index.version < current.version]
    if not earlier:
        raise InvalidArgument(
            f"{collection} has no version before {current.name if current else ''}; nothing was changed"
        )
    target = earlier[-1]
    newest = max(measured(connection, index).generation for index in versions)
    own = measured(connection, target).generation - target.schema.base
    schema = replace(target.schema, base=newest + 1 - own)
    meta = {"_meta": schema.meta()}
    acknowledged(connection.ask("PUT", f"/{target.name}/_mapping", body=meta, deadline=_later()))
    _unblock(connection, target.name)
    _swap(connection, collection, current.name if current else None, target.name)
    return find_index(connection, collection)


def other_versions(connection: Connection, index: Index) -> list[Index]:
    """Return the versions of a collection that its alias does not name, the oldest first."""
    return [each for each in find_versions(connection, index.collection) if each.name != index.name]


def remove_others(connection: Connection, collection: str) -> list[str]:
    """Delete the versions that the alias does not name; returns their names."""
    gone = [index.name for index in other_versions(connection, find_index(connection, collection))]
    for name in gone:
        _delete(connection, name)
    return gone


def declare(connection: Connection, index: Index, descriptor: Descriptor, *, deadline: float) -> None:
    """Write the declaration of a descriptor whose vectors are all stored."""
    meta = index.schema.with_descriptor(descriptor).meta()
    acknowledged(connection.ask("PUT", f"/{index.name}/_mapping", body={"_meta": meta}, deadline=deadline))


def repair(connection: Connection, index: Index) -> Iterator[str]:
    """Put back what a load has left off or a hand has removed, and yield a sentence for each."""
    if index.settings.get("refresh_interval") == "-1":
        _set(connection, index.name, served_settings(index.schema.layout))
        yield f"{index.name} was not refreshed any more, so that new items were not found; it is again"
    alias = write_alias(index.name)
    if alias not in index.aliases:
        action = {"add": {"index": index.name, "alias": alias}}
        acknowledged(connection.ask("POST", "/_aliases", body={"actions": [action]}, deadline=_later()))
        yield f"the alias {alias}, through which items are written, was gone; it is there again"


def _make(connection: Connection, name: str, schema: Schema, *, alias: str = "", loading: bool = False) -> None:
    """Make an index; one that is there with our token was made by a request whose answer was lost."""
    body = {**index_body(schema, loading=loading), "aliases": {write_alias(name): {}, **({alias: {}} if alias else {})}}
    try:
        acknowledged(connection.ask("PUT", f"/{name}", body=body, deadline=_later()))
    except IndexExists as error:
        token = _token_of(connection, name)
        if token == schema.token:
            return
        if alias and token:
            raise CollectionExists(alias) from None
        raise InvalidName(f"the index {name} cannot be made: {error}; delete or rename what has the name") from None


def _token_of(connection: Connection, name: str) -> str:
    try:
        found = connection.ask("GET", f"/{name}/_mapping", deadline=_later())
    except IndexMissing:
        return ""
    if name not in found:
        raise not_opensearch()
    return str(found[name].get("mappings", {}).get("_meta", {}).get("pixkin", {}).get("token", ""))


def _copy(connection: Connection, old: Index, new: Index, told: Callable[[int, int], None]) -> int:
    expected, _ = counted(connection, old)
    done = 0
    for batch in batches(_stored(connection, old)):
        for result in add_batch(connection, new, batch, deadline=_later()):
            if result.error is not None:
                raise result.error
        done += len(batch)
        told(done, expected)
    return done


def _stored(connection: Connection, index: Index) -> Iterator[Item | AddResult | None]:
    after = ""
    while page := list_items(connection, index, [], size=PAGE, after=after):
        ids = [item.id for item in page]
        yield from get_items(connection, index, ids, thumbnails=True, vectors=True).values()
        after = ids[-1]


def _finish(connection: Connection, name: str, layout: IndexLayout, items: int) -> None:
    _set(connection, name, served_settings(layout))
    refresh(connection, name, _later())
    counted_again = connection.ask("GET", f"/{name}/_count", deadline=_later())
    check_shards(counted_again)
    count = part(counted_again, "count", int)
    if count != items:
        raise StoreFormat(f"{name} holds {count} items in place of {items}; the collection stays as it was: try again")


def _swap(connection: Connection, collection: str, old: str | None, new: str) -> None:
    actions: list[dict[str, dict[str, str]]] = [{"add": {"index": new, "alias": collection}}]
    if old is not None:
        actions.insert(0, {"remove": {"index": old, "alias": collection}})
    acknowledged(connection.ask("POST", "/_aliases", body={"actions": actions}, deadline=_later()))


def _unblock(connection: Connection, name: str) -> None:
    _set(connection, name, {"blocks.write": None})


def _set(connection: Connection, name: str, settings: Mapping[str, Any]) -> None:
    acknowledged(connection.ask("PUT", f"/{name}/_settings", body={"index": settings}, deadline=_later()))


def _remove_unfinished(connection: Connection, collection: str, current: Index) -> None:
    """Delete newer versions: what an interrupted re-index has left, or what was rolled back."""
    for name in version_names(connection, collection):
        if (version_of(name, collection) or 0) > current.version:
            _delete(connection, name)


def _delete(connection: Connection, name: str) -> None:
    try:
        acknowledged(connection.ask("DELETE", f"/{name}", deadline=_later()))
    except IndexMissing:
        return


def _later() -> float:
    return time.monotonic() + CLUSTER_SECONDS


def new_schema(descriptors: Sequence[Descriptor], *, thumbnails: bool, layout: IndexLayout) -> Schema:
    """Return the schema of a collection that is not there yet."""
    return Schema(tuple(descriptors), thumbnails, check_layout(layout), token=uuid.uuid4().hex)
