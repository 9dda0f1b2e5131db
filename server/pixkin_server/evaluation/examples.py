"""How a query of a ground truth becomes a query of a search."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from pixkin_embedding.images import Box
from pixkin_embedding.limits import FOLDER_LIMITS
from pixkin_proto.errors import InvalidArgument
from pixkin_scoring.evaluation.judgements import JudgedQuery
from pixkin_scoring.items import Vectors

from pixkin_server.api import Query, Service
from pixkin_server.files import read_picture
from pixkin_server.folders import walk


class Examples:
    """Makes queries for one collection.

    images: folder of the pictures, where the collection's own sources cannot be read here · keep: whether a picture is
    encoded once by every extractor of the collection and its vectors are kept, for many searches with it; those of
    derived descriptors are computed of these by the search.
    """

    def __init__(self, service: Service, collection: str, *, images: Path | None = None, keep: bool = False) -> None:
        self._service, self._collection, self._images = service, collection, images
        described = service.describe(collection)
        descriptors = described.descriptors
        self._known = frozenset(descriptor.name for descriptor in descriptors)
        self._derived = described.derived
        self._extractors = sorted({descriptor.extractor for descriptor in descriptors if descriptor.fingerprint})
        self._kept: dict[str, Vectors] | None = {} if keep else None
        self._files: dict[str, str] | None = None

    def query(self, judged: JudgedQuery) -> Query:
        """Return what is searched with. Raises InvalidArgument when a picture that is needed cannot be found."""
        if judged.picture or judged.box:
            return self._picture(judged)
        if judged.collection and judged.collection != self._collection:
            stored = self._service.get(judged.collection, judged.item, vectors=True).vectors
            known = {name: vector for name, vector in stored.items() if name in self._known}
            # The other collection may derive by another whitening: what is derived here is computed here.
            return Query(vectors={name: known[name] for name in known.keys() - self._derived} or known)
        return Query(id=judged.item)

    def file(self, judged: JudgedQuery) -> Path | None:
        """Return the picture's file, None when it is not at hand."""
        if judged.picture:
            return Path(judged.picture)
        source = Path(self._service.get(judged.collection or self._collection, judged.item).source)
        if source.is_file():
            return source
        name = self._by_name().get(PurePosixPath(judged.item).stem)
        return None if name is None else Path(name)

    def _picture(self, judged: JudgedQuery) -> Query:
        known = None if self._kept is None else self._kept.get(judged.name)
        if known is not None:
            return Query(vectors=known)
        file = self.file(judged)
        if file is None:
            raise InvalidArgument(
                f"the picture of query {judged.name} is not at hand; name its folder with --images, or search with "
                "whole pictures, which are in the collection: --area whole"
            )
        query = Query(image=read_picture(file, FOLDER_LIMITS), crop=Box(*judged.box) if judged.box else None)
        if self._kept is None:
            return query
        self._kept[judged.name] = self._encoded(query)
        return Query(vectors=self._kept[judged.name])

    def _encoded(self, query: Query) -> Vectors:
        found = {
            f"{name}.{short}": vector
            for name in self._extractors
            for short, vector in self._service.embed(
                query.image or b"", extractor=name, crop=query.crop
            ).vectors.items()
        }
        return {name: vector for name, vector in found.items() if name in self._known}

    def _by_name(self) -> dict[str, str]:
        if self._files is None:
            self._files = pictures_by_name(self._images)
        return self._files


def pictures_by_name(folder: Path | None) -> dict[str, str]:
    """Return the pictures below a folder by their name without suffix; nothing where there is no folder."""
    return {picture.path.stem: str(picture.path) for picture in walk(folder)} if folder else {}
