"""Who may call: no page of another origin, no name that somebody else's name server made point here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pixkin_proto.errors import ForeignHost, ForeignOrigin
from starlette.datastructures import Headers

HEADERS: Mapping[str, str] = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' blob:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
"""What every reply has."""
LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
ALLOWED = {
    "access-control-allow-methods": "GET, HEAD, POST, DELETE",
    "access-control-allow-headers": "content-type, x-request-timeout, if-none-match",
    "access-control-max-age": "600",
}


class Guard:
    """Checks the Host and Origin of requests.

    hosts: names that a Host header may have beside those of loopback and the address that was called · origins: origins
    of other pages that may call, as SCHEME://HOST[:PORT].
    """

    def __init__(self, hosts: Iterable[str], origins: Iterable[str]) -> None:
        self._hosts = LOOPBACK | {host.lower() for host in hosts}
        self._origins = {origin.lower().rstrip("/") for origin in origins}

    def check(self, method: str, headers: Headers, address: str) -> None:
        """Raise ForeignHost or ForeignOrigin for a request that came in at an address of this machine."""
        hosts = headers.getlist("host")
        name = _name(hosts[0]) if len(hosts) == 1 else ""
        if name not in self._hosts and name.strip("[]") != address.removeprefix("::ffff:"):
            raise ForeignHost(", ".join(hosts))
        origin = headers.get("origin")
        if origin is not None:
            if not self._is_known(origin, hosts[0]):
                raise ForeignOrigin(origin)
        elif headers.get("sec-fetch-site") in {"cross-site", "same-site"} and not _is_visit(method, headers):
            raise ForeignOrigin("another site")

    def cors(self, headers: Headers) -> dict[str, str]:
        """Return what tells a browser that a page of an allowed origin may read the reply."""
        origin = headers.get("origin", "").lower()
        if origin not in self._origins:
            return {}
        return {"access-control-allow-origin": origin, "vary": "Origin", "access-control-expose-headers": "ETag"}

    def _is_known(self, origin: str, host: str) -> bool:
        own = {f"{scheme}://{host.lower()}" for scheme in ("http", "https")}
        return origin.lower() in own | self._origins


def _name(host: str) -> str:
    """Return a Host header without its port."""
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdecimal() else host.lower()


def _is_visit(method: str, headers: Headers) -> bool:
    """Whether somebody follows a link to here, which shows nothing to the page that has the link."""
    return method == "GET" and headers.get("sec-fetch-mode") == "navigate"
