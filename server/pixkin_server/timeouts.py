"""How long a call may take: the one bound for command line, engine and client."""

from __future__ import annotations

from pixkin_proto.errors import InvalidArgument

DEFAULT_TIMEOUT = 60.0
MAX_SECONDS = 1e6
"""Eleven and a half days. Clocks, locks and gRPC overflow at different numbers beyond."""


def check_timeout(seconds: float) -> float:
    """Return a timeout in seconds; raises InvalidArgument for NaN and for more than MAX_SECONDS."""
    if not seconds <= MAX_SECONDS:
        raise InvalidArgument(f"a timeout is at most {MAX_SECONDS:,.0f} seconds, not {seconds:g}")
    return seconds
