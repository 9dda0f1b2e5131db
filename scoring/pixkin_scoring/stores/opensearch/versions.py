"""The versions of a collection: making the first, building the next beside it, and moving the alias between them."""

from __future__ import annotations

import contextlib
import math
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import (
    CollectionExists,
    InvalidArgument,
    InvalidName,
    PixkinError,
    StoreFormat,
    UnknownCollection,
    listed,
)

from pixkin_scoring.stores.layout import IndexLayout, check_layout
from pixkin_scoring.stores.opensearch.additions import check_carried
from pixkin_scoring.stores.opensearch.answers import acknowledged, refresh
from pixkin_scoring.stores.opensearch.building import copied, finish, merge, quiet, set_settings
from pixkin_scoring.stores.opensearch.claims import (
    DECLARE,
    REINDEX,
    ROLLBACK,
    UNDECLARE,
    Claim,
    away,
    change_aliases,
    claim_on,
    claimed,
    give_back,
    holding,
    overtaken,
    put,
    soon,
)
from pixkin_scoring.stores.opensearch.connection import Answer, Connection
from pixkin_scoring.stores.opensearch.faults import IndexExists, IndexMissing, not_opensearch
from pixkin_scoring.stores.opensearch.index import Index, find_index, find_versions, unknown_collection, version_names
from pixkin_scoring.stores.opensearch.mapping import (
    Schema,
    attachments_index,
    free_alias,
    index_body,
    index_name,
    loading_door,
    served_settings,
    version_of,
    write_alias,
)
from pixkin_scoring.stores.opensearch.statistics import measured


def create_first(connection: Connection, collection: str, schema: Schema) -> None:
    """Make the first version of a collection, behind its alias. Raises CollectionExists, InvalidName or StoreFormat."""
    try:
        find_index(connection, collection)
        raise CollectionExists(collection)
    except UnknownCollection:
        pass
    # What a command has attached to a collection that was dropped meanwhile is none of the new one's.
    acknowledged(_delete_there(connection, [attachments_index(collection)]))
    name = index_name(collection, 1)
    _make(connection, name, schema, [collection, *_open_aliases(name)], alias=collection)


def drop_all(connection: Connection, collection: str) -> None:
    """Delete every version of a collection, and its attachments."""
    names = version_names(connection, collection)
    if not names:
        raise unknown_collection(connection, collection)
    # In one request, so that it all goes at once; what is missing was never made, or deleted by the first of two tries.
    acknowledged(_delete_there(connection, [*names, attachments_index(collection)]))


def reindex(
    connection: Connection,
    collection: str,
    change: Callable[[IndexLayout], IndexLayout],
    *,
    told: Callable[[int, int], None] = quiet,
    leave_behind: bool = False,
) -> Index:
    """Build the next version with another layout from the stored vectors, and move the alias there.

    Meanwhile the collection answers searches and refuses writes, so that none is lost; the version before stays for
    `rollback`. `told` hears how many of the items have been copied. Raises StoreReadOnly while another command holds
    the collection, or when one has come in between; InvalidArgument when others have added fields, settings or aliases
    to the index, unless `leave_behind`.
    """
    old = find_index(connection, collection)
    layout = check_layout(change(old.schema.layout))
    token = uuid.uuid4().hex
    name = index_name(collection, old.version + 1)
    new = Index(collection, name, old.version + 1, replace(old.schema, layout=layout, token=token))
    new = replace(new, door=loading_door(name, token))
    with holding(connection, old, REINDEX, alone=True, deadline=soon()) as claim:
        try:
            _block(connection, old.name)
            _build(connection, old, new, told, leave_behind=leave_behind)
            _swap(connection, collection, old.name, new, claim)
        except BaseException:
            with contextlib.suppress(PixkinError, IndexMissing):  # the first error says what happened
                _abandon(connection, new)
            with contextlib.suppress(PixkinError, IndexMissing):
                _unblock_held(connection, old, claim)
            raise
    return find_index(connection, collection)


def _build(
    connection: Connection, old: Index, new: Index, told: Callable[[int, int], None], *, leave_behind: bool
) -> None:
    """Fill the new version from the old one, which must be at the end what it was at the beginning."""
    refresh(connection, old.name, soon())  # a writer that was killed did not
    old = find_index(connection, old.collection)  # a descriptor may have come until it was claimed
    before = measured(connection, old)
    new = replace(new, schema=replace(old.schema, layout=new.schema.layout, token=new.schema.token))
    new = replace(new, schema=replace(new.schema, base=before.generation + 1))
    _remove(connection, old, [name for name in version_names(connection, old.collection) if _is_after(name, old)])
    _make(connection, new.name, new.schema, [write_alias(new.door)], loading=True)
    if not leave_behind:
        check_carried(connection, old, new)
    items = copied(connection, old, new, told)
    merge(connection, new)
    finish(connection, new, items)
    now = find_index(connection, old.collection)
    written = measured(connection, old).vector_generation
    if (now.uuid, now.schema, written) != (old.uuid, old.schema, before.vector_generation):
        raise overtaken(old.collection)


def _abandon(connection: Connection, new: Index) -> None:
    """Delete what was built, unless the alias has moved there after all."""
    with contextlib.suppress(IndexMissing):  # without our door it is in use, or another's of the same name
        connection.ask("GET", f"/{write_alias(new.door)}", params={"filter_path": "*.aliases"}, deadline=soon())
        _delete(connection, new.name)


def rollback(connection: Connection, collection: str, *, leave_behind: bool = False) -> Index:
    """Move the alias to the version before, or to the last one where the alias is gone; writes go there again.

    What was written since is left behind in the newer version, which takes no more. Raises InvalidArgument when there
    is no version before, or when others have added fields, settings or aliases that it lacks, unless `leave_behind`;
    StoreReadOnly while another command holds the collection.
    """
    versions = [index for index in find_versions(connection, collection) if not index.unfinished]
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
    if current is None:
        _bring_back(connection, earlier[-1], versions)
        _swap(connection, collection, None, earlier[-1], None)
    else:
        if not leave_behind:
            check_carried(connection, current, earlier[-1])
        _go_back(connection, current, earlier[-1], versions)
    return find_index(connection, collection)


def _go_back(connection: Connection, current: Index, target: Index, versions: Sequence[Index]) -> None:
    with holding(connection, current, ROLLBACK, alone=True, deadline=soon()) as claim:
        try:
            _block(connection, current.name)  # a writer that is under way would go on writing where nobody reads
            _bring_back(connection, target, versions)
            _swap(connection, current.collection, current.name, target, claim)
        except BaseException:
            with contextlib.suppress(PixkinError, IndexMissing):
                _unblock_held(connection, current, claim)
            raise


def _bring_back(connection: Connection, target: Index, versions: Sequence[Index]) -> None:
    """Let a version take writes again, with a generation that no version has had."""
    newest = max(measured(connection, index).generation for index in versions)
    own = measured(connection, target).generation - target.schema.base
    _put_meta(connection, replace(target, schema=replace(target.schema, base=newest + 1 - own)), soon())
    _unblock(connection, target.name)


def unlock(connection: Connection, collection: str) -> Iterator[str]:
    """Let a collection take writes again after a command that was cut off, and yield a sentence for what that took.

    A command that runs in truth will fail, and changes nothing.
    """
    index = find_index(connection, collection)
    built = [each.name for each in find_versions(connection, collection) if each.unfinished]
    if built:
        _remove(connection, index, built)
        yield f"{listed(built)}, which was being built, is gone"
    claim = claim_on(index)
    if claim:
        give_back(connection, index.name, claim, deadline=soon())
        yield f"the claim of {claim} is ended"
    if "write" in index.blocks:  # the one that a command sets; each other is an operator's or the cluster's own
        _unblock(connection, index.name)
        yield f"{index.name} takes writes again"


def other_versions(connection: Connection, index: Index, *, deadline: float = math.inf) -> list[Index]:
    """Return the versions of a collection that its alias does not name, the oldest first."""
    versions = find_versions(connection, index.collection, deadline=deadline)
    return [each for each in versions if each.name != index.name]


def remove_others(connection: Connection, collection: str) -> list[str]:
    """Delete the versions that the alias does not name; returns their names.

    Raises StoreReadOnly while another command holds the collection.
    """
    current = find_index(connection, collection)
    if claim := claim_on(current):
        raise claimed(current, claim)
    gone = [index.name for index in other_versions(connection, current)]
    _remove(connection, current, gone)
    return gone


def declare(
    connection: Connection,
    index: Index,
    descriptor: Descriptor,
    first: Callable[[], object],
    *,
    derived: bool = False,
    deadline: float,
) -> None:
    """Write the declaration of a descriptor whose vectors are all stored; `first` does what else must be there.

    Raises StoreReadOnly when another command has replaced the index, and InvalidArgument when one has declared a
    descriptor of the same name.
    """
    with holding(connection, index, DECLARE, alone=False, deadline=deadline):
        now = find_index(connection, index.collection, deadline=deadline)
        if descriptor.name in {known.name for known in now.schema.descriptors}:
            raise InvalidArgument(f"{index.collection} has a descriptor {descriptor.name} by now; choose another name")
        first()
        schema = now.schema.with_descriptor(descriptor, derived=derived)
        _put_meta(connection, replace(now, schema=schema), deadline)


def undeclare(
    connection: Connection, index: Index, descriptor: str, then: Callable[[], object], *, deadline: float
) -> None:
    """Take the declaration of a descriptor back; `then` removes what belongs to it.

    Its vectors stay unseen in the index until that is built anew. Raises StoreReadOnly as `declare` does.
    """
    with holding(connection, index, UNDECLARE, alone=False, deadline=deadline):
        now = find_index(connection, index.collection, deadline=deadline)
        _put_meta(connection, replace(now, schema=now.schema.without_descriptor(descriptor)), deadline)
        then()


def repair(connection: Connection, index: Index) -> Iterator[str]:
    """Put back what a load has left off or a hand has removed, and yield a sentence for each."""
    if index.settings.get("refresh_interval") == "-1":
        set_settings(connection, index.name, served_settings(index.schema.layout))
        yield f"{index.name} was not refreshed any more, so that new items were not found; it is again"
    if claim_on(index) is None:
        yield from _repair_aliases(connection, index)


def _repair_aliases(connection: Connection, index: Index) -> Iterator[str]:
    gone = [alias for alias in _open_aliases(index.name) if alias not in index.aliases]
    if gone:
        change_aliases(connection, [put(index.name, alias) for alias in gone])
    if write_alias(index.name) in gone:  # the other is missing where pixkin 0.1.0 has made the collection
        yield f"the alias {write_alias(index.name)}, through which items are written, was gone; it is there again"


def _open_aliases(name: str) -> list[str]:
    """Return the aliases of an index that takes writes and that no command claims."""
    return [write_alias(name), free_alias(name)]


def _make(
    connection: Connection,
    name: str,
    schema: Schema,
    aliases: Iterable[str],
    *,
    alias: str = "",
    loading: bool = False,
) -> None:
    """Make an index; one that is there with our token was made by a request whose answer was lost."""
    body = {**index_body(schema, loading=loading), "aliases": {each: {} for each in aliases}}
    try:
        acknowledged(connection.ask("PUT", f"/{name}", body=body, deadline=soon()))
    except IndexExists as error:
        token = _token_of(connection, name)
        if token == schema.token:
            return
        if alias and token:
            raise CollectionExists(alias) from None
        raise InvalidName(f"the index {name} cannot be made: {error}; delete or rename what has the name") from None


def _token_of(connection: Connection, name: str) -> str:
    try:
        found = connection.ask("GET", f"/{name}/_mapping", deadline=soon())
    except IndexMissing:
        return ""
    if name not in found:
        raise not_opensearch()
    return str(found[name].get("mappings", {}).get("_meta", {}).get("pixkin", {}).get("token", ""))


def _swap(connection: Connection, collection: str, old: str | None, new: Index, claim: Claim | None) -> None:
    """Move the alias in one step, which fails where the claim, the alias or the new version is not what it was."""
    acts = [away(old, collection)] if old else []
    acts += [away(old, claim.alias)] if old and claim else []
    acts += [away(new.name, write_alias(new.door))] if new.door else []
    acts += [put(new.name, alias) for alias in (collection, *_open_aliases(new.name))]
    if not change_aliases(connection, acts) and find_index(connection, collection).name != new.name:
        raise overtaken(collection)  # else it was done by a request whose answer was lost


def _block(connection: Connection, name: str) -> None:
    """Refuse writes, and wait for those that are under way."""
    acknowledged(connection.ask("PUT", f"/{name}/_block/write", deadline=soon()))


def _unblock_held(connection: Connection, index: Index, claim: Claim) -> None:
    """Let an index take writes again, unless the claim is not ours any more and the block another's perhaps."""
    now = find_index(connection, index.collection, deadline=soon())
    if now.name == index.name and claim_on(now) == claim:
        _unblock(connection, index.name)


def _unblock(connection: Connection, name: str) -> None:
    set_settings(connection, name, {"blocks.write": None})


def _put_meta(connection: Connection, index: Index, deadline: float) -> None:
    body = {"_meta": index.meta}
    acknowledged(connection.ask("PUT", f"/{index.name}/_mapping", body=body, deadline=deadline))


def _is_after(name: str, current: Index) -> bool:
    """Whether an index is a newer version: what an interrupted re-index has left, or what was rolled back."""
    return (version_of(name, current.collection) or 0) > current.version


def _remove(connection: Connection, current: Index, names: Sequence[str]) -> None:
    """Delete versions in one request that fails where the alias has moved: one of them may be in use by now."""
    left = list(names)
    while left:
        stays = [away(current.name, current.collection), put(current.name, current.collection)]
        if change_aliases(connection, [*stays, *({"remove_index": {"index": name}} for name in left)]):
            return
        if find_index(connection, current.collection).name != current.name:
            raise overtaken(current.collection)
        there = version_names(connection, current.collection)
        left = [name for name in left if name in there]  # a request whose answer was lost has deleted the others


def _delete(connection: Connection, name: str) -> None:
    with contextlib.suppress(IndexMissing):
        acknowledged(connection.ask("DELETE", f"/{name}", deadline=soon()))


def _delete_there(connection: Connection, names: Sequence[str]) -> Answer:
    """Delete those of some indices that are there."""
    return connection.ask("DELETE", f"/{','.join(names)}", params={"ignore_unavailable": True}, deadline=soon())


def new_schema(descriptors: Sequence[Descriptor], *, thumbnails: bool, layout: IndexLayout) -> Schema:
    """Return the schema of a collection that is not there yet."""
    return Schema(tuple(descriptors), thumbnails, check_layout(layout), token=uuid.uuid4().hex)
