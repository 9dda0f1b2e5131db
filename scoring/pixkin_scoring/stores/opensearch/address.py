"""The URL of a cluster, read and judged once."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from pixkin_proto.errors import InvalidArgument
from pixkin_proto.loopback import is_loopback

PORTS = {"http": 9200, "https": 443}
"""What opensearch-py takes where the URL names no port."""


@dataclass(frozen=True)
class Address:
    """Where a cluster listens; `prefix` is the path before its own, empty or with a leading slash."""

    scheme: str
    host: str
    port: int
    prefix: str = ""

    @property
    def url(self) -> str:
        """The URL without credentials, for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.prefix}"

    @property
    def loopback(self) -> bool:
        """Whether it is this machine."""
        return is_loopback(self.host)


def read_address(url: str, *, insecure: bool = False) -> Address:
    """Return the address that a URL names.

    Args:
        url: http(s)://HOST[:PORT][/PREFIX]; without a port 9200 for http and 443 for https, as in opensearch-py.
        insecure: whether http may leave this machine.

    Raises:
        InvalidArgument: it is no such URL, holds credentials, or is http to another machine. No message holds them.
    """
    address = _split(url)
    if address.scheme == "http" and not address.loopback and not insecure:
        raise InvalidArgument(
            f"{address.url} would send pictures and credentials unencrypted; use https, or allow it with --insecure "
            "(PIXKIN_INSECURE=1)"
        )
    return address


def _split(url: str) -> Address:
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        parts, port, host = SplitResult("", "", "", "", ""), None, None
    if "@" in parts.netloc:
        raise InvalidArgument(
            f"the URL of {host} holds credentials, which others could read in lists of processes and in logs; "
            "set PIXKIN_OPENSEARCH_USER and PIXKIN_OPENSEARCH_PASSWORD"
        )
    if parts.scheme not in PORTS or not host or parts.query or parts.fragment:
        raise InvalidArgument("this is no URL of a cluster; write http(s)://HOST[:PORT][/PREFIX] and nothing more")
    return Address(parts.scheme, host, port or PORTS[parts.scheme], parts.path.rstrip("/"))
