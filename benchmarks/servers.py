"""A pixkin server in a process of its own, for as long as a benchmark asks it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from pixkin_embedding.directory import ExtractorDirectory
from pixkin_embedding.limits import FOLDER_LIMITS
from pixkin_server.api import ExtractorChoice
from pixkin_server.engine import Engine
from pixkin_server.exported import export_missing
from pixkin_server.folders import Report, add_pictures, walk


@dataclass(frozen=True)
class Serving:
    """A server: its addresses for gRPC and of its page, its process id, the seconds until it served."""

    grpc: str
    page: str
    pid: int
    seconds: float


def index_corel(home: Path, corel: Path) -> None:
    """Make the collection and store `corel` below `home`, by efficientnet-lite0, whose file is made where it lacks."""
    export_missing(["efficientnet-lite0"], ExtractorDirectory(home / "extractors"), print)
    with Engine(str(home / "corel"), extractors=home / "extractors", limits=FOLDER_LIMITS) as engine:
        engine.create("corel", [ExtractorChoice("efficientnet-lite0")])
        add_pictures(engine, "corel", walk(corel), Report(), root=str(corel))


@contextmanager
def serving(
    home: Path, store: str, *flags: str, program: tuple[str, ...] = ("-m", "pixkin_server")
) -> Iterator[Serving]:
    """Start a server over a store below `home`, whose extractors it has; `program` is what Python runs."""
    environment = {**os.environ, "PIXKIN_HOME": str(home), "PIXKIN_STORE": str(home / store)}
    command = [sys.executable, *program, "serve", "--grpc", "127.0.0.1:0", "--drain", "0", *flags]
    command += [] if "--no-http" in flags else ["--http", "127.0.0.1:0"]
    began = perf_counter()
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            said = ""
            while "pixkin: serving" not in said:
                said += (process.stderr.readline() if process.stderr else "") or sys.exit(f"no server: {said}")
            grpc, page = (re.search(rf"{words} (\S+)", said) for words in ("listening on", "page on"))
            yield Serving(grpc[1] if grpc else "", page[1] if page else "", process.pid, perf_counter() - began)
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate()
