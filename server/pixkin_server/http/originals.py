"""The file that an item came from: found by the item's id, and only inside the folders that the operator named."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from pixkin_embedding.formats import recognise
from pixkin_embedding.limits import FOLDER_LIMITS
from pixkin_proto.errors import InvalidImage, NoPicture, OriginalsDisabled
from pixkin_scoring.items import Item
from starlette.responses import Response

from pixkin_server.calls import Calls, remaining
from pixkin_server.engine import Engine
from pixkin_server.http.incoming import Incoming
from pixkin_server.http.page import tagged

GONE = "the file of this item cannot be shown: {}; the thumbnail can"
CACHE = "private, no-cache"


class Originals:
    """Answers with original files below some folders, none where there are none.

    An item names a file, and whoever adds items names any: which files may be shown is said by the operator alone.
    """

    def __init__(self, engine: Engine, calls: Calls, *, folders: Sequence[Path]) -> None:
        self._engine, self._calls, self._folders = engine, calls, folders

    async def __call__(self, incoming: Incoming) -> Response:
        """Return the file of an item. Raises OriginalsDisabled, UnknownCollection, UnknownItem and NoPicture."""
        incoming.query(())
        if not self._folders:
            raise OriginalsDisabled
        context = incoming.context()
        collection, item = incoming.path["collection"], incoming.path["id"]
        work = self._calls.run(context, self._read, collection, item, remaining(context))
        content, name = await incoming.attended(work)
        return tagged(incoming, content, f"image/{name.lower()}", cache=CACHE)

    def _read(self, collection: str, item: str, timeout: float) -> tuple[bytes, str]:
        content = _content(_inside(self._engine.get(collection, item, timeout=timeout), self._folders))
        try:
            return content, recognise(content, FOLDER_LIMITS)
        except InvalidImage as error:
            raise NoPicture(GONE.format(error.detail)) from None


def _inside(item: Item, folders: Sequence[Path]) -> Path:
    """Return the item's file with all links followed. Raises NoPicture unless it lies inside one of the folders."""
    if not Path(item.source).is_absolute():
        raise NoPicture(GONE.format("it was not added from a folder"))
    try:
        file = Path(item.source).resolve(strict=True)
    except (OSError, ValueError, RuntimeError):  # RuntimeError: links in a circle
        raise NoPicture(GONE.format("it is not there any more")) from None
    if not any(file.is_relative_to(folder) for folder in folders):
        raise NoPicture(GONE.format("it is not inside a folder whose pictures this server shows"))
    return file


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise NoPicture(GONE.format("it is no file"))
    try:
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    except OSError:
        raise NoPicture(GONE.format("it cannot be read")) from None
    with file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):  # it was replaced just now
            raise NoPicture(GONE.format("it is no file"))
        if found.st_size > FOLDER_LIMITS.max_bytes:
            raise NoPicture(GONE.format(f"it has more than {FOLDER_LIMITS.max_bytes:,} bytes"))
        return file.read(FOLDER_LIMITS.max_bytes)
