"""ROxford5k and RParis6k: new annotations of the landmarks, in setups easy, medium and hard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixkin_proto.errors import InvalidArgument

from pixkin_scoring.evaluation.judgements import GroundTruth, JudgedQuery, Judgement
from pixkin_scoring.evaluation.protocols.boxes import Box, box_between
from pixkin_scoring.evaluation.protocols.given import check_given, given_file
from pixkin_scoring.evaluation.protocols.names import Names
from pixkin_scoring.evaluation.protocols.notes import note_on_queries
from pixkin_scoring.evaluation.protocols.plain_pickle import read_plain_pickle
from pixkin_scoring.evaluation.protocols.protocol import Protocol, Reading

ANSWERS = ("easy", "hard", "junk")
SETUPS = {
    "easy": (("easy",), ("junk", "hard")),
    "medium": (("easy", "hard"), ("junk",)),
    "hard": (("hard",), ("junk", "easy")),
}
"""Setup: what is relevant, and what is junk."""


@dataclass(frozen=True)
class _Entry:
    """One query of the file: the name of its picture, its box, and the pictures of each list by name."""

    picture: str
    box: Box
    answers: dict[str, list[str]]


def read_revisited(reading: Reading) -> GroundTruth:
    """Return the queries of gnd_roxford5k.pkl or gnd_rparis6k.pkl, with a judgement for each setup.

    The file holds a dictionary: `imlist`, the pictures of the database, `qimlist`, those of the queries, and `gnd`, for
    each query `bbx` (x1, y1, x2, y2) and the places in imlist that are `easy`, `hard` and `junk`. The pictures of the
    queries are not in the database: they are removed from every ranking. Raises InvalidArgument when the file wants to
    run code or has another shape.
    """
    check_given(reading, REVISITED)
    images, entries = _read(given_file(reading, REVISITED))
    names = Names(reading.items)
    names.find_all(images)
    asked = [(entry, names.query(entry.picture, reading.picture(entry.picture))) for entry in entries]
    removed = frozenset(source[0] for _, source in asked if source and source[0])
    found = tuple(
        JudgedQuery(entry.picture, _judgements(entry, names), item=source[0], picture=source[1],
                    box=entry.box if reading.crop else None, removed=removed)
        for entry, source in asked
        if source is not None
    )  # fmt: skip
    missing = names.check(skip_missing=reading.skip_missing)
    lost = note_on_queries(len(entries) - len(found), "picture not in the collection")
    return GroundTruth(found, notes=(*missing, *lost))


def _judgements(entry: _Entry, names: Names) -> dict[str, Judgement]:
    ids = {part: names.find_all(entry.answers[part]) for part in ANSWERS}
    return {
        setup: Judgement(
            frozenset().union(*(ids[part] for part in relevant)), frozenset().union(*(ids[part] for part in junk))
        )
        for setup, (relevant, junk) in SETUPS.items()
    }


def _read(path: Path) -> tuple[list[str], list[_Entry]]:
    content = read_plain_pickle(path)
    keys = ("gnd", "imlist", "qimlist")
    if not isinstance(content, dict) or not all(isinstance(content.get(key), list) for key in keys):
        raise InvalidArgument(f"{path} holds no dictionary of the lists gnd, imlist and qimlist; get the file again")
    images, pictures = (_names(path, key, content[key]) for key in ("imlist", "qimlist"))
    if len(pictures) != len(content["gnd"]):
        raise InvalidArgument(f"{path}: qimlist has {len(pictures)} pictures, gnd {len(content['gnd'])} queries")
    entries = [
        _entry(f"{path}, gnd[{at}]", picture, gnd, images)
        for at, (picture, gnd) in enumerate(zip(pictures, content["gnd"], strict=True))
    ]
    return images, entries


def _names(path: Path, key: str, values: list[Any]) -> list[str]:
    names: dict[str, None] = {}
    for at, value in enumerate(values):
        name = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        if not isinstance(name, str) or not name or name in names:
            problem = f"{name} is there twice" if name in names else f"{value!r} is no name of a picture"
            raise InvalidArgument(f"{path}, {key}[{at}]: {problem}")
        names[name] = None
    return list(names)


def _entry(where: str, picture: str, gnd: Any, images: Sequence[str]) -> _Entry:
    if not isinstance(gnd, dict) or not all(isinstance(gnd.get(key), list) for key in ("bbx", *ANSWERS)):
        raise InvalidArgument(f"{where} has not the lists bbx, easy, hard and junk")
    try:
        box = box_between(gnd["bbx"])
    except ValueError as error:
        raise InvalidArgument(f"{where}: bbx {gnd['bbx']} is not x1, y1, x2, y2 with x1 < x2 and y1 < y2") from error
    places = {part: [_place(f"{where}, {part}", value, len(images)) for value in gnd[part]] for part in ANSWERS}
    first: dict[int, str] = {}
    for part in ANSWERS:
        for place in places[part]:
            if place in first:
                raise InvalidArgument(f"{where}: {images[place]} is in {first[place]} and again in {part}")
            first[place] = part
    return _Entry(picture, box, {part: [images[place] for place in places[part]] for part in ANSWERS})


def _place(where: str, value: Any, count: int) -> int:
    """Return a place in imlist; arrays may hold whole numbers as floats."""
    if not isinstance(value, (int, float)) or value not in range(count):
        raise InvalidArgument(f"{where}: {value!r} is no place in imlist, which has 0 to {count - 1}")
    return int(value)


REVISITED = Protocol(
    name="revisited",
    read=read_revisited,
    summary="ROxford5k or RParis6k: easy, medium and hard, the pictures of the queries in no ranking.",
    headline="AP_official_medium",
    measures=("AP_official", "AP", "P_revisited@1", "P_revisited@5", "P_revisited@10"),
    ground_truth="the file gnd_roxford5k.pkl or gnd_rparis6k.pkl",
    source="Radenović et al., Revisiting Oxford and Paris: Large-Scale Image Retrieval Benchmarking, CVPR 2018",
)
