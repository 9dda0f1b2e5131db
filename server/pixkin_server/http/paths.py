"""Which endpoint a path leads to. An id with slashes is one segment (`red%2F0.jpg`), so paths are matched undecoded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar
from urllib.parse import unquote_to_bytes

from pixkin_proto.errors import InvalidArgument, UnknownRoute, WrongMethod

T = TypeVar("T")


class Paths(Generic[T]):
    """Endpoints by path pattern and method. `{name}` in a pattern is one segment, whatever it holds."""

    def __init__(self) -> None:
        self._patterns: dict[tuple[str, ...], dict[str, T]] = {}

    def add(self, method: str, pattern: str, endpoint: T) -> None:
        """Add an endpoint; one for GET answers HEAD too."""
        known = self._patterns.setdefault(tuple(pattern.split("/")), {})
        known[method] = endpoint
        if method == "GET":
            known["HEAD"] = endpoint

    def find(self, method: str, raw_path: str) -> tuple[T, dict[str, str]]:
        """Return the endpoint and the decoded segments by name.

        Raises UnknownRoute, WrongMethod, and InvalidArgument for what is no UTF-8.
        """
        segments = raw_path.split("/")
        for pattern, endpoints in self._patterns.items():
            found = _match(pattern, segments)
            if found is None:
                continue
            if method not in endpoints:
                raise WrongMethod(method, endpoints)
            return endpoints[method], {name: _decoded(segment) for name, segment in found.items()}
        raise UnknownRoute(raw_path)


def _match(pattern: tuple[str, ...], segments: list[str]) -> Mapping[str, str] | None:
    if len(pattern) != len(segments):
        return None
    found = {}
    for part, segment in zip(pattern, segments, strict=True):
        if part.startswith("{"):
            found[part[1:-1]] = segment
        elif part != segment:
            return None
    return found


def _decoded(segment: str) -> str:
    try:
        return unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        raise InvalidArgument(f"the part {segment[:200]!r} of the path is no percent-encoded UTF-8") from None
