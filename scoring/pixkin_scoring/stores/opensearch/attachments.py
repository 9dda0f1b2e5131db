"""Bytes that are kept with a collection, in an index of their own beside it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from typing import Any

from pixkin_proto.errors import StoreFormat

from pixkin_scoring.stores.opensearch.answers import part
from pixkin_scoring.stores.opensearch.bulk import Action, send
from pixkin_scoring.stores.opensearch.connection import Connection
from pixkin_scoring.stores.opensearch.faults import IndexExists, IndexMissing, item_error

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


def attachments_index(collection: str) -> str:
    """Return the index of a collection's attachments; the dot keeps it apart from every collection's name."""
    return f"{collection}.attachments"


def put_chunks(connection: Connection, collection: str, key: str, data: bytes, *, deadline: float) -> str:
    """Store the bytes under their own hash, which they are not yet known by; returns it."""
    index = attachments_index(collection)
    with contextlib.suppress(IndexExists):
        connection.ask("PUT", f"/{index}", body=BODY)
    digest = hashlib.sha256(data).hexdigest()
    for number, start in enumerate(range(0, len(data), CHUNK_BYTES)):
        chunk = base64.b64encode(data[start : start + CHUNK_BYTES]).decode("ascii")
        _put(connection, index, _chunk_id(key, digest, number), {"data": chunk}, deadline)
    return digest


def put_head(
    connection: Connection, collection: str, key: str, *, digest: str, size: int, generation: int, deadline: float
) -> None:
    """Let the key mean the chunks of a hash from now on."""
    body = {"sha256": digest, "chunks": -(-size // CHUNK_BYTES), "generation": generation}
    _put(connection, attachments_index(collection), key, body, deadline)


def remove_chunks(connection: Connection, collection: str, key: str, digest: str, chunks: int, deadline: float) -> None:
    """Delete the chunks that a key meant before."""
    gone = [Action("delete", _chunk_id(key, digest, number)) for number in range(chunks)]
    if gone:
        send(connection, attachments_index(collection), gone, deadline=deadline)


def get_head(connection: Connection, collection: str, key: str) -> tuple[str, int, int] | None:
    """Return hash, number of chunks and generation of an attachment; None when there is none."""
    found = _get(connection, collection, [key])
    if not found or key not in found:
        return None
    head = found[key]
    return head["sha256"], head["chunks"], head["generation"]


def get_chunks(connection: Connection, collection: str, key: str, digest: str, chunks: int) -> bytes:
    """Return the bytes of an attachment. Raises StoreFormat when a part is gone."""
    data = b""
    for number in range(chunks):
        name = _chunk_id(key, digest, number)
        data += base64.b64decode(_get(connection, collection, [name]).get(name, {}).get("data", ""))
    if hashlib.sha256(data).hexdigest() != digest:
        raise StoreFormat(f"the attachment {key} of {collection} is damaged; make it again")
    return data


def _put(connection: Connection, index: str, name: str, body: dict[str, Any], deadline: float) -> None:
    [answer] = send(connection, index, [Action("index", name, body)], deadline=deadline)
    if answer.error:
        raise item_error(answer.status, answer.error)


def _get(connection: Connection, collection: str, names: list[str]) -> dict[str, dict[str, Any]]:
    try:
        reply = connection.ask("POST", f"/{attachments_index(collection)}/_mget", body={"ids": names})
    except IndexMissing:
        return {}
    return {document["_id"]: document["_source"] for document in part(reply, "docs", list) if document.get("found")}


def _chunk_id(key: str, digest: str, number: int) -> str:
    return f"{key}/{digest[:16]}/{number}"
