"""Which items of a folder have no picture any more, and which of them may only be out of sight.

An item whose file is there, or cannot be looked at, is never gone. Below a folder that is still there without a
picture in it, a drive may not be mounted; and where many are gone at once, something may be wrong with the folder.
Neither is removed unless the user says so.
"""

from __future__ import annotations

import errno
import itertools
import os
import stat
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path, PurePosixPath

from pixkin_proto.errors import InvalidId
from pixkin_proto.names import check_id
from pixkin_scoring.items import Item, ItemUpdate

from pixkin_server.api import Service
from pixkin_server.folders.files import sha256_of
from pixkin_server.folders.pictures import Picture, prefixed
from pixkin_server.folders.stored import items_below
from pixkin_server.folders.walking import Survey

FEW = 10
SHARE = 10  # one in ten
SAID = 5
ABSENT = {errno.ENOENT, errno.ENOTDIR}


@dataclass(frozen=True)
class Gone:
    """Items of a folder that the walk did not see.

    moves: those whose file is in another place now · absent: ids whose file is not there · emptied: such ids by the
    folder that has no picture left · passed_over: ids whose file is there, hidden or excluded · total: items of the
    folder.
    """

    moves: Sequence[ItemUpdate] = ()
    absent: Sequence[str] = ()
    emptied: Mapping[str, Sequence[str]] = field(default_factory=dict)
    passed_over: Sequence[str] = ()
    total: int = 0

    @property
    def certain(self) -> Sequence[str]:
        """The ids that are removed without leave: not many, from folders that have other pictures."""
        return self.absent if len(self.absent) <= max(FEW, self.total // SHARE) else ()

    @property
    def doubtful(self) -> Sequence[str]:
        """The ids that are removed only with leave."""
        many = () if self.certain else self.absent
        return [*many, *itertools.chain.from_iterable(self.emptied.values())]

    @property
    def everything(self) -> Sequence[str]:
        """The ids that are removed with leave, those too whose file is passed over."""
        return [*self.certain, *self.doubtful, *self.passed_over]

    def sentences(self) -> Iterator[str]:
        """Say what is doubtful, a sentence for each reason."""
        if self.absent and not self.certain:
            files = "file is" if len(self.absent) == 1 else "files are"
            yield f"{len(self.absent):,} of {self.total:,} {files} not there, the first is {self.absent[0]}"
        for folder, ids in itertools.islice(self.emptied.items(), SAID):
            yield f"{folder} has no picture left and {_items(len(ids))} below it: perhaps a drive is not mounted"
        if len(self.emptied) > SAID:
            yield f"so it is with {len(self.emptied) - SAID:,} more folders"


def find_gone(service: Service, collection: str, survey: Survey) -> Gone:
    """Compare the items that came from a folder with a walk through it."""
    items = list(items_below(service, collection, str(survey.root), survey.prefix))
    here, known = {picture.id for picture in survey.pictures}, {item.id for item in items}
    unseen = [item for item in items if item.id not in here]
    if not unseen:
        return Gone(total=len(items))
    new = [picture for picture in survey.pictures if picture.id not in known]
    renamed = {picture.id.casefold() for picture in new}
    states = {item.id: _state(survey, item.id, renamed) for item in unseen}
    vanished = [item for item in unseen if states[item.id] is _State.VANISHED]
    moves = _moves(vanished, new, survey.prefix)
    emptied = _by_emptied_folder(survey, vanished, moves)
    doubtful = set(itertools.chain.from_iterable(emptied.values()))
    return Gone(
        moves=moves,
        absent=sorted({item.id for item in vanished} - {move.id for move in moves} - doubtful),
        emptied=emptied,
        passed_over=[item for item, state in states.items() if state is _State.PASSED_OVER],
        total=len(items),
    )


class _State(Enum):
    """What the place says where an item's file was."""

    VANISHED = auto()
    PASSED_OVER = auto()
    THERE = auto()  # or out of sight: a link to nothing, a folder that cannot be read, a drive that does not answer


def _state(survey: Survey, item: str, renamed: Container[str]) -> _State:
    relative = _relative(item, survey.prefix)
    try:
        status = os.lstat(survey.root / relative)
    except OSError as error:
        return _State.VANISHED if error.errno in ABSENT and not _out_of_sight(survey, relative) else _State.THERE
    # In a file system that takes a.jpg and A.jpg for one, the old name of a renamed file is still there.
    if stat.S_ISDIR(status.st_mode) or item.casefold() in renamed:
        return _State.VANISHED
    return _State.PASSED_OVER if survey.choice.passes_over(survey.root, relative) else _State.THERE


def _out_of_sight(survey: Survey, relative: str) -> bool:
    """Whether a folder of the path could not be read, or is a link now: the walk follows none, wherever it leads."""
    folders = list(PurePosixPath(relative).parents)[:-1]
    return any(str(folder) in survey.unreadable or (survey.root / folder).is_symlink() for folder in folders)


def _relative(item: str, prefix: str) -> str:
    return item.removeprefix(prefixed("", prefix))


def _by_emptied_folder(survey: Survey, vanished: Sequence[Item], moves: Sequence[ItemUpdate]) -> dict[str, list[str]]:
    """The vanished items below folders that are there and have no picture; a folder that one moved out of was seen."""
    moved = {move.id for move in moves}
    seen = [*(picture.id for picture in survey.pictures), *moved]
    with_pictures = _folders_of(_relative(item, survey.prefix) for item in seen)
    found: dict[str, list[str]] = {}
    for item in vanished:
        folder = _standing_folder(survey.root, _relative(item.id, survey.prefix))
        if folder and folder not in with_pictures and item.id not in moved:
            found.setdefault(folder, []).append(item.id)
    return found


def _folders_of(paths: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


def _standing_folder(root: Path, relative: str) -> str:
    """The innermost folder of a path that is there, empty for the root."""
    folder = relative.rpartition("/")[0]
    while folder and not (root / folder).is_dir():
        folder = folder.rpartition("/")[0]
    return folder


def _moves(vanished: Sequence[Item], new: Sequence[Picture], prefix: str) -> list[ItemUpdate]:
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
            same = by_hash.get(sha256_of(picture.path)) if picture.path.stat().st_size in sizes else None
        except (OSError, InvalidId):
            continue  # reported when it is added
        if same:
            item = same.pop(0)
            labels = _labels_there(item, picture, prefix)
            moves.append(ItemUpdate(item.id, labels, new_id=picture.id, source=str(picture.path)))
    return moves


def _labels_there(item: Item, picture: Picture, prefix: str) -> frozenset[str] | None:
    """The labels with those of the new folder for that of the old one; None when the user has none from folders."""
    before = _relative(item.id, prefix).partition("/")[0]
    if not picture.first_labels or before not in item.labels:
        return None
    return item.labels - {before} | picture.first_labels


def _items(count: int) -> str:
    return f"{count:,} item" if count == 1 else f"{count:,} items"
