"""What a search costs over HTTP more than over gRPC: the same server, the same searches, taking turns."""

from __future__ import annotations

import base64
import json
import tempfile
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import report
from pixkin_scoring.plan import Plan
from pixkin_server.api import Query
from pixkin_server.client import Client
from servers import index_corel, serving
from serving import interleaved

ROUNDS = 301
OVERHEAD_MS = 1.5
PACKAGES = ("grpcio", "protobuf", "starlette", "uvicorn", "h11")


def measure() -> list[report.Row]:
    """Return a row for each figure."""
    corel = report.corel()
    if corel is None:
        return [{"figure": "Search over HTTP", "value": "no data", "limit": "", "ok": False}]
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        index_corel(home, corel)
        photos = [path.read_bytes() for path in sorted(corel.rglob("*.jpg"))[::9]]
        with serving(home, "corel") as served:
            return _rows(served.grpc, served.page, photos)


def _rows(grpc: str, http: str, photos: list[bytes]) -> list[report.Row]:
    vectors = np.random.default_rng(0).random((ROUNDS, 1280), dtype=np.float32)
    size, rows = Plan(size=10), []
    where = urlsplit(http)
    with Client(grpc) as client, closing(HTTPConnection(where.hostname or "", where.port)) as web:
        ids = [item.id for item in client.list_items("corel", size=ROUNDS)]
        ms = interleaved(
            {
                "id, gRPC": lambda at: client.search("corel", [Query(id=ids[at])], size),
                "id, HTTP": lambda at: search_by(web, {"id": ids[at]}),
                "vector, gRPC": lambda at: client.search("corel", [Query(vectors={"gap": vectors[at]})], size),
                "vector, HTTP": lambda at: search_by(web, _vector(vectors[at])),
                "picture, gRPC": lambda at: client.search("corel", [Query(image=photos[at % len(photos)])], size),
                "picture, HTTP": lambda at: _search_form(web, photos[at % len(photos)]),
            },
            ROUNDS,
        )
    for kind in ("id", "vector", "picture"):
        rows.append(
            {"figure": f"Search by {kind} over gRPC, p50 ms", "value": ms[f"{kind}, gRPC"], "limit": "", "ok": True}
        )
        over = ms[f"{kind}, HTTP"] - ms[f"{kind}, gRPC"]
        rows.append(report.at_most(f"Search by {kind}, HTTP over gRPC, p50 ms", over, OVERHEAD_MS))
    return rows


def search_by(web: HTTPConnection, query: dict[str, Any], collection: str = "corel") -> Any:
    """Search by one query over HTTP; returns the reply."""
    body = json.dumps({"collection": collection, "queries": [query], "size": 10})
    web.request("POST", "/v1/search", body, {"Content-Type": "application/json"})
    return json.loads(web.getresponse().read())


def _vector(vector: np.ndarray[Any, np.dtype[np.float32]]) -> dict[str, Any]:
    data = base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return {"vector": {"vectors": [{"descriptor": "gap", "data": data}]}}


def _search_form(web: HTTPConnection, picture: bytes) -> Any:
    request = json.dumps({"collection": "corel", "size": 10}).encode()
    body = (
        b'--X\r\nContent-Disposition: form-data; name="request"\r\n\r\n' + request
        + b'\r\n--X\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + picture + b"\r\n--X--\r\n"
    )  # fmt: skip
    web.request("POST", "/v1/search", body, {"Content-Type": "multipart/form-data; boundary=X"})
    return json.loads(web.getresponse().read())


if __name__ == "__main__":
    report.main(measure, PACKAGES, __doc__)
