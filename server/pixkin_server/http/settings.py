"""How the HTTP side of a server listens, and what it lets its callers do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DEFAULT_ADDRESS = "127.0.0.1:7476"


@dataclass(frozen=True)
class HttpSettings:
    """What `pixkin serve` was told.

    address: host:port, port 0 for any free one · flag: that names it · chosen: whether somebody named the address;
    where nobody did, another port will do when it is taken, and a missing extra is no error · needed: there is nothing
    to serve without the page · writes: routes that change collections; the server says here what it allows over gRPC ·
    originals: folders whose pictures are shown, each as the file of the item that names it · hosts: names beside
    loopback that a Host header may have · origins: origins of other pages that may call.
    """

    address: str = DEFAULT_ADDRESS
    flag: str = "--http HOST:PORT"
    chosen: bool = False
    needed: bool = False
    writes: bool = False
    originals: tuple[Path, ...] = ()
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
