"""A client over HTTP, and bytes that no client would send."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

Raw = Callable[..., bytes]


@pytest.fixture(scope="session")
def web(served: Any) -> Iterator[httpx.Client]:
    """A client of the server's HTTP side."""
    with httpx.Client(base_url=served.page, timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def raw(served: Any) -> Raw:
    """Sends bytes as they are and returns all that comes back until the server closes."""
    where = urlsplit(served.page)

    def send(head: str | bytes, body: bytes = b"", *, host: str = where.netloc, seconds: float = 20) -> bytes:
        text = head if isinstance(head, bytes) else head.encode()
        with socket.create_connection((where.hostname, where.port), timeout=seconds) as connection:
            connection.sendall(text + f"\r\nHost: {host}\r\nConnection: close\r\n".encode() + b"\r\n" + body)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    return send
