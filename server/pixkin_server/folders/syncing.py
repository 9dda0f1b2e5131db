"""A collection made equal to a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pixkin_proto.errors import InvalidArgument
from pixkin_scoring.items import ItemUpdate

from pixkin_server.api import Service
from pixkin_server.folders.adding import add_pictures
from pixkin_server.folders.gone import Gone
from pixkin_server.folders.pictures import inside
from pixkin_server.folders.report import Report
from pixkin_server.folders.stored import items_below
from pixkin_server.folders.walking import Survey


def sync_folder(
    service: Service,
    collection: str,
    survey: Survey,
    gone: Gone,
    *,
    remove_missing: bool = False,
    checksum: bool = False,
    progress: Callable[[int], Any] = lambda _: None,
) -> Report:
    """Bring a collection up to date with a folder, of which `survey` is the walk and `gone` what find_gone said.

    As add_pictures does, and items whose file is gone are removed, those whose file moved get its new id. What is
    doubtful stays unless remove_missing is said. Items of other folders and prefixes stay as they are.
    """
    moved = {result.id for result in service.update(collection, gone.moves) if result.error is None}
    lost = [move.id for move in gone.moves if move.id not in moved]
    leaving = [*lost, *(gone.everything if remove_missing else gone.certain)]
    removed = service.remove(collection, sorted(leaving)) if leaving else []
    report = Report(moved=len(moved), removed=len(removed), kept=None if remove_missing else gone)
    report.note(survey)
    add_pictures(
        service, collection, survey.pictures, report, root=str(survey.root), checksum=checksum, progress=progress
    )
    return report


def rebase(service: Service, collection: str, old: Path, new: Path, *, prefix: str = "") -> int:
    """Tell a collection that the folder `old` is now `new`; returns how many items came from it.

    Raises InvalidArgument when none did.
    """
    before, after = str(old.absolute()), str(new.resolve())
    items = list(items_below(service, collection, before, prefix))
    if not items:
        raise InvalidArgument(
            f"no picture of {collection} came from {before}; its folders are named by: index describe"
        )
    paths = {item.id: inside(after) + item.source.removeprefix(inside(before)) for item in items}
    service.update(collection, [ItemUpdate(item, source=path, root=after) for item, path in paths.items()])
    return len(items)
