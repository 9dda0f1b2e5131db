"""Folders of pictures, and how a collection is brought up to date with them."""

from __future__ import annotations

import hashlib
import itertools
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pixkin_proto.errors import InvalidArgument, InvalidId, InvalidImage, PixkinError, UnknownItem
from pixkin_proto.names import check_id
from pixkin_scoring.items import AddResult, Attribute, FileFacts, Item, ItemUpdate

from pixkin_server.api import FileState, NewItem, Service

T = TypeVar("T")
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"})
CHUNK = 1000
PAGE = 10_000


@dataclass(frozen=True)
class Picture:
    """A picture's file and what is said about it; None leaves labels or attributes as they are."""

    id: str
    path: Path
    labels: frozenset[str] | None = None
    attributes: Mapping[str, Attribute] | None = None


@dataclass
class Report:
    """How many pictures came to what, and which were refused and why.

    `updated` ones were not encoded again, but their labels, attributes or file facts changed.
    """

    added: int = 0
    replaced: int = 0
    updated: int = 0
    unchanged: int = 0
    moved: int = 0
    removed: int = 0
    refused: list[AddResult] = field(default_factory=list)

    def count(self, result: AddResult) -> None:
        """Count one result of an addition or an update."""
        match result.state:
            case "added":
                self.added += 1
            case "replaced":
                self.replaced += 1
            case "updated":
                self.updated += 1
            case _:
                self.refused.append(result)


def walk(folder: Path, *, prefix: str = "", labels_from_folders: bool = False) -> list[Picture]:
    """Find the pictures below a folder, by the name of their file, in order of id.

    An id is the path relative to the folder, behind `prefix/` when there is one. With labels_from_folders the first
    folder of that path is the picture's label. Links to folders are not followed. Raises InvalidArgument when there is
    no such folder, a folder cannot be read, or there are no pictures.
    """
    if not folder.is_dir():
        raise InvalidArgument(f"there is no folder {folder}")
    root = folder.resolve()
    found = [
        _below(root, path.relative_to(root), prefix, labels_from_folders=labels_from_folders) for path in _files(root)
    ]
    if not found:
        raise InvalidArgument(
            f"{folder} has no pictures ({', '.join(sorted(SUFFIXES))}; not HEIC or TIFF); nothing was changed"
        )
    return sorted(found, key=lambda picture: picture.id)


def single(file: Path, *, prefix: str = "") -> Picture:
    """Return one file as a picture; its id is its name. Raises InvalidArgument when it is not there."""
    if not file.is_file():
        raise InvalidArgument(f"there is no file or folder {file}")
    return _below(file.parent.resolve(), Path(file.name), prefix)


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
    for chunk in _chunks(sorted(pictures, key=lambda picture: picture.id), CHUNK):
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


def sync_folder(
    service: Service,
    collection: str,
    folder: Path,
    pictures: Sequence[Picture],
    *,
    prefix: str = "",
    checksum: bool = False,
    progress: Callable[[int], Any] = lambda _: None,
) -> Report:
    """Bring a collection up to date with a folder, of which `pictures` is the walk with the same prefix.

    As add_pictures does, and items whose file vanished are removed, those whose file moved get its new id. Items of
    other folders and prefixes stay as they are.
    """
    root = str(folder.resolve())
    items = list(_items_below(service, collection, root, prefix))
    known, here = {item.id for item in items}, {picture.id for picture in pictures}
    vanished = [item for item in items if item.id not in here]
    moves = _moves(vanished, [picture for picture in pictures if picture.id not in known])
    moved = {result.id for result in service.update(collection, moves) if result.error is None}
    gone = sorted({item.id for item in vanished} - moved)
    removed = service.remove(collection, gone) if gone else []
    report = Report(moved=len(moved), removed=len(removed))
    add_pictures(service, collection, pictures, report, root=root, checksum=checksum, progress=progress)
    return report


def rebase(service: Service, collection: str, old: Path, new: Path, *, prefix: str = "") -> int:
    """Tell a collection that the folder `old` is now `new`; returns how many items came from it.

    Raises InvalidArgument when none did.
    """
    before, after = str(old.absolute()), str(new.resolve())
    items = list(_items_below(service, collection, before, prefix))
    if not items:
        raise InvalidArgument(
            f"no picture of {collection} came from {before}; its folders are named by: index describe"
        )
    paths = {item.id: _inside(after) + item.source.removeprefix(_inside(before)) for item in items}
    service.update(collection, [ItemUpdate(item, source=path, root=after) for item, path in paths.items()])
    return len(items)


def _files(root: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise InvalidArgument(f"the folder {error.filename} cannot be read: {error.strerror}; nothing was changed")

    for place, _, names in os.walk(root, onerror=refuse):
        paths = (Path(place, name) for name in names)
        yield from (path for path in paths if path.suffix.lower() in SUFFIXES and _may_be_file(path))


def _may_be_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return True  # it is there, and refused with the reason when it is read


def _below(root: Path, relative: Path, prefix: str, *, labels_from_folders: bool = False) -> Picture:
    label = frozenset({relative.parts[0]}) if labels_from_folders and len(relative.parts) > 1 else None
    return Picture(prefixed(relative.as_posix(), prefix), root / relative, label)


def prefixed(item: str, prefix: str) -> str:
    """Return an id behind `prefix/`, or as it is when there is no prefix."""
    return f"{prefix.rstrip('/')}/{item}" if prefix else item


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
            found.append((picture, _facts(picture, checksum=checksum)))
        except PixkinError as error:
            report.refused.append(AddResult(picture.id, "refused", error))
    return found


def _facts(picture: Picture, *, checksum: bool) -> FileFacts:
    check_id(picture.id)
    try:
        str(picture.path).encode()
        status = picture.path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InvalidImage("unsupported_format", f"{picture.path} is no file")
        return FileFacts(status.st_size, status.st_mtime_ns, _sha256(picture.path) if checksum else b"")
    except UnicodeEncodeError:
        raise InvalidId(f"the path {str(picture.path)!a} is no valid UTF-8; rename the file or folder") from None
    except OSError as error:
        raise InvalidImage("corrupt", f"{picture.path} cannot be read: {error.strerror}") from error


def _sha256(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _new_items(
    service: Service, collection: str, wanted: Iterable[tuple[Picture, FileFacts, FileState]]
) -> Iterator[NewItem]:
    for picture, facts, state in wanted:
        old = Item(picture.id)
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
        path.removeprefix(_inside(other)): path
        for path, item in paths.items()
        if path == _inside(root) + item and path.startswith(_inside(other)) and path.isprintable()
    }
    for chunk in _chunks(there, CHUNK):
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
    between = itertools.takewhile(lambda item: item.id <= last, _items_from(service, collection, first[:-1]))
    sources = {item.id: item.source for item in between}
    for picture, facts in pictures:
        source = sources.get(picture.id) or str(picture.path)
        if source == str(picture.path) or source.startswith(_inside(root)):
            yield picture, facts
            continue
        error = InvalidId(
            f"the id {picture.id!r} belongs to {source}, this is {picture.path}; tell them apart with --prefix, "
            "or, if that folder has moved here, name it with index sync --moved-from"
        )
        report.refused.append(AddResult(picture.id, "refused", error))


def _items_from(service: Service, collection: str, after: str = "") -> Iterator[Item]:
    """All items whose id sorts after a text, by id."""
    while page := service.list_items(collection, size=PAGE, after=after):
        yield from page
        after = page[-1].id


def _items_below(service: Service, collection: str, root: str, prefix: str) -> Iterator[Item]:
    """The items that a walk of this folder with this prefix has made."""
    start = prefixed("", prefix)
    for item in _items_from(service, collection):
        if item.id.startswith(start) and item.source == _inside(root) + item.id.removeprefix(start):
            yield item


def _inside(root: str) -> str:
    return f"{root.rstrip('/')}/"


def _moves(vanished: Sequence[Item], new: Sequence[Picture]) -> list[ItemUpdate]:
    """Pair vanished items with new files of the same contents, each once."""
    by_hash: dict[bytes, list[Item]] = {}
    for item in vanished:
        if item.file.sha256:
            by_hash.setdefault(item.file.sha256, []).append(item)
    sizes = {item.file.size for item in vanished}
    moves = []
    for picture in new:
        try:
            check_id(picture.id)
            same = by_hash.get(_sha256(picture.path)) if picture.path.stat().st_size in sizes else None
        except (OSError, InvalidId):
            continue  # reported when it is added
        if same:
            moves.append(ItemUpdate(same.pop(0).id, new_id=picture.id, source=str(picture.path)))
    return moves


def _chunks(entries: Iterable[T], size: int) -> Iterator[list[T]]:
    source = iter(entries)
    while chunk := list(itertools.islice(source, size)):
        yield chunk
