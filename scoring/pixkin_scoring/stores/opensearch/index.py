"""The index behind a collection's name: an alias over NAME-v0001, NAME-v0002 and so on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pixkin_proto.errors import StoreDenied, StoreFormat, StoreReadOnly, StoreUnavailable, UnknownCollection, listed
from pixkin_proto.names import NAME, check_name

from pixkin_scoring.stores.opensearch.answers import part
from pixkin_scoring.stores.opensearch.connection import Connection
from pixkin_scoring.stores.opensearch.faults import IndexMissing, not_opensearch
from pixkin_scoring.stores.opensearch.mapping import META, VERSION, Schema, loading_door, read_schema, version_of

ABOUT = "*.aliases,*.mappings._meta,*.settings"
NARROWING = {"filter", "routing", "index_routing", "search_routing"}
"""What lets an alias show a part of its index; pixkin asks the index for some things and the alias for others."""
EVERY_STATE = "open,closed,hidden"
"""What `expand_wildcards` must name to leave nothing out."""
CHUNK = 40
"""Names in one path: a cluster takes a first line of 4096 bytes."""


@dataclass(frozen=True)
class Index:
    """One version of a collection.

    settings: those of the `index` object, as the cluster prints them · aliases: the names that the index has beside its
    own · door: what it is written as, where that is not its name · other_meta: what others keep in its `_meta`.
    """

    collection: str
    name: str
    version: int
    schema: Schema
    settings: Mapping[str, Any] = field(default_factory=dict)
    aliases: frozenset[str] = frozenset()
    door: str = ""
    other_meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def meta(self) -> dict[str, Any]:
        """The whole `_meta` of its mapping."""
        return {**self.other_meta, **self.schema.meta()}

    @property
    def blocks(self) -> list[str]:
        """The blocks that keep its documents from being changed."""
        blocks = self.settings.get("blocks", {})
        return [each for each in ("write", "read_only", "read_only_allow_delete") if blocks.get(each) == "true"]

    @property
    def uuid(self) -> str:
        """What the cluster tells this index by from one that had its name before."""
        return str(self.settings.get("uuid", ""))

    @property
    def takes_writes(self) -> bool:
        """Whether no block of an operator or a re-index keeps its documents from being changed.

        A full disk's own block, `read_only_allow_delete`, is left to the write that meets it.
        """
        return not {"write", "read_only"} & set(self.blocks)

    @property
    def closed(self) -> bool:
        """Whether it answers nothing until somebody opens it again."""
        return bool(self.settings.get("verified_before_close") == "true")

    @property
    def unfinished(self) -> bool:
        """Whether it is being built, or was when its builder was killed."""
        return any(alias.startswith(loading_door(self.name, "")) for alias in self.aliases)


def find_index(connection: Connection, collection: str, *, deadline: float = math.inf) -> Index:
    """Return the index behind a collection's alias. Raises InvalidName, UnknownCollection or StoreFormat."""
    check_name("collection", collection)
    try:
        found = connection.ask("GET", f"/{collection}", params={"filter_path": ABOUT}, deadline=deadline)
    except IndexMissing:
        raise _missing(connection, collection, deadline) from None
    _check_about(found)
    if not found:  # an index has settings, always
        raise not_opensearch()
    if len(found) > 1:
        raise StoreFormat(
            f"the alias {collection} names several indices ({listed(found)}), and a collection is one: "
            "remove the alias from all the others"
        )
    [(name, about)] = found.items()
    if name == collection:
        raise StoreFormat(f"{collection} is an index, and a collection is an alias over {collection}-v0001; rename one")
    if narrowed := sorted(about.get("aliases", {}).get(collection, {}).keys() & NARROWING):
        raise StoreFormat(
            f"the alias {collection} was given {listed(narrowed)} by hand, so that a part of {name} would be missing "
            "without a word; give it again without, and make another alias for that"
        )
    index = _index(collection, name, about)
    if index.closed:
        raise closed(index)
    return index


def closed(index: Index) -> StoreUnavailable:
    """Return the error for an index that somebody has closed."""
    return StoreUnavailable(
        f"{index.name}, the index of collection {index.collection}, is closed and answers nothing; open it again with: "
        f"POST /{index.name}/_open"
    )


def find_versions(connection: Connection, collection: str, *, deadline: float = math.inf) -> list[Index]:
    """Return every version of a collection that is there, behind the alias or not, the oldest first."""
    found = _about_versions(connection, collection, deadline)
    return sorted((_index(collection, *each) for each in found.items()), key=lambda index: index.version)


def version_names(connection: Connection, collection: str, *, deadline: float = math.inf) -> list[str]:
    """Return the indices of every version of a collection, also of those that cannot be read."""
    return sorted(_about_versions(connection, collection, deadline))


def _about_versions(connection: Connection, collection: str, deadline: float) -> dict[str, Any]:
    path = f"/{check_name('collection', collection)}-v*"
    params = {"filter_path": ABOUT, "expand_wildcards": EVERY_STATE}
    found = connection.ask("GET", path, params=params, deadline=deadline)
    _check_about(found)
    # That nothing fits is said by {}, and so it is by many a gateway which has no answer; a count has more to say.
    if not found and part(connection.ask("GET", f"{path}/_count", deadline=deadline), "_shards.total", int):
        raise not_opensearch()
    return {
        name: about
        for name, about in found.items()
        if version_of(name, collection) is not None and META in about.get("mappings", {}).get("_meta", {})
    }


def list_collections(connection: Connection, *, deadline: float = math.inf) -> list[str]:
    """Return the names of all collections, sorted.

    One that cannot be read is named as well: whose index is closed, hidden or blocked, whose alias is gone, which the
    role may not see; reading it says why. StoreDenied where the role may not see the names of all indices that look
    like one.
    """
    # The only call about indices whose answer names at least something, and where the security plugin can leave out
    # what the role may not see (do_not_fail_on_forbidden) in place of refusing it all.
    reply = connection.ask("GET", "/_resolve/index/*-v*", params={"expand_wildcards": EVERY_STATE}, deadline=deadline)
    versions = {
        name: collection
        for name in (str(index.get("name")) for index in part(reply, "indices", list))
        if NAME.fullmatch(collection := VERSION.split(name)[0]) and version_of(name, collection) is not None
    }
    names = sorted(versions)
    chunks = (names[start : start + CHUNK] for start in range(0, len(names), CHUNK))
    return sorted({versions[name] for chunk in chunks for name in _ours(connection, chunk, deadline)})


def _ours(connection: Connection, names: list[str], deadline: float) -> list[str]:
    """Return those of some indices that pixkin made, and those that the role may not look at."""
    about = {"filter_path": "*.mappings._meta.pixkin.schema,*.settings.index.uuid"}
    try:
        found = connection.ask("GET", f"/{','.join(names)}", params=about, deadline=deadline)
    except (StoreDenied, StoreReadOnly, IndexMissing) as error:
        if len(names) > 1:  # of one of them
            return [ours for name in names for ours in _ours(connection, [name], deadline)]
        return [] if isinstance(error, IndexMissing) else names  # it was dropped since it was named
    _check_about(found)
    if found.keys() != set(names):
        raise not_opensearch()
    return [name for name in names if "mappings" in found[name]]


def _check_about(found: Mapping[str, Any]) -> None:
    if not all(isinstance(about, Mapping) for about in found.values()):
        raise not_opensearch()


def _index(collection: str, name: str, about: Mapping[str, Any]) -> Index:
    schema = read_schema(collection, name, about)
    version = version_of(name, collection)
    if version is None:
        raise StoreFormat(
            f"the alias {collection} names {name}, and the index of a collection is called {collection}-v0001 "
            "and so on; choose another name for the collection"
        )
    return Index(
        collection,
        name,
        version,
        schema,
        about.get("settings", {}).get("index", {}),
        frozenset(about.get("aliases", {})),
        other_meta={key: value for key, value in about["mappings"]["_meta"].items() if key != META},
    )


def _missing(connection: Connection, collection: str, deadline: float) -> Exception:
    versions = version_names(connection, collection, deadline=deadline)
    if versions:
        return StoreFormat(
            f"the alias {collection} is gone, and its indices are there ({listed(versions)}); put the alias back with: "
            f"pixkin index rollback {collection}, or delete them with: pixkin index drop {collection}"
        )
    return unknown_collection(connection, collection, deadline=deadline)


def unknown_collection(connection: Connection, collection: str, *, deadline: float = math.inf) -> UnknownCollection:
    """Return the error for a collection that is not there; it names those that are, where the role may see them."""
    try:
        known = list_collections(connection, deadline=deadline)
    except StoreDenied:
        known = []
    return UnknownCollection(collection, known, connection.url)
