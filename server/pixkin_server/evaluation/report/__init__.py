"""The report of an evaluation that people look at: one HTML page, and the same figures as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pixkin_scoring.evaluation.evaluating import Evaluation

CropBox = tuple[float, float, float, float]
"""x, y, width, height in pixels of the upright full-size picture."""


@dataclass(frozen=True)
class Picture:
    """A picture of a report.

    jpeg: a thumbnail of the whole picture; it is made smaller for the page · width, height: of the full picture in
    pixels, 0 where they are not known (a crop box is then named and not drawn).
    """

    jpeg: bytes
    width: int = 0
    height: int = 0


def no_picture(_name: str) -> Picture | None:
    """Have no picture of anything, as a collection of imported vectors."""
    return None


@dataclass(frozen=True)
class Report:
    """What a report shows.

    compared: the descriptors with their measures and how candidates were found · interval: the 95 % bootstrap interval
    of the headline · details: versions, fingerprints, command line, machine and date by name · picture: of a hit by its
    id · query_picture: of a query by its name · query_box: the part that was searched with, by the query's name.
    """

    title: str
    collection: str
    protocol: str
    compared: str
    evaluation: Evaluation
    interval: tuple[float, float]
    details: Mapping[str, str] = field(default_factory=dict)
    picture: Callable[[str], Picture | None] = no_picture
    query_picture: Callable[[str], Picture | None] = no_picture
    query_box: Mapping[str, CropBox] = field(default_factory=dict)
