"""Compares what a collection holds with its pictures: encodes some of them anew."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pixkin_embedding.limits import FOLDER_LIMITS
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import ExtractorMismatch, InvalidArgument, InvalidImage, UnknownItem
from pixkin_scoring.items import Collection, Item

from pixkin_server.api import Service
from pixkin_server.files import read_picture

MIN_COSINE = 0.9999  # float32 on another machine or provider: 0.99999 and better
SAMPLE = 50
PAGE = 10_000


@dataclass
class Sampled:
    """What a comparison found.

    compared: pictures encoded anew · worst: the lowest cosine, and of what · left_out: pictures that were not compared,
    and problems, as sentences.
    """

    compared: int = 0
    worst: float = 1.0
    worst_of: str = ""
    left_out: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def count(self, item: str, cosines: Mapping[str, float]) -> None:
        """Count a picture and the cosines of its descriptors."""
        self.compared += 1
        for name, cosine in cosines.items():
            if cosine <= self.worst:
                self.worst, self.worst_of = cosine, f"{name} of {item}"
            if not cosine >= MIN_COSINE:
                self.problems.append(
                    f"{item} is not what is stored: {name} has cosine {cosine:.6f} to it, and {MIN_COSINE} is needed; "
                    "remove the item and add its picture again"
                )


class _Otherwise(Exception):
    """A picture is not there as it was added."""


def compare_pictures(
    service: Service,
    collection: str,
    root: Path,
    *,
    sample: int = SAMPLE,
    progress: Callable[[int], Any] = lambda _: None,
) -> Sampled:
    """Encode pictures below a folder anew, and compare with the stored vectors by their cosine.

    The items are evenly spread over the collection in the order of their ids, the same ones at every call. A picture
    that is missing, cannot be read or has changed since it was added is left out; that none could be compared is a
    problem. Raises InvalidArgument for a collection of imported vectors, ExtractorMismatch for other extractors.
    """
    described = service.describe(collection)
    made = [descriptor for descriptor in described.descriptors if descriptor.fingerprint]
    if not made:
        raise InvalidArgument(f"{collection} holds imported vectors, which no extractor of pixkin can compute anew")
    found, folder = Sampled(), root.resolve()
    for item in _spread(service, described, sample):
        try:
            picture = _picture(item, folder)
            stored = service.get(collection, item.id, vectors=True).vectors
            found.count(item.id, _cosines(service, collection, made, picture, stored))
        except (InvalidImage, _Otherwise) as error:
            found.left_out.append(f"{item.id} was not compared: {error}")
        except UnknownItem:  # removed since it was listed
            found.left_out.append(f"{item.id} was not compared: it has just been removed")
        progress(1)
    if not found.compared and described.items:
        found.problems.append(f"none of the pictures that were looked for below {folder} could be compared")
    return found


def _spread(service: Service, described: Collection, sample: int) -> Iterator[Item]:
    """Every n-th item by id, `sample` of them or all when there are fewer."""
    wanted = {place * described.items // sample for place in range(sample)}
    place, after = 0, ""
    while page := service.list_items(described.name, size=PAGE, after=after):
        yield from (item for at, item in enumerate(page, place) if at in wanted)
        place, after = place + len(page), page[-1].id


def _picture(item: Item, folder: Path) -> bytes:
    """Return an item's picture as it was added. Raises InvalidImage or _Otherwise when there is none."""
    path = next(filter(os.path.isfile, _places(item, folder)), None)
    if path is None:
        raise _Otherwise(f"it is not below {folder}")
    data = read_picture(path, FOLDER_LIMITS)
    if item.file.sha256 and hashlib.sha256(data).digest() != item.file.sha256:
        raise _Otherwise(f"{path} has changed since it was added")
    return data


def _places(item: Item, folder: Path) -> Iterator[Path]:
    """Where a picture may be inside the folder: as it was added, at the same place of a moved folder, by its id."""
    texts = [item.source, str(folder / item.id)]
    if item.root and item.source.startswith(item.root):
        texts.insert(1, f"{folder}/{item.source.removeprefix(item.root)}")
    for text in texts:
        path = Path(os.path.normpath(text))
        if path.is_relative_to(folder):
            yield path


def _cosines(
    service: Service, collection: str, made: list[Descriptor], picture: bytes, stored: Mapping[str, NDArray[np.float32]]
) -> dict[str, float]:
    cosines: dict[str, float] = {}
    for extractor in sorted({descriptor.extractor for descriptor in made}):
        embedded = service.embed(picture, extractor=extractor)
        for descriptor in (each for each in made if each.extractor == extractor):
            if embedded.fingerprint != descriptor.fingerprint:
                raise ExtractorMismatch(
                    extractor, collection=collection, expected=descriptor.fingerprint, got=embedded.fingerprint
                )
            cosines[descriptor.name] = _cosine(embedded.vectors[descriptor.short_name], stored.get(descriptor.name))
    return cosines


def _cosine(vector: NDArray[np.float32], stored: NDArray[np.float32] | None) -> float:
    """Return the cosine of vectors (d,) float32; 0 where none is stored, 1 where both are zero."""
    if stored is None:
        return 0.0
    wide, other = vector.astype(np.float64), stored.astype(np.float64)
    norms = float(np.linalg.norm(wide) * np.linalg.norm(other))
    return float(wide @ other) / norms if norms else float(not wide.any() and not other.any())
