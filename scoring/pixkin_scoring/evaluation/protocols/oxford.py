"""Oxford5k and Paris6k: landmarks by a part of a picture, with good, ok and junk pictures for each query."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from pixkin_proto.errors import InvalidArgument, listed

from pixkin_scoring.evaluation.judgements import SOLE, GroundTruth, JudgedQuery, Judgement
from pixkin_scoring.evaluation.protocols.boxes import Box, box_between
from pixkin_scoring.evaluation.protocols.given import check_given, given_folder
from pixkin_scoring.evaluation.protocols.lines import names_in, numbered_lines, wrong_line
from pixkin_scoring.evaluation.protocols.names import Names
from pixkin_scoring.evaluation.protocols.notes import note_on_queries
from pixkin_scoring.evaluation.protocols.protocol import Protocol, Reading

ENDING = "_query.txt"
PREFIX = "oxc1_"
ANSWERS = ("good", "ok", "junk")


def read_oxford(reading: Reading) -> GroundTruth:
    """Return the queries of a folder with NAME_query.txt, NAME_good.txt, NAME_ok.txt and NAME_junk.txt each.

    The query file holds `PICTURE x1 y1 x2 y2`, in Oxford5k with oxc1_ before the picture's name; the others hold a
    picture's name a line. Good and ok are relevant, junk is neither right nor wrong, and the query stays in its own
    ranking. Raises InvalidArgument when a file is missing or malformed, or a picture is in two lists.
    """
    check_given(reading, OXFORD)
    folder = given_folder(reading, OXFORD)
    names = Names(reading.items)
    queries = [_query(folder, name, names, reading.picture, crop=reading.crop) for name in _query_names(folder)]
    found = tuple(query for query in queries if query is not None)
    missing = names.check(skip_missing=reading.skip_missing)
    lost = note_on_queries(len(queries) - len(found), "picture not in the collection")
    return GroundTruth(found, include_self=True, notes=(*missing, *lost))


def _query_names(folder: Path) -> list[str]:
    found = sorted(path.name.removesuffix(ENDING) for path in folder.glob(f"*{ENDING}"))
    if not found:
        raise InvalidArgument(f"{folder} has no file NAME{ENDING}; --ground-truth of oxford is {OXFORD.ground_truth}")
    return found


def _query(
    folder: Path, name: str, names: Names, find_picture: Callable[[str], str | None], *, crop: bool
) -> JudgedQuery | None:
    picture, box = _picture_and_box(folder / f"{name}{ENDING}")
    source = names.query(picture, find_picture(picture))
    answers = {part: names.find_all(listed_names) for part, listed_names in _answers(folder, name).items()}
    if source is None:
        return None
    judgement = Judgement(answers["good"] | answers["ok"], answers["junk"])
    return JudgedQuery(name, {SOLE: judgement}, item=source[0], picture=source[1], box=box if crop else None)


def _picture_and_box(path: Path) -> tuple[str, Box]:
    lines = list(numbered_lines(path))
    if len(lines) != 1:
        raise InvalidArgument(f"{path} has {len(lines)} lines; it holds one: PICTURE x1 y1 x2 y2")
    number, line = lines[0]
    picture, *corners = line.split()
    try:
        return picture.removeprefix(PREFIX), box_between(corners)
    except ValueError as error:
        raise wrong_line(path, number, f"'{line}' is not PICTURE x1 y1 x2 y2 with x1 < x2 and y1 < y2") from error


def _answers(folder: Path, name: str) -> Mapping[str, list[str]]:
    lost = [f"{name}_{part}.txt" for part in ANSWERS if not (folder / f"{name}_{part}.txt").is_file()]
    if lost:
        raise InvalidArgument(f"{folder} lacks {listed(lost)}; each query has four files: {OXFORD.ground_truth}")
    answers = {part: names_in(folder / f"{name}_{part}.txt") for part in ANSWERS}
    first: dict[str, str] = {}
    for part, pictures in answers.items():
        for picture in pictures:
            if first.setdefault(picture, part) != part:
                raise InvalidArgument(
                    f"{folder}: {picture} is in {name}_{first[picture]}.txt and in {name}_{part}.txt; "
                    "a picture is in one of them at most"
                )
    return answers


OXFORD = Protocol(
    name="oxford",
    read=read_oxford,
    summary="Oxford5k or Paris6k: good and ok pictures of the query's landmark are relevant, junk is ignored.",
    headline="AP_official",
    measures=("AP_official", "AP", "AP_official_wrong", "AP_wrong", "11-point", "P@1", "P@5", "P@10", "R-precision"),
    ground_truth="the folder of NAME_query.txt, NAME_good.txt, NAME_ok.txt and NAME_junk.txt",
    source="Philbin et al., Object retrieval with large vocabularies and fast spatial matching, CVPR 2007",
)
