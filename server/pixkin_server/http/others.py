"""The routes that are no calls of a service, as data: what the documents say of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pixkin_server.http.routes import JSON


@dataclass(frozen=True)
class Other:
    """One path that is read. otherwise: what a reply with status 503 and the same content means, where it has one."""

    path: str
    name: str
    summary: str
    type: str = JSON
    schema: dict[str, Any] = field(default_factory=lambda: {"type": "object"})
    otherwise: str = ""


_ITEM = "/v1/collections/{collection}/items/{id}"
_BINARY = {"type": "string", "format": "binary"}

OTHERS: tuple[Other, ...] = (
    Other(f"{_ITEM}/thumbnail", "thumbnail", "The thumbnail of an item, as a JPEG.", "image/jpeg", _BINARY),
    Other(
        f"{_ITEM}/original", "original",
        "The file that an item came from, where the server was started with --originals.", "image/*", _BINARY,
    ),
    Other("/v1/settings", "settings", "What this server allows, the measures, and the stages with their options."),
    Other("/v1/openapi.json", "openapi", "This document."),
    Other("/healthz", "healthz", "Whether the process answers; neither store nor models are asked."),
    Other("/readyz", "readyz", "Whether every service serves.", otherwise="Not every service serves."),
    Other("/metrics", "metrics", "Counters for Prometheus.", "text/plain", {"type": "string"}),
    Other("/", "page", "The page.", "text/html", {"type": "string"}),
)  # fmt: skip
