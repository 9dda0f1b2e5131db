"""MIRFLICKR-25k: photos with several labels each; 100 of them are queries against the other 24,900."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pixkin_proto.errors import InvalidArgument

from pixkin_scoring.evaluation.judgements import GroundTruth, JudgedQuery
from pixkin_scoring.evaluation.protocols.given import check_given, given_folder, given_items
from pixkin_scoring.evaluation.protocols.lines import names_in, numbered_lines, wrong_line
from pixkin_scoring.evaluation.protocols.names import Names
from pixkin_scoring.evaluation.protocols.protocol import Labels, Protocol, Reading
from pixkin_scoring.evaluation.protocols.sharing import Sharing

QUERIES = 100
DRAWS = 200
NARROW = "_r1"
RELEVANT, POTENTIAL = "relevant", "potential"


def read_mirflickr(reading: Reading) -> GroundTruth:
    """Return 100 queries with a label; relevant is what shares one.

    The folder holds LABEL.txt, the pictures in which something of the label can be seen (level potential), and
    LABEL_r1.txt, those for which the label is relevant (level relevant); a line is a number, and 12 means im12.jpg. The
    queries are in no ranking. Raises InvalidArgument when a line is no number, the level has no files, or fewer than
    100 pictures have a label.
    """
    check_given(reading, MIRFLICKR)
    items = given_items(reading, MIRFLICKR)
    names = Names(items)
    labels = _labels(given_folder(reading, MIRFLICKR), reading.level or RELEVANT, names)
    missing = names.check(skip_missing=reading.skip_missing)
    asked = draw_queries(labels, reading.seed)
    sharing, removed = Sharing(labels), frozenset(asked)
    return GroundTruth(
        tuple(JudgedQuery(item, sharing.judgements(labels[item]), item=item, removed=removed) for item in asked),
        notes=(*missing, f"{QUERIES} queries of {len(labels):,} pictures with a label, drawn with seed {reading.seed}"),
    )


def draw_queries(labels: Labels, seed: int) -> list[str]:
    """Return 100 names with a label, drawn so that the labels keep their shares.

    Of 200 uniform draws without repetition (numpy's default generator with the seed, names in order) that one is taken
    in which the shares of the labels differ least from those of all names, by the sum of the absolute differences.
    Raises InvalidArgument when there are fewer than 100.
    """
    if len(labels) < QUERIES:
        raise InvalidArgument(f"{len(labels)} pictures have a label; mirflickr draws {QUERIES} of them as queries")
    items, names = sorted(labels), sorted(frozenset().union(*labels.values()))
    has = np.array([[name in labels[item] for name in names] for item in items])
    shares = has.mean(axis=0)
    generator = np.random.default_rng(seed)
    draws = (generator.choice(len(items), QUERIES, replace=False) for _ in range(DRAWS))
    best = min(draws, key=lambda draw: float(np.abs(has[draw].mean(axis=0) - shares).sum()))
    return [items[at] for at in np.sort(best)]


def _labels(folder: Path, level: str, names: Names) -> Labels:
    """Return the labels of all pictures that have one and are in the collection."""
    labels: dict[str, set[str]] = {}
    for path in _label_files(folder, level):
        for item in names.find_all(_pictures(path)):
            labels.setdefault(item, set()).add(path.stem)
    return {item: frozenset(labels[item]) for item in sorted(labels)}


def _label_files(folder: Path, level: str) -> list[Path]:
    texts = (path for path in sorted(folder.glob("*.txt")) if path.stem.lower() != "readme")
    found = [path for path in texts if path.stem.endswith(NARROW) == (level == RELEVANT)]
    if not found:
        wanted = f"LABEL{NARROW}.txt" if level == RELEVANT else "LABEL.txt"
        raise InvalidArgument(
            f"{folder} has no file {wanted} of level {level}; --ground-truth of mirflickr is {MIRFLICKR.ground_truth}"
        )
    return found


def _pictures(path: Path) -> list[str]:
    for number, line in numbered_lines(path):
        if not line.isdecimal():
            raise wrong_line(path, number, f"'{line}' is no number of a picture")
    return [f"im{int(line)}" for line in names_in(path)]


MIRFLICKR = Protocol(
    name="mirflickr",
    read=read_mirflickr,
    summary="MIRFLICKR-25k: relevant is what shares a label; 100 drawn queries against all other pictures.",
    headline="AP@100",
    measures=("AP@100", "AP_min@100", "AP", "P@10", "P@100", "nDCG@100"),
    ground_truth=f"the folder of the annotations, LABEL.txt and LABEL{NARROW}.txt",
    levels=(RELEVANT, POTENTIAL),
    source="Huiskes and Lew, The MIR Flickr Retrieval Evaluation, MIR 2008",
)
