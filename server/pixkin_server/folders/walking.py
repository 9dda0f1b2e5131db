"""The walk through a folder: its pictures, and what was passed over or could not be read."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pixkin_proto.errors import InvalidArgument

from pixkin_server.folders.choosing import EVERYTHING_USUAL, Choice
from pixkin_server.folders.kinds import LINKED, PICTURE, kind_of_file, seems_pictorial, sentence
from pixkin_server.folders.pictures import Picture, prefixed


@dataclass
class Survey:
    """What a walk came upon.

    root: the folder without links · pictures: in order of id · passed_over: how many by kind · unreadable: why, by the
    path of the folder below root.
    """

    root: Path
    choice: Choice = EVERYTHING_USUAL
    prefix: str = ""
    pictures: list[Picture] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)
    unreadable: dict[str, str] = field(default_factory=dict)


def survey(
    folder: Path, *, prefix: str = "", labels_from_folders: bool = False, choice: Choice = EVERYTHING_USUAL
) -> Survey:
    """Walk a folder, and return its pictures and what else there is.

    An id is the path relative to the folder, behind `prefix/` when there is one. With labels_from_folders the first
    folder of that path is the picture's label. Links to folders are not followed; a folder below that cannot be read
    costs what is in it alone. Raises InvalidArgument when there is no such folder, it cannot be read, or there are no
    pictures.
    """
    if not folder.is_dir():
        raise InvalidArgument(f"there is no folder {folder}")
    found = Survey(folder.resolve(), choice, prefix)
    pictures = (_picture(found, relative, labels_from_folders=labels_from_folders) for relative in _files(found))
    found.pictures = sorted(pictures, key=lambda picture: picture.id)
    if not found.pictures:
        raise InvalidArgument(f"{folder} has no pictures: {_what_else(found)}; nothing was changed")
    return found


def walk(
    folder: Path,
    *,
    prefix: str = "",
    labels_from_folders: bool = False,
    tell: Callable[[str], Any] = lambda _: None,
) -> list[Picture]:
    """Return the pictures of `survey` alone; `tell` is given a sentence on what was passed over.

    Raises InvalidArgument as survey does, and for a folder below that cannot be read.
    """
    found = survey(folder, prefix=prefix, labels_from_folders=labels_from_folders)
    for place, reason in found.unreadable.items():
        raise InvalidArgument(f"the folder {found.root / place} cannot be read: {reason}; nothing was changed")
    if found.passed_over:
        tell(sentence(found.passed_over))
    return found.pictures


def _what_else(found: Survey) -> str:
    from pixkin_embedding.formats import FORMATS

    said = [f"no file is {', '.join(FORMATS)}"]
    if found.passed_over:
        said.append(sentence(found.passed_over))
    said += [f"{place} cannot be read: {reason}" for place, reason in list(found.unreadable.items())[:3]]
    return "; ".join(said)


def _picture(found: Survey, relative: str, *, labels_from_folders: bool) -> Picture:
    first, slash, _ = relative.partition("/")
    label = frozenset({first}) if labels_from_folders and slash else None
    return Picture(prefixed(relative, found.prefix), found.root / relative, label)


def _files(found: Survey) -> Iterator[str]:
    """The paths below root of the files that are pictures."""
    root = str(found.root)

    def note(error: OSError) -> None:
        place = str(error.filename)
        if place == root:
            raise InvalidArgument(f"the folder {place} cannot be read: {error.strerror}; nothing was changed")
        found.unreadable[os.path.relpath(place, root)] = str(error.strerror)

    for place, folders, names in os.walk(root, onerror=note):
        start = "" if place == root else f"{os.path.relpath(place, root)}/"
        folders[:] = [name for name in folders if _is_entered(found, start + name)]
        yield from (start + name for name in names if _is_taken(found, start + name, name))


def _is_entered(found: Survey, relative: str) -> bool:
    why = found.choice.folder(found.root, relative)
    if not why and (found.root / relative).is_symlink():
        why = LINKED
    if why:
        found.passed_over[why] += 1
    return not why


def _is_taken(found: Survey, relative: str, name: str) -> bool:
    kind = found.choice.file(found.root, relative)
    if kind and not seems_pictorial(name):
        return False
    kind = kind or kind_of_file(f"{found.root}/{relative}", name)
    if kind and kind != PICTURE:
        found.passed_over[kind] += 1
    return kind == PICTURE
