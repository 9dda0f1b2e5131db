"""A pixkin server in a process of its own, for as long as a block runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pixkin_proto.errors import StoreUnavailable


@contextmanager
def running_server(store: str, *, extractors: Path | None, device: str) -> Iterator[str]:
    """Start a server on a free port of the loopback interface, wait until it serves, and yield its address."""
    command = [sys.executable, "-m", "pixkin_server", "serve", "--grpc", "127.0.0.1:0", "--store", store]
    command += ["--device", device, *(["--extractors", str(extractors)] if extractors else [])]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)  # noqa: S603  # our own command line
    try:
        yield _address(process)
    finally:
        process.terminate()
        process.communicate(timeout=60)


def _address(process: subprocess.Popen[str]) -> str:
    said: list[str] = []
    address = ""
    for line in process.stderr or ():
        said.append(line.strip())
        if "listening on " in line:
            address = line.rpartition("listening on ")[2].strip()
        if "pixkin: serving" in line:
            return address
    raise StoreUnavailable(f"the server did not start: {said[-1] if said else 'it said nothing'}")
