"""A pixkin server in a process of its own, for as long as a block runs."""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from pixkin_proto.errors import StoreUnavailable

PATIENCE_SECONDS = 30.0


@contextmanager
def running_server(
    store: str, *, extractors: Path | None, device: str, insecure: bool = False, writes: bool = False
) -> Iterator[str]:
    """Start a server on a free port of the loopback interface, wait until it serves, and yield its address.

    Raises StoreUnavailable with the server's last words when it does not start.
    """
    command = [sys.executable, "-m", "pixkin_server", "serve", "--grpc", "127.0.0.1:0", "--no-http", "--store", store]
    command += ["--create", "--device", device, *(["--extractors", str(extractors)] if extractors else [])]
    command += ["--drain", "0", *(["--insecure"] if insecure else []), *(["--allow-writes"] if writes else [])]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603  # our own command line
        try:
            yield _address(process)
        finally:
            process.terminate()
            _end(process)


def _address(process: subprocess.Popen[str]) -> str:
    said: deque[str] = deque(maxlen=1)
    address = ""
    for line in process.stderr or ():
        said.append(line.strip())
        if "listening on " in line:
            address = line.rpartition("listening on ")[2].strip()
        if "pixkin: serving" in line:
            # A full pipe would stop the server, so what it says from now on is read and forgotten.
            Thread(target=deque, args=(process.stderr, 0), daemon=True).start()
            return address
    raise StoreUnavailable(f"the server did not start: {said.pop() if said else 'it said nothing'}")


def _end(process: subprocess.Popen[str]) -> None:
    try:
        process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
