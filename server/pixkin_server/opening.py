"""A folder becomes a collection that is brought up to date while it is already being searched."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

from pixkin_embedding.directory import data_directory
from pixkin_proto.errors import InvalidArgument, PixkinError
from pixkin_proto.names import check_name
from pixkin_scoring.items import Collection

from pixkin_server.api import ExtractorChoice
from pixkin_server.engine import Engine
from pixkin_server.exported import export_missing
from pixkin_server.faults import known_error
from pixkin_server.folders import Gone, Report, Survey, sync_folder

DEFAULT_EXTRACTORS = ("efficientnet-lite0", "hsv-histogram")
MAX_NAME = 60  # and a number behind it
MARK = "opened"
"""The attachment that tells a collection that was made here from those that the user made."""
MARK_SECONDS = 60.0


def default_store() -> str:
    """Return the store of `pixkin open` when none is named; raises InvalidArgument as data_directory does."""
    return str(data_directory().absolute() / "store")


def prepare(
    engine: Engine, name: str | None, folder: Path, extractors: Sequence[str], announce: Callable[[str], Any]
) -> str:
    """Return the name of the folder's collection, which is made unless it is there.

    name: of any collection, or None for the one that was made here for the folder, however many others the folder has ·
    extractors: their names, empty for those that the collection has, or DEFAULT_EXTRACTORS; those without a file are
    exported. Raises InvalidArgument when the collection has other pictures or extractors.
    """
    root = str(folder.resolve())
    known = {each.name: each for each in engine.collections()}
    found = (
        check_name("collection", name) if name else _own(engine, known.values(), folder) or _free_name(folder, known)
    )
    if found in known:
        _check_usable(known[found], root, extractors)
        return found
    if others := [each.name for each in known.values() if not name and root in each.roots]:
        announce(f"collection {others[0]} has pictures of {root} too and is left alone; --collection NAME opens one")
    wanted = extractors or DEFAULT_EXTRACTORS
    export_missing(wanted, engine.directory, announce)
    engine.create(found, [ExtractorChoice(extractor) for extractor in wanted])
    engine.store.put_attachment(found, MARK, _mark(found, root), deadline=time.monotonic() + MARK_SECONDS)
    return found


def _own(engine: Engine, known: Iterable[Collection], folder: Path) -> str:
    """The name of the collection that was made here for a folder, the one after the folder before others; or none."""
    root = str(folder.resolve())
    own = [each.name for each in known if _is_own(engine, each, root)]
    return min(own, key=lambda name: (name != _plain_name(folder), name), default="")


def _is_own(engine: Engine, described: Collection, root: str) -> bool:
    """Whether a collection was made here, and not by hand or as a copy under another name, and has this folder."""
    if described.roots and root not in described.roots:
        return False
    mark = engine.store.get_attachment(described.name, MARK)
    if mark is None or not _encoding(described):
        return False
    # A folder that has moved is still that of its collection, once `index sync --moved-from` has said so.
    return mark[0] == _mark(described.name, root) or (
        bool(described.roots) and json.loads(mark[0]).get("collection") == described.name
    )


def _mark(name: str, root: str) -> bytes:
    return json.dumps({"collection": name, "folder": root}).encode()


def _free_name(folder: Path, taken: Container[str]) -> str:
    """Return a name after the folder's, with a number behind it when there is such a collection."""
    name = _plain_name(folder)
    numbered = (f"{name}-{number}" for number in itertools.count(2))
    return next(each for each in itertools.chain([name], numbered) if each not in taken)


def _plain_name(folder: Path) -> str:
    return re.sub(r"[^a-z0-9_-]+", "-", folder.resolve().name.lower()).strip("-_")[:MAX_NAME].rstrip("-_") or "pictures"


def _encoding(described: Collection) -> set[str]:
    return {descriptor.extractor for descriptor in described.descriptors if descriptor.fingerprint}


def _check_usable(described: Collection, root: str, extractors: Sequence[str]) -> None:
    name, encoding = described.name, _encoding(described)
    if described.roots and root not in described.roots:
        raise InvalidArgument(
            f"collection {name} has the pictures of {min(described.roots)}; name another one for {root}: "
            "--collection NAME"
        )
    if not encoding or not set(extractors) <= encoding:
        raise InvalidArgument(
            f"collection {name} is there already, with {', '.join(sorted(encoding)) or 'imported vectors'}; name "
            "another one: --collection NAME"
        )


def labelled_once(survey: Survey) -> Survey:
    """Return a survey that gives labels to new items alone: those of others may have been given by hand."""
    once = [replace(picture, labels=None, first_labels=picture.labels or frozenset()) for picture in survey.pictures]
    return replace(survey, pictures=once)


class Stopped(Exception):
    """The work is to end where it is."""


class Indexing:
    """Brings a collection up to date with a folder, in a thread of its own, until it is done or told to stop.

    survey, gone, remove_missing: as of sync_folder · progress: told how many pictures are done · done: told what became
    of them, what ended the work, or None where it was stopped.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        survey: Survey,
        gone: Gone,
        *,
        remove_missing: bool,
        progress: Callable[[int], Any],
        done: Callable[[Report | PixkinError | None], Any],
    ) -> None:
        self._work_on = partial(sync_folder, engine, name, survey, gone, remove_missing=remove_missing)
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
            self._done(self._work_on(progress=self._count))
        except Stopped:
            self._done(None)
        except Exception as error:  # whatever ends it, what is in can be searched
            self._done(known_error(error))

    def _count(self, done: int) -> None:
        if self._ending.is_set():
            raise Stopped
        self._progress(done)
