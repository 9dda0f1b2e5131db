"""The files of the page, which are part of the package. Their names are known from the start; no path is looked up."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.responses import Response

from pixkin_server.http.incoming import Incoming

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".webmanifest": "application/manifest+json",
}


class PageFile:
    """Answers with one file of the page."""

    def __init__(self, file: Traversable) -> None:
        self._file = file
        self._type = TYPES[_suffix(file.name)]

    async def __call__(self, incoming: Incoming) -> Response:
        """Return the file, or 304 when the caller has it."""
        return tagged(incoming, self._file.read_bytes(), self._type, cache="no-cache")


def page_files() -> Iterator[tuple[str, PageFile]]:
    """Yield the path of each file of the page: `/` is index.html, the others are below /assets."""
    root = files("pixkin_server").joinpath("web")
    for file, path in _below(root, "/assets"):
        yield "/" if path == "/assets/index.html" else path, PageFile(file)


def _below(folder: Traversable, path: str) -> Iterator[tuple[Traversable, str]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _below(entry, f"{path}/{entry.name}")
        elif _suffix(entry.name) in TYPES:
            yield entry, f"{path}/{entry.name}"


def _suffix(name: str) -> str:
    return name[name.rfind(".") :]


def tagged(incoming: Incoming, content: bytes, media_type: str, *, cache: str) -> Response:
    """Return content with a tag of its own, or 304 to a caller who has it."""
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": cache}
    if has(incoming, tag):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=media_type)


def has(incoming: Incoming, tag: str) -> bool:
    """Return whether the caller says to have what a tag stands for."""
    known = [each.strip().removeprefix("W/") for each in incoming.headers.get("if-none-match", "").split(",")]
    return tag in known or "*" in known
