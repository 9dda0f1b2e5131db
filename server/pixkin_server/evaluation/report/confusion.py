"""Which classes are taken for which: the confusion matrix as a heat map, and its largest errors as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pixkin_scoring.evaluation.classification import Classification

from pixkin_server.evaluation.report.markup import visible
from pixkin_server.evaluation.report.theme import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_CLASSES = 250
"""More cells than this squared are no longer seen."""
MOST_NAMED = 30
MOST_NUMBERED = 15
LONGEST_NAME = 18
ERROR_COLUMNS = ("class", "taken for", "queries", "part of the class")


def largest_errors(found: Classification, most: int = 10) -> list[dict[str, str]]:
    """Return the pairs of classes that are mistaken most often, by ERROR_COLUMNS."""
    wrong = found.confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    totals = found.confusion.sum(axis=1)
    rows = []
    for row, column in zip(*np.unravel_index(order, wrong.shape), strict=True):
        if count := int(wrong[row, column]):
            cells = (found.classes[row], found.classes[column], f"{count:,}", f"{count / totals[row]:.1%}")
            rows.append(dict(zip(ERROR_COLUMNS, cells, strict=True)))
    return rows


def draw_confusion(axes: Axes, theme: Theme, *, found: Classification) -> None:
    """Draw the part of each class's queries that is taken for each class: rows are true, columns answered."""
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm

    totals = found.confusion.sum(axis=1, keepdims=True)
    shares = found.confusion / np.maximum(totals, 1)
    colours = LinearSegmentedColormap.from_list("shares", (theme.paper, theme.heat))
    # The square root shows errors of a few per cent, which 100 classes mostly have.
    image = axes.imshow(shares, colours, PowerNorm(0.5, 0, 1), interpolation="nearest")
    bar = axes.figure.colorbar(image, ax=axes, shrink=0.6, aspect=30, label="part of the class's queries")
    bar.outline.set_visible(False)
    axes.spines[:].set_visible(False)
    _name_axes(axes, found.classes)
    if len(found.classes) <= MOST_NUMBERED:
        for (row, column), count in np.ndenumerate(found.confusion):
            if count:
                axes.text(column, row, f"{count:,}", ha="center", va="center")


def _name_axes(axes: Axes, classes: tuple[str, ...]) -> None:
    if len(classes) > MOST_NAMED:
        axes.set(
            xlabel="class of the best hit, in alphabetical order", ylabel="class of the query", xticks=[], yticks=[]
        )
        return
    names = [visible(name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…") for name in classes]
    axes.set(xlabel="class of the best hit", ylabel="class of the query")
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
