"""A small ground truth for every protocol."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pixkin_scoring.evaluation.judgements import JudgedQuery
from pixkin_scoring.evaluation.protocols.protocol import QuerySource, Reading

Given = Callable[[Path], Reading]


def unlabelled(*ids: str) -> dict[str, frozenset[str]]:
    """Items without labels."""
    return {item: frozenset[str]() for item in sorted(ids)}


def labelled(**labels: str) -> dict[str, frozenset[str]]:
    """Items by the words of their labels."""
    return {item: frozenset(text.split()) for item, text in labels.items()}


def source(labels: dict[str, frozenset[str]]) -> QuerySource:
    """Queries that are pictures."""
    return QuerySource(labels, lambda name: JudgedQuery(name, {}, picture=f"queries/{name}"))


def write_lists(folder: Path, lists: dict[str, Iterable[object]]) -> Path:
    """Write files with a value a line."""
    folder.mkdir(exist_ok=True)
    for name, values in lists.items():
        (folder / f"{name}.txt").write_text("".join(f"{value}\n" for value in values))
    return folder


def oxford(folder: Path) -> Reading:
    lists: dict[str, Iterable[object]] = {
        "hall_1_query": ["oxc1_hall_1 10 20 110.5 70"], "hall_1_good": ["hall_1", "hall_2"], "hall_1_ok": ["hall_3"],
        "hall_1_junk": ["hall_4"],
    }  # fmt: skip
    items = unlabelled(*(f"oxford/hall_{n}.jpg" for n in range(1, 7)))
    return Reading(items, ground_truth=write_lists(folder / "gt_files", lists))


def revisited_content() -> dict[str, Any]:
    gnd = [
        {"bbx": [10.0, 20.0, 110.5, 70.0], "easy": [0], "hard": [1], "junk": [2]},
        {"bbx": [0.0, 0.0, 5.0, 5.0], "easy": [3], "hard": [], "junk": [0]},
    ]
    return {"gnd": gnd, "imlist": [f"im_{n}" for n in range(6)], "qimlist": ["q_0", "q_1"]}


def revisited(folder: Path) -> Reading:
    path = folder / "gnd.pkl"
    path.write_bytes(pickle.dumps(revisited_content()))
    items = unlabelled(*(f"jpg/im_{n}.jpg" for n in range(6)), "jpg/q_0.jpg", "jpg/q_1.jpg")
    return Reading(items, ground_truth=path)


def mirflickr(folder: Path) -> Reading:
    lists: dict[str, Iterable[object]] = {
        "sky": range(1, 141), "dog": range(101, 201), "sky_r1": range(1, 121), "dog_r1": range(101, 181),
        "README": ["Annotations, see the paper."],
    }  # fmt: skip
    items = unlabelled(*(f"mirflickr/im{n}.jpg" for n in range(1, 221)))
    return Reading(items, ground_truth=write_lists(folder / "annotations", lists))


def trec(folder: Path) -> Reading:
    path = folder / "qrels"
    path.write_text("1 0 a 2\n1 0 b 1\n1 0 c 0\n2 0 c 1\n")
    return Reading(unlabelled("a", "b", "c", "d"), ground_truth=path, queries=source(unlabelled("1", "2")))


def ten_classes(_: Path) -> Reading:
    return Reading({f"{name}/{n}.png": frozenset({name}) for name in "abcdefghij" for n in range(3)})


GIVEN: dict[str, Given] = {
    "labels": lambda _: Reading(labelled(a="x", b="x", c="y", d="y")),
    "cifar": ten_classes,
    "oxford": oxford,
    "revisited": revisited,
    "mirflickr": mirflickr,
    "ukbench": lambda _: Reading(unlabelled(*(f"ukbench{n:05}.jpg" for n in range(8)))),
    "holidays": lambda _: Reading(unlabelled("100000.jpg", "100001.jpg", "100100.jpg", "100101.jpg", "100102.jpg")),
    "trec": trec,
}
"""What each protocol reads, made in a folder: a protocol that is added needs an entry."""
