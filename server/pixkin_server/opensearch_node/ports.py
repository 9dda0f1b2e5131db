"""Ports of the loopback interface."""

from __future__ import annotations

import random
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pixkin_proto.errors import InvalidArgument, StoreUnavailable

HOST = "127.0.0.1"
HIGHEST = 9299  # the runner looks for a free port up to here and not beyond
CHOSEN = range(7000, HIGHEST + 1)


def check_port(port: int) -> None:
    """Raise InvalidArgument for a port that a node cannot have, StoreUnavailable for one in use."""
    if not 1 <= port <= HIGHEST:
        raise InvalidArgument(f"OpenSearch cannot listen on port {port} here; choose one from 1 to {HIGHEST}")
    with held_port(port):
        pass


def free_port() -> int:
    """Return a port that nobody listens on or holds just now."""
    for port in random.sample(CHOSEN, len(CHOSEN)):
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise StoreUnavailable(f"every port from {CHOSEN[0]} to {CHOSEN[-1]} of {HOST} is in use; stop something")


@contextmanager
def held_port(port: int) -> Iterator[None]:
    """Keep `free_port` of any process from choosing a port until the block ends; a node may take it meanwhile.

    Linux lets several sockets have a port as long as all of them allow it and one at most listens; a node needs seconds
    from its start until it does. Elsewhere the port is only looked at.

    Raises StoreUnavailable when something listens on it.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Java does; so fading connections do not count
        try:
            holder.bind((HOST, port))
        except OSError as error:
            raise StoreUnavailable(
                f"port {port} of {HOST} cannot be had ({error.strerror}); stop what listens there, or choose another "
                f"port below {HIGHEST + 1}"
            ) from error
        if sys.platform != "linux":
            holder.close()
        yield
