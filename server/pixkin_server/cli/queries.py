"""Queries as they are written on the command line: PATH, - or id:ID, each with an optional @WEIGHT."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pixkin_embedding.images import Box
    from pixkin_embedding.limits import Limits

    from pixkin_server.api import Query

ITEM = "id:"
STDIN = "-"


def parse_queries(texts: Sequence[str], crop: str | None) -> list[Query]:
    """Read queries; the crop `x,y,w,h` belongs to the pictures among them. Raises InvalidArgument, InvalidImage."""
    from pixkin_server.api import Query

    box = None if crop is None else _box(crop)
    named = [split_weight(text) for text in texts]
    if [name for name, _ in named].count(STDIN) > 1:
        raise click.UsageError(f"{STDIN} is the picture on standard input, which can be read once")
    found = []
    for name, weight in named:
        if name.startswith(ITEM):
            found.append(Query(id=name.removeprefix(ITEM), weight=weight))
        else:
            found.append(Query(image=_read(name), crop=box, weight=weight))
    if box and all(query.image is None for query in found):
        raise click.UsageError("--crop belongs to a picture; an item queried by id has its vectors already")
    return found


def split_weight(text: str) -> tuple[str, float]:
    """Split off @WEIGHT, unless the whole text is a file or what follows is no finite number."""
    name, _, after = text.rpartition("@")
    try:
        weight = float(after)
    except ValueError:
        weight = math.nan
    return (text, 1.0) if not name or not math.isfinite(weight) or os.path.exists(text) else (name, weight)  # noqa: PTH110  # Path.exists raises for long names


def _read(name: str) -> bytes:
    from pixkin_embedding.limits import FOLDER_LIMITS
    from pixkin_proto.errors import InvalidArgument

    from pixkin_server.files import read_picture
    from pixkin_server.folders.pictures import NOT_THERE

    if name == STDIN:
        return _standard_input(FOLDER_LIMITS)
    try:
        os.stat(name)  # noqa: PTH116  # a name of any kind
    except OSError as error:
        if error.errno in NOT_THERE:
            raise InvalidArgument(
                f"there is no picture {name}; an item of the collection is written {ITEM}{name}"
            ) from None
    if os.path.isdir(name):  # noqa: PTH112  # the same
        raise InvalidArgument(f"{name} is a folder; a query is a picture")
    return read_picture(Path(name), FOLDER_LIMITS)


def _standard_input(limits: Limits) -> bytes:
    from pixkin_proto.errors import InvalidImage

    from pixkin_server.files import read_stream

    if sys.stdin is None:
        raise InvalidImage("empty", f"standard input is closed; {STDIN} reads a picture from it")
    try:
        return read_stream(sys.stdin.buffer, limits)
    except OSError as error:
        raise InvalidImage("corrupt", f"standard input cannot be read: {error.strerror}") from error


def _box(text: str) -> Box:
    from pixkin_embedding.images import Box

    try:
        x, y, width, height = (float(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is not x,y,w,h in pixels", param_hint="--crop") from None
    return Box(x, y, width, height)
