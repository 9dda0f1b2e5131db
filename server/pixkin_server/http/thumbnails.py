"""The thumbnail of an item, as a JPEG that was written here whatever the store holds."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

from pixkin_embedding.images import decode, thumbnail
from pixkin_proto.errors import InvalidImage, NoPicture
from starlette.responses import Response

from pixkin_server.calls import Calls, remaining
from pixkin_server.engine import Engine
from pixkin_server.http.incoming import Incoming
from pixkin_server.http.page import has

MAX_KEPT = 2000  # of about 8 KiB each
CACHE = "private, max-age=60"  # the item may get another picture, and its name another collection


class Thumbnails:
    """Answers with thumbnails; the latest are kept."""

    def __init__(self, engine: Engine, calls: Calls) -> None:
        self._engine, self._calls = engine, calls
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._using = threading.Lock()

    async def __call__(self, incoming: Incoming) -> Response:
        """Return the thumbnail of an item, or 304. Raises UnknownCollection, UnknownItem and NoPicture."""
        incoming.query(())
        context = incoming.context()
        collection, item = incoming.path["collection"], incoming.path["id"]
        work = self._calls.run(context, self._found, collection, item, incoming, remaining(context))
        tag, jpeg = await incoming.attended(work)
        headers = {"etag": tag, "cache-control": CACHE}
        if jpeg is None:
            return Response(status_code=304, headers=headers)
        return Response(jpeg, headers=headers, media_type="image/jpeg")

    def _found(self, collection: str, item: str, incoming: Incoming, timeout: float) -> tuple[str, bytes | None]:
        stored = self._engine.get(collection, item, thumbnail=True, timeout=timeout).thumbnail
        if not stored:
            raise NoPicture(f"item {item!r} of collection {collection} has no thumbnail; it was added without")
        digest = hashlib.sha256(stored).hexdigest()[:32]
        tag = f'"{digest}"'
        return tag, None if has(incoming, tag) else self._written(digest, stored)

    def _written(self, digest: str, stored: bytes) -> bytes:
        with self._using:
            if digest in self._kept:
                self._kept.move_to_end(digest)
                return self._kept[digest]
        try:
            jpeg = thumbnail(decode(stored))
        except InvalidImage as error:
            raise NoPicture(f"the stored thumbnail is no picture ({error.detail}); add the item again") from None
        with self._using:
            self._kept[digest] = jpeg
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return jpeg
