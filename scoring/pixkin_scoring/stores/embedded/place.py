"""The directory of an embedded store: whether it is there, and whether it is still the one that was."""

from __future__ import annotations

import stat
from pathlib import Path

from pixkin_proto.errors import StoreFormat, StoreUnavailable
from pixkin_proto.names import NAME

from pixkin_scoring.stores.embedded.faults import file_faults

SUFFIX = ".sqlite"
MARK = ".pixkin-store"
"""An empty file that tells a store, though it holds no collection, from the mount point of a volume that is gone."""


class Place:
    """A store's directory. Once it was there, its absence is a fault and no empty store."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.directory = Path(name)
        self._was_there = False

    def exists(self) -> bool:
        """Return whether the directory is there.

        Raises StoreFormat when it is a file, StoreDenied when it may not be looked at, and StoreUnavailable when the
        store was there before and is not now, which includes an empty directory in its place.
        """
        exists = self._is_directory()
        is_store = exists and self.is_store()
        if self._was_there and not is_store:
            raise StoreUnavailable(
                f"the store {self.name} was here and is gone: it was moved or deleted, or its volume is not mounted; "
                "put it back, and it is used again"
            )
        self._was_there = is_store
        return exists

    def is_store(self) -> bool:
        """Return whether the directory holds a store, with or without collections."""
        with file_faults(self.directory, reading=True):
            try:
                return any(entry.name == MARK or entry.suffix == SUFFIX for entry in self.directory.iterdir())
            except FileNotFoundError:
                return False

    def make(self) -> None:
        """Make the directory, for its owner alone, where it is missing, and mark it as a store."""
        if not self.exists():
            with file_faults(self.directory):
                self.directory.parent.mkdir(parents=True, exist_ok=True)
                self.directory.mkdir(mode=0o700, exist_ok=True)
        self.mark()

    def mark(self) -> None:
        """Mark the directory as a store, whose last collection may go."""
        with file_faults(self.directory):
            self.directory.joinpath(MARK).touch(mode=0o600)
        self._was_there = True

    def collections(self) -> list[str]:
        """Return the names of the collections, sorted."""
        if not self.exists():
            return []
        with file_faults(self.directory, reading=True):
            names = [path.name.removesuffix(SUFFIX) for path in self.directory.iterdir() if path.suffix == SUFFIX]
        return sorted(name for name in names if NAME.fullmatch(name))

    def has(self, file: Path) -> bool:
        """Return whether a file of the store is there."""
        with file_faults(file, reading=True):
            try:
                return stat.S_ISREG(file.stat().st_mode)
            except (FileNotFoundError, NotADirectoryError):
                return False

    def _is_directory(self) -> bool:
        with file_faults(self.directory, reading=True):
            try:
                mode = self.directory.stat().st_mode
            except FileNotFoundError:
                return False
            except NotADirectoryError:
                raise StoreFormat(
                    f"{self.name} lies in a file, and a store is a directory; give another path"
                ) from None
        if not stat.S_ISDIR(mode):
            raise StoreFormat(f"{self.name} is a file, and a store is a directory; give another path")
        return True
