"""The folder of a node: what lies where in it, and what must be there before it starts."""

from __future__ import annotations

import fcntl
import json
import shutil
import tempfile
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pixkin_proto.errors import InvalidArgument, StoreUnavailable

# What one node for trying and testing needs; the comments say what would happen without.
SETTINGS: dict[str, Any] = {
    "discovery.type": "single-node",  # it would wait for others
    "network.host": "127.0.0.1",  # there is no security on it
    "cluster.routing.allocation.disk.threshold_enabled": False,  # indices turn read-only on a disk that is 95 % full
    "indices.breaker.total.use_real_memory": False,  # requests are refused while a small heap awaits its collector
}

_LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%-25c{1.}] %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
appender.header_warning.type = HeaderWarningAppender
appender.header_warning.name = header_warning
logger.deprecation.name = org.opensearch.deprecation
logger.deprecation.level = deprecation
logger.deprecation.appenderRef.header_warning.ref = header_warning
logger.deprecation.additivity = false
"""


@dataclass(frozen=True)
class Layout:
    """What lies where below a node's folder; the names below `node_1` are the runner's."""

    folder: Path
    temporary: bool = False

    @classmethod
    def of(cls, folder: Path | None) -> Self:
        """Return the layout of a folder, or of a new one that vanishes together with this object."""
        if folder is not None:
            return cls(folder.absolute())
        made = cls(Path(tempfile.mkdtemp(prefix="pixkin-opensearch-")), temporary=True)
        weakref.finalize(made, shutil.rmtree, made.folder, ignore_errors=True)
        return made

    @property
    def log(self) -> Path:
        """What the node prints, of all its starts."""
        return self.folder / "node.log"

    @property
    def exceptions(self) -> Path:
        """What the Java machine has thrown since the last start."""
        return self.folder / "exceptions.log"

    @property
    def written_by(self) -> Path:
        """The version that has written the data."""
        return self.folder / "opensearch.version"

    def check(self, version: str) -> None:
        """Raise StoreUnavailable while a node runs on this folder, InvalidArgument if a newer version wrote it."""
        self._check_unlocked()
        written_by = self.written_by.read_text(encoding="ascii") if self.written_by.exists() else version
        if _ordered(written_by) > _ordered(version):
            raise InvalidArgument(
                f"{self.folder} was written by OpenSearch {written_by}, and {version} cannot read what a newer version "
                f"wrote; run {written_by}, or name another folder"
            )

    def _check_unlocked(self) -> None:
        """Try OpenSearch's own lock, which the Java machine takes with fcntl too."""
        lock = self.folder / "node_1" / "data" / "nodes" / "0" / "node.lock"
        if not lock.exists():
            return
        with lock.open("r+b") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StoreUnavailable(
                    f"another OpenSearch runs on the data in {self.folder}; stop it first, or name another folder"
                ) from error

    def write_settings(self, settings: Mapping[str, Any]) -> None:
        """Write opensearch.yml and the logging of a node that is to start here.

        Raises InvalidArgument when the folder cannot be written.
        """
        config = self.folder / "node_1" / "config"
        lines = [f"{key}: {json.dumps(value)}\n" for key, value in {**SETTINGS, **settings}.items()]  # JSON is YAML
        try:
            config.mkdir(parents=True, exist_ok=True)
            (config / "opensearch.yml").write_text("".join(lines), encoding="utf-8")
            (config / "log4j2.properties").write_text(_LOGGING, encoding="utf-8")
        except OSError as error:
            raise InvalidArgument(
                f"the folder {self.folder} cannot be written ({error.strerror}); name another one"
            ) from error


def _ordered(version: str) -> list[int]:
    return [int(part) for part in version.strip().split(".")]
