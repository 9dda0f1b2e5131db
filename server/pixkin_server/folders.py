"""Folders and manifests of pictures, and how a collection is brought up to date with them."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pixkin_proto.errors import InvalidArgument, InvalidImage
from pixkin_scoring.items import AddResult, Attribute, FileFacts, Item, ItemUpdate

from pixkin_server.api import FileState, NewItem, Service

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"})
CHUNK = 1000
PAGE = 1000


@dataclass(frozen=True)
class Picture:
    """A picture's file and what is said about it; None leaves labels or attributes as they are."""

    id: str
    path: Path
    labels: frozenset[str] | None = None
    attributes: Mapping[str, Attribute] | None = None


@dataclass
class Report:
    """How many pictures came to what, and which were refused and why."""

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    moved: int = 0
    removed: int = 0
    refused: list[AddResult] = field(default_factory=list)

    def count(self, result: AddResult) -> None:
        """Count one result of an addition."""
        if result.state == "refused":
            self.refused.append(result)
        elif result.state == "added":
            self.added += 1
        else:
            self.replaced += 1


def walk(folder: Path, *, prefix: str = "", labels_from_folders: bool = False) -> list[Picture]:
    """Find the pictures below a folder, by name of their file, in order of id.

    An id is the path relative to the folder, behind `prefix/` when there is one. With labels_from_folders the first
    folder of that path is the picture's label. Raises InvalidArgument when there is no such folder or nothing in it.
    """
    if not folder.is_dir():
        raise InvalidArgument(f"there is no folder {folder}")
    found = [path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()]
    if not found:
        raise InvalidArgument(f"{folder} has no pictures ({', '.join(sorted(SUFFIXES))})")
    return sorted(
        (_picture(path, folder, prefix, labels_from_folders=labels_from_folders) for path in found),
        key=lambda each: each.id,
    )


def single(file: Path, *, prefix: str = "") -> Picture:
    """Return one file as a picture; its id is its name."""
    if not file.is_file():
        raise InvalidArgument(f"there is no file or folder {file}")
    return _picture(file, file.parent, prefix)


def read_manifest(file: Path) -> list[Picture]:
    """Read a list of pictures from a .csv or .jsonl file.

    CSV: columns id, path, labels (separated by `;`), and any others as attributes. JSONL: one object a line with id,
    path, labels as a list, attributes as an object. Paths are relative to the manifest; id defaults to path. Raises
    InvalidArgument naming the line.
    """
    readers: dict[str, Callable[[Path], Iterator[dict[str, Any]]]] = {".csv": _csv_rows, ".jsonl": _jsonl_rows}
    if file.suffix.lower() not in readers:
        raise InvalidArgument(f"{file} is no manifest; its name ends in .csv or .jsonl")
    try:
        rows = list(readers[file.suffix.lower()](file))
    except (OSError, ValueError, csv.Error) as error:
        raise InvalidArgument(f"the manifest {file} cannot be read: {error}") from error
    return [_manifest_picture(row, file, line) for line, row in enumerate(rows, 1)]


def add_pictures(
    service: Service,
    collection: str,
    pictures: Sequence[Picture],
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
    for chunk in _chunks(pictures, CHUNK):
        states = _states(service, collection, chunk, report, checksum=checksum)
        known = [(picture, facts) for picture, facts, state in states if state is FileState.UNCHANGED]
        service.update(collection, [_update(picture, facts) for picture, facts in known])
        report.unchanged += len(known)
        progress(len(chunk) - sum(state is not FileState.UNCHANGED for _, _, state in states))
        wanted = (_new_item(picture, facts) for picture, facts, state in states if state is not FileState.UNCHANGED)
        for result in service.add(collection, wanted, root=root):
            report.count(result)
            progress(1)


def sync_folder(
    service: Service,
    collection: str,
    folder: Path,
    pictures: Sequence[Picture],
    *,
    checksum: bool = False,
    progress: Callable[[int], Any] = lambda _: None,
) -> Report:
    """Bring a collection up to date with a folder.

    As add_pictures does, and items whose file vanished are removed, those whose file moved get its new id.
    """
    root = str(folder.resolve())
    here = {picture.id for picture in pictures}
    vanished = [item for item in _items_below(service, collection, root) if item.id not in here]
    known = {item.id for item in _items_below(service, collection, root)} if vanished else set()
    moves = _moves(vanished, [picture for picture in pictures if picture.id not in known])
    service.update(collection, moves)
    gone = {item.id for item in vanished} - {move.id for move in moves}
    removed = service.remove(collection, sorted(gone)) if gone else []
    report = Report(moved=len(moves), removed=len(removed))
    add_pictures(service, collection, pictures, report, root=root, checksum=checksum, progress=progress)
    return report


def _picture(path: Path, folder: Path, prefix: str, *, labels_from_folders: bool = False) -> Picture:
    relative = path.relative_to(folder)
    parts = (prefix, *relative.parts) if prefix else relative.parts
    label = frozenset({relative.parts[0]}) if labels_from_folders and len(relative.parts) > 1 else None
    return Picture("/".join(parts), path, label)


def _csv_rows(file: Path) -> Iterator[dict[str, Any]]:
    with file.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines, strict=True):
            labels = [label.strip() for label in (row.pop("labels", None) or "").split(";")]
            fixed = {key: row.pop(key) for key in ("id", "path") if key in row}
            attributes = {key: _typed(value) for key, value in row.items() if key and value}
            yield {**fixed, "labels": [label for label in labels if label], "attributes": attributes}


def _jsonl_rows(file: Path) -> Iterator[dict[str, Any]]:
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            row = json.loads(line)
            if not isinstance(row, dict):
                raise TypeError(f"line {number} is no JSON object") from None
            yield row


def _typed(text: str) -> Attribute:
    try:
        return float(text)
    except ValueError:
        return text


def _manifest_picture(row: Mapping[str, Any], file: Path, line: int) -> Picture:
    labels, attributes = row.get("labels"), row.get("attributes")
    path = row.get("path")
    good_labels = labels is None or (isinstance(labels, list) and all(isinstance(label, str) for label in labels))
    good_attributes = attributes is None or (
        isinstance(attributes, dict)
        and all(isinstance(v, str | int | float) and not isinstance(v, bool) for v in attributes.values())
    )
    if not isinstance(path, str) or not path or not good_labels or not good_attributes:
        raise InvalidArgument(
            f"entry {line} of {file} is not {{id, path, labels: [texts], attributes: {{name: text or number}}}}: {row}"
        )
    typed = {key: value if isinstance(value, str) else float(value) for key, value in (attributes or {}).items()}
    return Picture(
        id=str(row.get("id") or path),
        path=file.parent / path,
        labels=None if labels is None else frozenset(labels),
        attributes=None if attributes is None else typed,
    )


def _states(
    service: Service, collection: str, pictures: Sequence[Picture], report: Report, *, checksum: bool
) -> list[tuple[Picture, FileFacts, FileState]]:
    """What is to be done about each picture; those whose file cannot be read are refused."""
    found = []
    for picture in pictures:
        try:
            found.append((picture, _facts(picture, checksum=checksum)))
        except OSError as error:
            why = InvalidImage("corrupt", f"{picture.path} cannot be read: {error.strerror}")
            report.refused.append(AddResult(picture.id, "refused", why))
    states = service.missing(collection, [(picture.id, facts) for picture, facts in found], checksum=checksum)
    unsure = [at for at, state in enumerate(states) if state is FileState.CHECKSUM_NEEDED]
    for at in unsure:
        found[at] = (found[at][0], _facts(found[at][0], checksum=True))
    asked = service.missing(collection, [(found[at][0].id, found[at][1]) for at in unsure]) if unsure else []
    for at, state in zip(unsure, asked, strict=True):
        states[at] = state
    return [(picture, facts, state) for (picture, facts), state in zip(found, states, strict=True)]


def _facts(picture: Picture, *, checksum: bool) -> FileFacts:
    stat = picture.path.stat()
    return FileFacts(stat.st_size, stat.st_mtime_ns, _sha256(picture.path) if checksum else b"")


def _sha256(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _new_item(picture: Picture, facts: FileFacts) -> NewItem:
    return NewItem(
        id=picture.id,
        image=picture.path,
        labels=picture.labels or frozenset(),
        attributes=picture.attributes or {},
        source=str(picture.path.resolve()),
        file=facts,
    )


def _update(picture: Picture, facts: FileFacts) -> ItemUpdate:
    return ItemUpdate(picture.id, picture.labels, picture.attributes, facts, str(picture.path.resolve()))


def _items_below(service: Service, collection: str, root: str) -> Iterator[Item]:
    after = ""
    while page := service.list_items(collection, size=PAGE, after=after):
        yield from (item for item in page if item.source.startswith(f"{root}/"))
        after = page[-1].id


def _moves(vanished: Sequence[Item], new: Sequence[Picture]) -> list[ItemUpdate]:
    """Pair vanished items with new files of the same contents, each once."""
    by_hash = {item.file.sha256: item for item in vanished if item.file.sha256}
    moves = []
    for picture in new if by_hash else ():
        try:
            item = by_hash.pop(_sha256(picture.path), None)
        except OSError:
            continue  # reported when it is added
        if item is not None:
            moves.append(ItemUpdate(item.id, new_id=picture.id, source=str(picture.path.resolve())))
    return moves


def _chunks(pictures: Iterable[Picture], size: int) -> Iterator[list[Picture]]:
    source = iter(pictures)
    while chunk := list(itertools.islice(source, size)):
        yield chunk
