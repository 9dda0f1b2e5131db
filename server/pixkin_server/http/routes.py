"""The routes: which method and path is which call of which service. Reading ROUTES is reading the interface."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

JSON = "application/json"
LINES = "application/x-ndjson"
MULTIPART = "multipart/form-data"


class Body(StrEnum):
    """What a request carries."""

    NONE = "none"
    JSON = "json"
    PICTURES = "pictures"  # JSON, or multipart: a part `request` (JSON) and parts `image` (files)
    LINES = "lines"  # one JSON message a line, both ways

    @property
    def types(self) -> tuple[str, ...]:
        """The content types that it may have."""
        return {
            Body.NONE: (),
            Body.JSON: (JSON,),
            Body.PICTURES: (JSON, MULTIPART),
            Body.LINES: (LINES,),
        }[self]


@dataclass(frozen=True)
class Route:
    """One call of a service over HTTP.

    path: `{field}` is one percent-encoded segment, the value of that field of the request's message · query: fields
    that come from the query string · writes: whether it changes a collection · header: of a stream whose first
    message is not in the body, the field of the message that path and query fill · item: the field that each line is.
    """

    method: str
    path: str
    service: str
    rpc: str
    body: Body = Body.NONE
    query: tuple[str, ...] = ()
    writes: bool = False
    header: str = ""
    item: str = ""

    @property
    def name(self) -> str:
        """The call as errors, metrics and the documentation name it."""
        return f"{self.service}.{self.rpc}"


_ONE = "/v1/collections/{collection}"
_ITEM = f"{_ONE}/items/{{id}}"

ROUTES: tuple[Route, ...] = (
    Route("POST", "/v1/search", "Search", "Search", Body.PICTURES),
    Route("POST", "/v1/search/batch", "Search", "SearchBatch", Body.JSON),
    Route("POST", "/v1/embed", "Embedding", "Embed", Body.PICTURES),
    Route("POST", "/v1/embed/stream", "Embedding", "EmbedStream", Body.LINES),
    Route("GET", "/v1/extractors", "Embedding", "ListExtractors"),
    Route("GET", "/v1/collections", "Collections", "List"),
    Route("POST", "/v1/collections", "Collections", "Create", Body.JSON, writes=True),
    Route("GET", "/v1/collections/{name}", "Collections", "Describe"),
    Route("DELETE", "/v1/collections/{name}", "Collections", "Drop", writes=True),
    Route("GET", f"{_ONE}/items", "Collections", "ListItems", query=("filter", "size", "after")),
    Route(
        "POST", f"{_ONE}/items", "Collections", "Add", Body.LINES, ("root",), writes=True, header="header", item="item"
    ),
    Route("POST", f"{_ONE}/update", "Collections", "Update", Body.JSON, writes=True),
    Route("POST", f"{_ONE}/remove", "Collections", "Remove", Body.JSON, writes=True),
    Route("POST", f"{_ONE}/missing", "Collections", "Missing", Body.JSON),
    Route("POST", f"{_ONE}/verify", "Collections", "Verify", Body.JSON),
    Route("GET", _ITEM, "Collections", "GetItem", query=("thumbnail", "vectors")),
)
"""Every call of the services. What answers beside them stands in `app.py`."""
