"""Proxies of the environment: never between two processes of this machine, always on the way to another one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from pixkin_proto.errors import PixkinError
from pixkin_server.client import Client
from pixkin_server.demo.process import running_server

VARIABLES = (
    "grpc_proxy",
    "https_proxy",
    "http_proxy",
    "all_proxy",
    "GRPC_PROXY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "ALL_PROXY",
)


@dataclass
class Proxy:
    """A proxy that refuses everybody, and what it was asked for."""

    listener: socket.socket
    asked: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Answer until the listener is closed."""
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                self.asked.append(connection.recv(1000).partition(b"\r\n")[0].decode())
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy that every variable names."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Proxy(listener)
        for name in VARIABLES:
            monkeypatch.setenv(name, f"http://127.0.0.1:{listener.getsockname()[1]}")
        for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
            monkeypatch.delenv(name, raising=False)
        thread = threading.Thread(target=made.run)
        thread.start()
        yield made
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "ipv4:127.0.0.1", "dns:localhost"])
def test_a_server_on_this_machine_is_called_without_a_proxy(served: Any, proxy: Proxy, host: str) -> None:
    with Client(f"{host}:{served.address.rpartition(':')[2]}") as client:
        assert client.describe("vectors").items == 50
    assert proxy.asked == []


def test_a_server_on_another_machine_is_called_through_the_proxy(proxy: Proxy) -> None:
    with Client("pixkin.example:7475", timeout=20) as client, pytest.raises(PixkinError):
        client.collections()
    assert proxy.asked[0].startswith("CONNECT pixkin.example:7475 ")


def test_a_server_that_a_command_starts_for_itself_is_called_without_a_proxy(
    proxy: Proxy, tmp_path: Any, extractors: Any
) -> None:
    with (
        running_server(str(tmp_path / "store"), extractors=extractors, device="cpu") as address,
        Client(address) as client,
    ):
        assert client.collections() == []
    assert proxy.asked == []
