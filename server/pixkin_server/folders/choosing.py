"""Which files and folders are passed over by their names: hidden ones, trash and caches, and what the user excludes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from pixkin_server.folders.kinds import EXCLUDED, HIDDEN_FILE, HIDDEN_FOLDER, TRASH

# Folders that file managers, network drives, cameras' software and file systems keep for themselves.
_TRASH = re.compile(
    r"@eadir|@recycle|@recently-snapshot|#recycle|#snapshot|\$recycle\.bin|recycler|recycled|system volume information|"
    r"lost\+found|found\.\d+|__macosx|thumbs\S*|\.trash.*|\.thumbnails",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Choice:
    """What of a folder is wanted.

    hidden: hidden, trash and cache folders and hidden files too · exclude: patterns as of a shell, compared with each
    name and with each path below the folder.
    """

    hidden: bool = False
    exclude: tuple[str, ...] = ()

    def folder(self, root: Path, relative: str) -> str:
        """Return why a folder, by its path below root, is passed over; empty when it is not."""
        name = relative.rpartition("/")[2]
        if self._excludes(root, relative, name):
            return EXCLUDED
        if self.hidden:
            return ""
        return TRASH if _TRASH.fullmatch(name) else HIDDEN_FOLDER if name.startswith(".") else ""

    def file(self, root: Path, relative: str) -> str:
        """Return why a file, by its path below root, is passed over; empty when it is not."""
        name = relative.rpartition("/")[2]
        if self._excludes(root, relative, name):
            return EXCLUDED
        # macOS keeps what another file system cannot hold in ._NAME beside NAME: never a picture.
        return HIDDEN_FILE if name.startswith("._") or (name.startswith(".") and not self.hidden) else ""

    def passes_over(self, root: Path, relative: str) -> bool:
        """Return whether a file is passed over, or a folder that it is in."""
        folders = list(PurePosixPath(relative).parents)[:-1]
        return bool(self.file(root, relative)) or any(self.folder(root, str(folder)) for folder in folders)

    def _excludes(self, root: Path, relative: str, name: str) -> bool:
        texts = (name, relative, f"{root}/{relative}")
        return any(fnmatchcase(text, pattern) for pattern in self._patterns() for text in texts)

    def _patterns(self) -> Iterator[str]:
        for pattern in self.exclude:
            plain = pattern.removeprefix("./").rstrip("/")
            yield plain
            if plain.startswith("**/"):  # at the top too
                yield plain.removeprefix("**/")


EVERYTHING_USUAL = Choice()
