"""What others have added to an index of pixkin: fields, settings, aliases. Another version of it does not have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pixkin_proto.errors import InvalidArgument, listed

from pixkin_scoring.stores.opensearch.answers import part
from pixkin_scoring.stores.opensearch.claims import soon
from pixkin_scoring.stores.opensearch.connection import Connection
from pixkin_scoring.stores.opensearch.index import Index
from pixkin_scoring.stores.opensearch.mapping import index_body

OWN_OBJECTS = ("numbers.", "vectors.", "ann.")
"""Fields below them are pixkin's, also those of a descriptor that was not declared in the end."""
OWN_MAPPING = {"dynamic", "_meta", "dynamic_templates", "properties", "_source"}
OF_THE_CLUSTER = ("uuid", "creation_date", "provided_name", "history_uuid", "version.", "blocks.", "resize.",
                  "replication.type", "verified_before_close", "routing.allocation.initial_recovery.")  # fmt: skip
"""Settings, or how they begin, that nobody sets by hand; a block is not for a version to come."""
NAMED = 12


def additions(connection: Connection, index: Index) -> list[str]:
    """Return in words what an index has that pixkin did not give it."""
    reply = connection.ask("GET", f"/{index.name}", params={"flat_settings": True}, deadline=soon())
    about = part(reply, index.name, dict)
    mappings, body = part(about, "mappings", dict), index_body(index.schema, loading=bool(index.door))
    return [
        *_fields(mappings, body["mappings"]),
        *(f"_meta.{key}" for key in sorted(index.other_meta)),
        *_settings(part(about, "settings", dict), _flat(body["settings"]["index"])),
        *(f"alias {alias}" for alias in sorted(index.aliases) if not _is_own(alias, index)),
    ]


def check_carried(connection: Connection, old: Index, new: Index) -> None:
    """Raise InvalidArgument with the names of what the old version has beyond pixkin's and the new one lacks."""
    there = set(additions(connection, new))  # what a template of the cluster gives to each of them
    lost = [each for each in additions(connection, old) if each not in there]
    if lost:
        raise InvalidArgument(
            f"{old.name} has what others have added and {new.name} would lack: {listed(lost, most=NAMED)}; nothing was "
            "changed: take it away, or leave it behind with --leave-behind"
        )


def _is_own(alias: str, index: Index) -> bool:
    return alias == index.collection or alias.startswith(f"{index.name}.")


def _fields(mappings: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    known = set(_paths(wanted["properties"]))
    for path in _paths(mappings.get("properties", {})):
        if path not in known and not path.startswith(OWN_OBJECTS):
            yield f"field {path}"
    for key in sorted(mappings.keys() - OWN_MAPPING):
        yield f"mapping {key}"
    if str(mappings.get("dynamic")) != wanted["dynamic"]:
        yield f"mapping dynamic={mappings.get('dynamic')}"
    names = {name for each in wanted["dynamic_templates"] for name in each}
    for template in mappings.get("dynamic_templates", ()):
        yield from (f"dynamic template {name}" for name in template if name not in names)


def _paths(properties: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Yield the path of every field, also of objects and of one field's other ways to be indexed."""
    for name, about in properties.items():
        yield f"{above}{name}"
        yield from _paths({**about.get("properties", {}), **about.get("fields", {})}, f"{above}{name}.")


def _settings(found: Mapping[str, Any], wanted: Mapping[str, str]) -> Iterator[str]:
    """Yield the settings that others have added or changed."""
    for name, value in sorted(found.items()):
        key, said = name.removeprefix("index."), _said(value)
        if key.startswith(OF_THE_CLUSTER) or wanted.get(key) == said or _is_repaired(key, said, wanted):
            continue
        yield f"setting {key}={said}"


def _is_repaired(key: str, said: str, wanted: Mapping[str, str]) -> bool:
    """Whether pixkin or the cluster sets this by itself: replicas by nodes, a refresh that a load has left off."""
    if key == "number_of_replicas":
        return wanted.get("auto_expand_replicas", "false") != "false"
    return key == "refresh_interval" and said in {"null", "-1"}


def _flat(settings: Mapping[str, Any]) -> dict[str, str]:
    return {key: _said(value) for key, value in settings.items()}


def _said(value: object) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
