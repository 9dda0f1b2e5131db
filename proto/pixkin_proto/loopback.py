"""Which hosts are this machine, so that nothing between here and there has to be asked."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Return whether a host name or address, an IPv6 one in brackets or without, is this machine."""
    name = host.strip("[]").rstrip(".").lower()
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
    return bool((getattr(address, "ipv4_mapped", None) or address).is_loopback)
