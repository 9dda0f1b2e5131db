"""Names of a ground truth and ids of a collection, which may have folders before and a suffix behind the name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from pixkin_proto.errors import InvalidArgument, listed


class Names:
    """Finds the items that a ground truth means. ids None: no collection is at hand, and every name is an id.

    A name is an id, or the end of an id without its suffix: `all_souls_000013` is `oxford/all_souls_000013.jpg`.
    """

    def __init__(self, ids: Iterable[str] | None) -> None:
        self._ids = None if ids is None else frozenset(ids)
        self._by_stem: dict[str, list[str]] = {}
        for item in self._ids or ():
            self._by_stem.setdefault(PurePosixPath(item).stem, []).append(item)
        self._missing: dict[str, None] = {}

    def find(self, name: str) -> str | None:
        """Return the id of a name, None when there is none; it is remembered then.

        Raises InvalidArgument when several items fit.
        """
        if self._ids is None or name in self._ids:
            return name
        alike = self._by_stem.get(name) or self._by_stem.get(PurePosixPath(name).stem, [])
        found = [item for item in alike if _in_same_folders(item, name)]
        if len(found) > 1:
            raise InvalidArgument(
                f"{name} of the ground truth may be {' or '.join(sorted(found)[:3])}; index one folder of the pictures"
            )
        if not found:
            self._missing[name] = None
            return None
        return found[0]

    def query(self, name: str, picture: str | None) -> tuple[str, str] | None:
        """Return a query's item, or else its picture's file, as (item, picture); None when there is neither."""
        known = name in self._missing
        item = self.find(name)
        if item is not None:
            return item, ""
        if picture is None:
            return None
        if not known:
            del self._missing[name]
        return "", picture

    def find_all(self, names: Iterable[str]) -> frozenset[str]:
        """Return the ids of those that are there."""
        return frozenset(item for name in names if (item := self.find(name)) is not None)

    def check(self, *, skip_missing: bool) -> tuple[str, ...]:
        """Return a note on the names that were not found. Raises InvalidArgument unless they are skipped."""
        if not self._missing:
            return ()
        count = f"{len(self._missing):,} picture{'s' if len(self._missing) > 1 else ''} of the ground truth"
        if not skip_missing:
            raise InvalidArgument(
                f"the collection lacks {count}: {listed(self._missing)}; add them, or leave them out with "
                "--skip-missing, which changes the figures"
            )
        return (f"{count} are not in the collection and were left out",)


def _in_same_folders(item: str, name: str) -> bool:
    """Tell whether the folders of an id end with those of a name."""
    folders = PurePosixPath(name).parts[:-1]
    return not folders or PurePosixPath(item).parts[:-1][-len(folders) :] == folders
