"""A folder becomes a collection that is brought up to date while it is already being searched."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Container, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Any

from pixkin_proto.errors import InvalidArgument, PixkinError
from pixkin_proto.names import check_name
from pixkin_scoring.items import Collection

from pixkin_server.api import ExtractorChoice
from pixkin_server.engine import Engine
from pixkin_server.exported import export_missing
from pixkin_server.faults import known_error
from pixkin_server.folders import Picture, Report, sync_folder

DEFAULT_EXTRACTORS = ("efficientnet-lite0", "hsv-histogram")
MAX_NAME = 60  # and a number behind it


def prepare(
    engine: Engine, name: str | None, folder: Path, extractors: Sequence[str], announce: Callable[[str], Any]
) -> str:
    """Return the name of the folder's collection, which is made unless it is there.

    name: None for that of the folder, or a name after it · extractors: their names, empty for those that the collection
    has, or DEFAULT_EXTRACTORS; those without a file are exported. Raises InvalidArgument when the collection has other
    pictures or extractors.
    """
    root = str(folder.resolve())
    known = {each.name: each for each in engine.collections()}
    own = [each.name for each in known.values() if each.roots == (root,) and _encoding(each)]
    taken = {each.name for each in known.values() if each.roots or each.items or not _encoding(each)}
    found = check_name("collection", name) if name else next(iter(own), "") or _free_name(folder, taken)
    if found in known:
        _check_usable(known[found], root, extractors)
        return found
    wanted = extractors or DEFAULT_EXTRACTORS
    export_missing(wanted, engine.directory, announce)
    engine.create(found, [ExtractorChoice(extractor) for extractor in wanted])
    return found


def _free_name(folder: Path, taken: Container[str]) -> str:
    """Return a name after the folder's, with a number behind it when there is such a collection."""
    name = re.sub(r"[^a-z0-9_-]+", "-", folder.resolve().name.lower()).strip("-_")[:MAX_NAME].rstrip("-_") or "pictures"
    numbered = (f"{name}-{number}" for number in itertools.count(2))
    return next(each for each in itertools.chain([name], numbered) if each not in taken)


def _encoding(described: Collection) -> set[str]:
    return {descriptor.extractor for descriptor in described.descriptors if descriptor.fingerprint}


def _check_usable(described: Collection, root: str, extractors: Sequence[str]) -> None:
    name, encoding = described.name, _encoding(described)
    if strangers := set(described.roots) - {root}:
        raise InvalidArgument(
            f"collection {name} has the pictures of {min(strangers)}; name another one for {root}: --collection NAME"
        )
    if not encoding or not set(extractors) <= encoding:
        raise InvalidArgument(
            f"collection {name} is there already, with {', '.join(sorted(encoding)) or 'imported vectors'}; name "
            "another one: --collection NAME"
        )


class Stopped(Exception):
    """The work is to end where it is."""


class Indexing:
    """Brings a collection up to date with a folder, in a thread of its own, until it is done or told to stop.

    progress: told how many pictures are done · done: told what became of them, what ended the work, or None where it
    was stopped.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        folder: Path,
        pictures: Sequence[Picture],
        *,
        progress: Callable[[int], Any],
        done: Callable[[Report | PixkinError | None], Any],
    ) -> None:
        self._engine, self._name, self._folder, self._pictures = engine, name, folder, pictures
        self._progress, self._done = progress, done
        self._ending = Event()
        self._thread = Thread(target=self._work, name="pixkin-indexing")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the pictures that are on their way; what is stored stays."""
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _work(self) -> None:
        try:
            self._done(sync_folder(self._engine, self._name, self._folder, self._pictures, progress=self._count))
        except Stopped:
            self._done(None)
        except Exception as error:  # whatever ends it, what is in can be searched
            self._done(known_error(error))

    def _count(self, done: int) -> None:
        if self._ending.is_set():
            raise Stopped
        self._progress(done)
