"""The extractor directory: where extractor files are found by name or fingerprint."""

from __future__ import annotations

import contextlib
import os
import sys
from functools import cached_property
from pathlib import Path

from pixkin_proto.errors import AmbiguousName, ExtractorMismatch, InvalidArgument, InvalidExtractor, UnknownExtractor
from pixkin_proto.names import check_name
from pixkin_proto.whole_file import write_whole

from pixkin_embedding.bundle import Extractor, read_description, read_extractor

SUFFIX = ".onnx"


def data_directory() -> Path:
    """Return `$PIXKIN_HOME`, or pixkin's folder below the platform's folder for user data.

    Raises InvalidArgument for a user without a home directory, as containers and services have them.
    """
    if home := os.environ.get("PIXKIN_HOME"):
        return Path(home)
    if sys.platform != "darwin" and (data := os.environ.get("XDG_DATA_HOME")):
        return Path(data) / "pixkin"
    try:
        home_directory = Path.home()
    except RuntimeError:
        raise InvalidArgument(
            "this user has no home directory; say where pixkin keeps its files with PIXKIN_HOME=DIR, "
            "or where its extractors are with --extractors DIR"
        ) from None
    below = "Library/Application Support" if sys.platform == "darwin" else ".local/share"
    return home_directory / below / "pixkin"


def default_directory() -> Path:
    """Return the folder of extractor files where nobody names one; raises InvalidArgument as data_directory does."""
    return data_directory() / "extractors"


class ExtractorDirectory:
    """The extractor files of one folder. It is looked at anew at every call, so a fresh export is seen at once."""

    def __init__(self, path: Path | None = None) -> None:
        self._given = path
        self._read: dict[tuple[Path, int, int], Extractor] = {}

    @cached_property
    def path(self) -> Path:
        """The folder. It is looked for at first use: what needs no extractor works without one."""
        return self._given or default_directory()

    def list(self) -> dict[Path, Extractor]:
        """Return every readable extractor file by path, sorted by name; other files are passed over."""
        found = {}
        for path in sorted(self.path.glob(f"*{SUFFIX}")) if self.path.is_dir() else []:
            with contextlib.suppress(InvalidExtractor):  # its own user meets the error when asking for it by name
                found[path] = self._description(path)
        return dict(sorted(found.items(), key=lambda entry: entry[1].name))

    def _description(self, path: Path) -> Extractor:
        """Read a file's description, once for as long as the file stays the same."""
        try:
            stat = path.stat()
        except OSError as error:
            raise InvalidExtractor(f"{path} cannot be read: {error.strerror}") from error
        key = path, stat.st_mtime_ns, stat.st_size
        if key not in self._read:
            self._read[key] = read_description(path)
        return self._read[key]

    def by_name(self, name: str) -> Path:
        """Return the file of an extractor; an empty name stands for the only one there is.

        Raises InvalidName, UnknownExtractor, AmbiguousName, and InvalidExtractor when several files have the name.
        """
        known = self.list()
        if name:
            check_name("extractor", name)
        usual = self.path / f"{name}{SUFFIX}"
        fitting = [path for path, extractor in known.items() if name in ("", extractor.name)]
        if name and usual.is_file() and (usual in fitting or not fitting):
            return usual
        names = {extractor.name for extractor in known.values()}
        if not fitting:
            raise UnknownExtractor(name, str(self.path), names)
        if not name and len(fitting) > 1:
            raise AmbiguousName("extractor", name, names)
        if len(fitting) > 1:
            files = ", ".join(path.name for path in fitting)
            raise InvalidExtractor(f"several files are extractor {name}: {files}; keep one of them in {self.path}")
        return fitting[0]

    def install(self, file: Path) -> str:
        """Copy an extractor file into the directory unless it is there, and return its name."""
        extractor, data = read_extractor(file)
        if all(known.fingerprint != extractor.fingerprint for known in self.list().values()):
            target = self.path / f"{extractor.name}{SUFFIX}"
            if target.exists():
                raise InvalidExtractor(
                    f"{self.path} has another extractor {extractor.name}; remove that file or name another directory"
                )
            write_whole(target, data, otherwise="name another directory with --extractors DIR")
        return extractor.name

    def by_fingerprint(self, fingerprint: str, *, name: str, collection: str) -> Path:
        """Return the file that made a collection's descriptors; raises ExtractorMismatch, naming both sides."""
        known = self.list()
        for path, extractor in known.items():
            if extractor.fingerprint == fingerprint:
                return path
        here = next((extractor.fingerprint for extractor in known.values() if extractor.name == name), "")
        raise ExtractorMismatch(name, collection=collection, expected=fingerprint, got=here)
