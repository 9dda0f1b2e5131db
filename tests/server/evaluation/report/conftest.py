"""Reports of real evaluations of small rankings, and a reader of their pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from pixkin_embedding.images import thumbnail
from pixkin_scoring.evaluation.evaluating import Ranking, evaluate
from pixkin_scoring.evaluation.judgements import SOLE, GroundTruth, JudgedQuery, Judgement
from pixkin_server.evaluation.report import Picture, Report

VOID = {"meta", "img", "source"}


@dataclass
class Node:
    """An element of a page as a browser reads it."""

    tag: str
    attributes: dict[str, str]
    children: list[Node | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text below, as it stands."""
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def all(self, tag: str = "", **attributes: str) -> list[Node]:
        """The elements below with this tag and these attributes; of several classes one must fit."""
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        return [node for node in self.walk() if tag in ("", node.tag) and node.has(wanted)]

    def has(self, attributes: dict[str, str]) -> bool:
        """Whether these attributes, or classes, are the element's."""
        return all(value in self.attributes.get(name, "").split(" ") for name, value in attributes.items())

    def walk(self) -> Iterator[Node]:
        """The elements below, in order of the page."""
        for child in self.children:
            if isinstance(child, Node):
                yield child
                yield from child.walk()


class Reader(HTMLParser):
    """Reads a page into nodes; every element must be closed in its turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open = [Node("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element; no attribute may stand twice."""
        assert len(dict(attrs)) == len(attrs)
        node = Node(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_endtag(self, tag: str) -> None:
        """Close the element that is open."""
        assert self.open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        """Take text."""
        self.open[-1].children.append(data)


@pytest.fixture(scope="session")
def read_page() -> Callable[[bytes], Node]:
    """Read a page as a browser does."""

    def read(page: bytes) -> Node:
        reader = Reader()
        reader.feed(page.decode("utf-8"))
        reader.close()
        assert len(reader.open) == 1
        return reader.open[0]

    return read


@pytest.fixture(scope="session")
def photo() -> Callable[[str], Picture]:
    """A generated picture of a name, 160×120 as a thumbnail of one of 640×480."""

    def make(name: str) -> Picture:
        draw = np.random.default_rng(list(name.encode("utf-8", "surrogatepass")))
        small = draw.integers(0, 255, (6, 8, 3), dtype=np.uint8)
        return Picture(thumbnail(np.kron(small, np.ones((20, 20, 1), np.uint8))), 640, 480)

    return make


@pytest.fixture(scope="session")
def make_report() -> Callable[..., Report]:
    """Make the report of an evaluation in which every id is a query and its class its id's first letter.

    junk: ids that are junk to every query · setups: of the judgements · fields: of the report.
    """

    def make(
        ids: Sequence[str], *, junk: frozenset[str] = frozenset(), setups: Sequence[str] = (SOLE,), **fields: Any
    ) -> Report:
        classes = {item: item[:1] for item in ids}

        def query(item: str) -> JudgedQuery:
            same = frozenset(other for other in ids if classes[other] == classes[item]) - {item} - junk
            judgement = Judgement(same, junk)
            return JudgedQuery(
                item, dict.fromkeys(setups, judgement), item=item, removed=frozenset({item}), label=classes[item]
            )

        def search(asked: JudgedQuery) -> Ranking:
            draw = np.random.default_rng(ids.index(asked.name))
            values = draw.random(len(ids)) + [0.4 * (classes[item] == asked.label) for item in ids]
            order = np.argsort(-values)
            return Ranking([ids[at] for at in order], values[order], 2.5)

        headline = f"AP_{setups[0]}" if setups[0] else "AP"
        truth = GroundTruth(tuple(map(query, ids)), classes=classes)
        evaluation = evaluate(truth, search, measures=["AP", "P@10"], headline=headline)
        given = {"title": "Holiday", "collection": "photos", "protocol": "labels", "compared": "gap cosine · exact"}
        return Report(**{**given, "evaluation": evaluation, "interval": (0.25, 0.75), **fields})

    return make


@pytest.fixture(scope="session")
def ids() -> list[str]:
    """12 ids of 3 classes."""
    return [f"{name}/{number}.jpg" for name in ("alps", "beach", "city") for number in range(4)]
