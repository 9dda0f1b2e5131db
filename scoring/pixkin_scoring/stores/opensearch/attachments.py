"""Bytes that are kept with a collection, in an index of their own beside it."""

from __future__ import annotations

import base64
import hashlib
import math
from dataclasses import dataclass
from typing import Any

from pixkin_proto.errors import StoreFormat

from pixkin_scoring.stores.opensearch.answers import acknowledged, documents
from pixkin_scoring.stores.opensearch.bulk import Action, send
from pixkin_scoring.stores.opensearch.connection import Connection
from pixkin_scoring.stores.opensearch.faults import IndexExists, IndexMissing, item_error
from pixkin_scoring.stores.opensearch.index import Index
from pixkin_scoring.stores.opensearch.mapping import attachments_index, write_alias
from pixkin_scoring.stores.opensearch.statistics import measured

CHUNK_BYTES = 3 << 20  # 4 MiB as base64; a cluster takes requests of 100 MB unless told otherwise
_STORED = {"index": False, "doc_values": False}
BODY = {
    "settings": {"index": {"number_of_shards": 1, "auto_expand_replicas": "0-1", "hidden": True}},
    "mappings": {
        "dynamic": "strict",
        "properties": {
            "generation": {"type": "long", **_STORED},
            "sha256": {"type": "keyword", **_STORED},
            "chunks": {"type": "integer", **_STORED},
            "data": {"type": "binary"},
        },
    },
}


@dataclass(frozen=True)
class Head:
    """What an attachment's key stands for. seen: sequence number and primary term of the document that says so."""

    sha256: str
    chunks: int
    generation: int
    seen: tuple[int, int]


def put(connection: Connection, index: Index, key: str, data: bytes, *, deadline: float) -> None:
    """Keep bytes with a collection, and the generation that this write makes."""
    name = index.collection
    before = get_head(connection, name, key, deadline=deadline)
    digest = put_chunks(connection, name, key, data, deadline=deadline)
    generation = measured(connection, index, deadline=deadline).generation
    put_head(
        connection,
        name,
        key,
        before=before,
        digest=digest,
        size=len(data),
        generation=generation,
        deadline=deadline,
    )


def remove(connection: Connection, collection: str, keys: list[str], *, deadline: float) -> bool:
    """Delete the attachments that there are of these keys, heads first; returns whether there was any."""
    heads = {key: head for key in keys if (head := get_head(connection, collection, key, deadline=deadline))}
    gone = [Action("delete", key) for key in heads]
    gone += [Action("delete", _chunk_id(key, head.sha256, number)) for key, head in heads.items()
             for number in range(head.chunks)]  # fmt: skip
    for answer in send(connection, attachments_index(collection), gone, deadline=deadline) if gone else ():
        if answer.error:
            raise item_error(answer.status, answer.error)
    return bool(heads)


def put_chunks(connection: Connection, collection: str, key: str, data: bytes, *, deadline: float) -> str:
    """Store the bytes under their own hash, which they are not yet known by; returns it."""
    index = attachments_index(collection)
    _make(connection, index, deadline)
    digest = hashlib.sha256(data).hexdigest()
    for number, start in enumerate(range(0, len(data), CHUNK_BYTES)):
        chunk = {"data": base64.b64encode(data[start : start + CHUNK_BYTES]).decode("ascii")}
        [answer] = send(connection, index, [Action("index", _chunk_id(key, digest, number), chunk)], deadline=deadline)
        if answer.error:
            raise item_error(answer.status, answer.error)
    return digest


def put_head(
    connection: Connection,
    collection: str,
    key: str,
    *,
    before: Head | None,
    digest: str,
    size: int,
    generation: int,
    deadline: float,
) -> None:
    """Let the key mean the chunks of a hash from now on, and delete those that it meant before.

    generation: of the collection, to which this adds. Every change names the state that it was made for: an attempt
    that is repeated because its answer was lost changes nothing, and the generation is as it says.
    """
    gone = _old_chunks(connection, collection, key, before, digest, deadline)
    body = {"sha256": digest, "chunks": -(-size // CHUNK_BYTES), "generation": generation + 1 + len(gone)}
    head = Action("index", key, body, before.seen) if before else Action("create", key, body)
    [answer, *_] = send(connection, attachments_index(collection), [head, *gone], deadline=deadline)
    if answer.conflict:
        stored = _get(connection, collection, [key], deadline).get(key)
        if stored is not None and stored["_source"] == body:  # our own request, sent twice because its answer was lost
            return
    if answer.error:
        raise item_error(answer.status, answer.error)


def get_head(connection: Connection, collection: str, key: str, *, deadline: float = math.inf) -> Head | None:
    """Return what the key of an attachment stands for; None when there is none."""
    found = _get(connection, collection, [key], deadline)
    if key not in found:
        return None
    source = found[key]["_source"]
    return Head(source["sha256"], source["chunks"], source["generation"], _seen(found[key]))


def get_chunks(connection: Connection, collection: str, key: str, head: Head, *, deadline: float = math.inf) -> bytes:
    """Return the bytes of an attachment. Raises StoreFormat when a part is gone."""
    data = b""
    for number in range(head.chunks):
        name = _chunk_id(key, head.sha256, number)
        data += base64.b64decode(
            _get(connection, collection, [name], deadline).get(name, {}).get("_source", {}).get("data", "")
        )
    if hashlib.sha256(data).hexdigest() != head.sha256:
        raise StoreFormat(f"the attachment {key} of {collection} is damaged; make it again")
    return data


def _make(connection: Connection, index: str, deadline: float) -> None:
    alias = write_alias(index)
    try:
        acknowledged(connection.ask("PUT", f"/{index}", body={**BODY, "aliases": {alias: {}}}, deadline=deadline))
    except IndexExists:
        actions = [{"add": {"index": index, "alias": alias}}]
        acknowledged(connection.ask("POST", "/_aliases", body={"actions": actions}, deadline=deadline))


def _old_chunks(
    connection: Connection, collection: str, key: str, before: Head | None, digest: str, deadline: float
) -> list[Action]:
    if before is None or before.sha256 == digest:
        return []
    names = [_chunk_id(key, before.sha256, number) for number in range(before.chunks)]
    there = _get(connection, collection, names, deadline, source="false") if names else {}
    return [Action("delete", name, seen=_seen(chunk)) for name, chunk in there.items()]


def _get(
    connection: Connection, collection: str, names: list[str], deadline: float = math.inf, *, source: str = "true"
) -> dict[str, dict[str, Any]]:
    try:
        reply = connection.ask(
            "POST",
            f"/{attachments_index(collection)}/_mget",
            body={"ids": names},
            params={"_source": source},
            deadline=deadline,
        )
        found = documents(reply, len(names))
    except IndexMissing:
        return {}
    return {document["_id"]: document for document in found if document["found"]}


def _seen(document: dict[str, Any]) -> tuple[int, int]:
    return document["_seq_no"], document["_primary_term"]


def _chunk_id(key: str, digest: str, number: int) -> str:
    return f"{key}/{digest[:16]}/{number}"
