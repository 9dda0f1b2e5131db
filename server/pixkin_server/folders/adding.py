"""Pictures into a collection: what is new or changed is encoded, what is known is brought up to date."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from pixkin_proto.errors import InvalidArgument, InvalidId, PixkinError, UnknownItem
from pixkin_scoring.items import AddResult, FileFacts, Item, ItemUpdate

from pixkin_server.api import FileState, NewItem, Service
from pixkin_server.folders.files import facts_of
from pixkin_server.folders.pictures import Picture, inside
from pixkin_server.folders.report import Report
from pixkin_server.folders.stored import chunks, items_from

CHUNK = 1000


def add_pictures(
    service: Service,
    collection: str,
    pictures: Iterable[Picture],
    report: Report,
    *,
    root: str = "",
    checksum: bool = False,
    progress: Callable[[int], Any] = lambda _: None,
) -> None:
    """Bring a collection up to date with pictures: only new and changed ones are sent and encoded.

    Labels and attributes of unchanged ones are updated all the same. `report` counts what happened, and `progress` is
    told how many pictures are done.
    """
    others = set(service.describe(collection).roots) - {root, ""}
    pictures = list(pictures)
    for other in sorted(others):
        _check_apart(service, collection, pictures, root, other)
    for chunk in chunks(sorted(pictures, key=lambda picture: picture.id), CHUNK):
        states = _states(service, collection, chunk, report, checksum=checksum)
        unchanged = [(picture, facts) for picture, facts, state in states if state is FileState.UNCHANGED]
        if others and unchanged:
            unchanged = list(_without_strangers(service, collection, unchanged, root, report))
        results = service.update(collection, [_update(picture, facts) for picture, facts in unchanged])
        for result in results:
            report.count(result)
        report.unchanged += len(unchanged) - len(results)
        wanted = [(picture, facts, state) for picture, facts, state in states if state is not FileState.UNCHANGED]
        progress(len(chunk) - len(wanted))
        new = _new_items(service, collection, wanted)
        # Without anything to add no extractor is loaded, and a second run over a folder is quick.
        for result in service.add_stream(collection, new, root=root) if wanted else ():
            report.count(result)
            progress(1)


def _states(
    service: Service, collection: str, pictures: Sequence[Picture], report: Report, *, checksum: bool
) -> list[tuple[Picture, FileFacts, FileState]]:
    """What is to be done about each picture; those whose file cannot be read are refused."""
    known = _known_facts(pictures, report, checksum=checksum)
    states = service.missing(collection, [(picture.id, facts) for picture, facts in known], checksum=checksum)
    found = [(*entry, state) for entry, state in zip(known, states, strict=True)]
    decided = [entry for entry in found if entry[2] is not FileState.CHECKSUM_NEEDED]
    unsure = [picture for picture, _, state in found if state is FileState.CHECKSUM_NEEDED]
    return decided + (_states(service, collection, unsure, report, checksum=True) if unsure else [])


def _known_facts(pictures: Iterable[Picture], report: Report, *, checksum: bool) -> list[tuple[Picture, FileFacts]]:
    found = []
    for picture in pictures:
        try:
            found.append((picture, facts_of(picture, checksum=checksum)))
        except PixkinError as error:
            report.refused.append(AddResult(picture.id, "refused", error))
    return found


def _new_items(
    service: Service, collection: str, wanted: Iterable[tuple[Picture, FileFacts, FileState]]
) -> Iterator[NewItem]:
    for picture, facts, state in wanted:
        old = Item(picture.id, labels=picture.first_labels)
        if state is FileState.CHANGED and (picture.labels is None or picture.attributes is None):
            old = _known_item(service, collection, picture.id)
        yield NewItem(
            id=picture.id,
            image=picture.path,
            labels=old.labels if picture.labels is None else picture.labels,
            attributes=old.attributes if picture.attributes is None else picture.attributes,
            source=str(picture.path),
            file=facts,
        )


def _known_item(service: Service, collection: str, item: str) -> Item:
    try:
        return service.get(collection, item)
    except UnknownItem:  # removed meanwhile
        return Item(item)


def _update(picture: Picture, facts: FileFacts) -> ItemUpdate:
    # Without a SHA-256, size and time decided: they are as stored, and writing them would lose the stored one.
    file = facts if facts.sha256 else None
    return ItemUpdate(picture.id, picture.labels, picture.attributes, file, str(picture.path))


def _check_apart(service: Service, collection: str, pictures: Sequence[Picture], root: str, other: str) -> None:
    """Raise InvalidArgument when a file has an id below another folder of the collection, one inside the other.

    Behind a prefix a file may stand twice: that has been asked for.
    """
    paths = {str(picture.path): picture.id for picture in pictures}
    there = {  # without names that cannot be ids: those are refused where they are added
        path.removeprefix(inside(other)): path
        for path, item in paths.items()
        if path == inside(root) + item and path.startswith(inside(other)) and path.isprintable()
    }
    for chunk in chunks(there, CHUNK):
        states = service.missing(collection, [(item, FileFacts()) for item in chunk])
        for item, state in zip(chunk, states, strict=True):
            if state is not FileState.NEW and service.get(collection, item).source == there[item]:
                raise InvalidArgument(
                    f"{there[item]} is in {collection} already, as {item!r} of the folder {other}; add or sync that "
                    "folder, or give these pictures a --prefix"
                )


def _without_strangers(
    service: Service, collection: str, pictures: Sequence[tuple[Picture, FileFacts]], root: str, report: Report
) -> Iterator[tuple[Picture, FileFacts]]:
    """Leave out, as refused, the pictures whose id belongs to an equal picture of another folder.

    The store refuses those that are added; these would be taken for unchanged.
    """
    first, last = min(picture.id for picture, _ in pictures), max(picture.id for picture, _ in pictures)
    between = itertools.takewhile(lambda item: item.id <= last, items_from(service, collection, first[:-1]))
    sources = {item.id: item.source for item in between}
    for picture, facts in pictures:
        source = sources.get(picture.id) or str(picture.path)
        if source == str(picture.path) or source.startswith(inside(root)):
            yield picture, facts
            continue
        error = InvalidId(
            f"the id {picture.id!r} belongs to {source}, this is {picture.path}; tell them apart with --prefix, "
            "or, if that folder has moved here, name it with index sync --moved-from"
        )
        report.refused.append(AddResult(picture.id, "refused", error))
