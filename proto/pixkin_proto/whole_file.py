"""The one way to write a file: its name never stands for a part of it, nor beside the old half of a pair."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from pixkin_proto.errors import InvalidArgument

FOLDER_MODE = 0o700
"""Of a folder that is made: extractors may be trained on a user's pictures, and reports show them."""


def write_whole(path: Path, content: bytes, *, otherwise: str) -> None:
    """Write a file and its folder; what was there stays until the new one is whole, and nothing is left of a failure.

    otherwise: what to do when it cannot be written, for the InvalidArgument that says so.
    """
    with _faults(path, otherwise):
        if not path.parent.is_dir():
            path.parent.parent.mkdir(parents=True, exist_ok=True)
            path.parent.mkdir(FOLDER_MODE, exist_ok=True)
    with written_whole(path, otherwise=otherwise) as (file,):
        file.write(content)


@contextmanager
def written_whole(*paths: Path, otherwise: str = "name another place") -> Iterator[tuple[BinaryIO, ...]]:
    """Open files that take their places together when the block is through; nothing is left of a block that fails.

    A process that is killed leaves the old files, or the first one old or new and the others missing, or the new ones,
    and never a new one beside an old one. What it had written stays beside them until somebody writes there again.
    Pipes and devices are written as it comes. Raises InvalidArgument for what cannot be written.
    """
    places = [Path(os.path.realpath(path)) for path in paths]
    with _faults(paths[0], otherwise), ExitStack() as opened:
        files = []
        for path, place in zip(paths, places, strict=True):
            with _faults(path, otherwise):
                files.append(opened.enter_context(_part_of(place)))
        yield tuple(file for file, _ in files)
        for file, part in files:
            file.flush()
            if part:
                os.fsync(file.fileno())
        _put([(part, place) for (_, part), place in zip(files, places, strict=True) if part])


@contextmanager
def _faults(path: Path, otherwise: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidArgument(f"{path} cannot be written: {error.strerror}; {otherwise}") from error


@contextmanager
def _part_of(place: Path) -> Iterator[tuple[BinaryIO, Path | None]]:
    """Open a file beside `place` that is there as long as the block; the place itself where it is a pipe or device."""
    if place.is_dir():
        raise IsADirectoryError(0, "it is a folder")
    if place.exists() and not place.is_file():
        with place.open("wb") as stream:
            yield stream, None
        return
    _clear(place)
    part, file = _new_part(place)
    with file:
        try:
            yield file, part
        finally:
            part.unlink(missing_ok=True)


def _new_part(place: Path) -> tuple[Path, BinaryIO]:
    while True:
        part = place.with_name(f".{place.name}.{secrets.randbelow(10**9)}.part")
        file = part.open("xb")
        with contextlib.suppress(OSError):  # without locks nobody takes it for a file that was left
            _lock(file)
        if part.exists():
            return part, file
        file.close()  # another writer cleared it away before it was locked


def _put(parts: list[tuple[Path, Path]]) -> None:
    for _, place in parts[1:]:
        place.unlink(missing_ok=True)
    for part, place in parts:
        part.replace(place)
    for folder in {place.parent for _, place in parts}:
        _sync(folder)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _clear(place: Path) -> None:
    """Remove what killed processes left of files of this kind: nobody holds the lock of it."""
    kind = f".+{re.escape(place.suffix)}" if place.suffix else re.escape(place.name)
    left = re.compile(rf"\.({kind}\.\d+|{re.escape(place.name)})\.part")
    for part in place.parent.iterdir():
        if left.fullmatch(part.name):
            with contextlib.suppress(OSError), part.open("r+b") as file:
                _lock(file)
                part.unlink()


def _lock(file: BinaryIO) -> None:
    """Take the lock that ends with the process. Raises OSError when another has it, or there are no locks here."""
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
