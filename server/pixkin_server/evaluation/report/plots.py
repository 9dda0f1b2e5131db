"""The curves of a report, drawn by matplotlib as SVG, once for light and once for dark paper."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.errors import MissingExtra
from pixkin_scoring.evaluation.classification import Classification
from pixkin_scoring.evaluation.evaluating import Evaluation
from pixkin_scoring.evaluation.quality import RECALL_LEVELS

from pixkin_server.evaluation.report.confusion import draw_confusion
from pixkin_server.evaluation.report.summary import counted
from pixkin_server.evaluation.report.theme import STYLES, Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT = 4.6, 3.2  # inches; small, so that the writing is legible on a telephone
BINS = 20


@dataclass(frozen=True)
class Plot:
    """One diagram. alt: what it shows, in words and figures · size: inches."""

    title: str
    alt: str
    draw: Callable[[Axes, Theme], None]
    size: tuple[float, float] = (WIDTH, HEIGHT)

    def svg(self, theme: Theme) -> bytes:
        """Return the diagram as an SVG file without a background. Raises MissingExtra without matplotlib."""
        require_matplotlib()
        from matplotlib import rc_context
        from matplotlib.figure import Figure

        out = BytesIO()
        with rc_context(theme.settings()), warnings.catch_warnings():
            # Writing stays text, so a script that matplotlib's font lacks is drawn by the browser with its own fonts.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
            figure = Figure(figsize=self.size, layout="constrained")
            self.draw(figure.add_subplot(), theme)
            metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
            figure.savefig(out, format="svg", transparent=True, metadata=metadata)
        return out.getvalue()


def require_matplotlib() -> None:
    """Raise MissingExtra when curves cannot be drawn; an evaluation asks before its searches, not after them."""
    try:
        import_module("matplotlib")
    except ImportError:
        raise MissingExtra("drawing the report's curves", "eval") from None


def curves_of(evaluation: Evaluation) -> Iterator[Plot]:
    """Yield the diagrams over all queries."""
    at_rank = {setup: curves.precision_at_rank for setup, curves in evaluation.curves.items()}
    at_recall = {setup: curves.precision_at_recall for setup, curves in evaluation.curves.items()}
    yield Plot(
        "Precision against rank",
        _in_words("rank", at_rank, {rank: rank - 1 for rank in (1, 10, 50, 100)}),
        partial(_draw_precision_at_rank, by_setup=at_rank),
    )
    yield Plot(
        "Precision against recall",
        _in_words("recall", at_recall, {0.1: 1, 0.5: 5, 0.9: 9}),
        partial(_draw_precision_at_recall, by_setup=at_recall),
    )
    scores = np.array(list(evaluation.per_query.values()))
    quartiles = ", ".join(f"{value:.2f}" for value in np.percentile(scores, (25, 50, 75)))
    yield Plot(
        f"{evaluation.headline} of the queries",
        f"Histogram over {len(scores):,} queries; quartiles {quartiles}.",
        partial(_draw_histogram, scores=scores, name=evaluation.headline),
    )


def confusion_plot(found: Classification) -> Plot:
    """Return the confusion matrix of classes as a heat map."""
    return Plot(
        "Classes of the best hits",
        f"Confusion matrix of {counted(len(found.classes), 'class')}; {found.accuracy[1]:.1%} of the queries are "
        "right. The table beside it has the largest errors.",
        partial(draw_confusion, found=found),
        (6.0, 5.2),
    )


def _draw_precision_at_rank(axes: Axes, theme: Theme, *, by_setup: Mapping[str, NDArray[np.float64]]) -> None:
    _draw_lines(axes, theme, {setup: (np.arange(1, len(y) + 1), y) for setup, y in by_setup.items()})
    longest = max(map(len, by_setup.values()))
    axes.set(xlabel="rank", xlim=(1, longest), xticks=[1, *range(20, longest + 1, 20)])


def _draw_precision_at_recall(axes: Axes, theme: Theme, *, by_setup: Mapping[str, NDArray[np.float64]]) -> None:
    _draw_lines(axes, theme, {setup: (RECALL_LEVELS, y) for setup, y in by_setup.items()}, marker="o", markersize=3.5)
    axes.set(xlabel="recall", xlim=(-0.01, 1.01), ylabel="interpolated precision")


def _draw_lines(
    axes: Axes,
    theme: Theme,
    lines: Mapping[str, tuple[NDArray[np.float64] | NDArray[np.int_], NDArray[np.float64]]],
    **options: Any,
) -> None:
    for at, (setup, (x, y)) in enumerate(lines.items()):
        colour, style = theme.lines[at % len(theme.lines)], STYLES[at % len(STYLES)]
        axes.plot(x, y, label=setup, color=colour, linestyle=style, linewidth=2, clip_on=False, **options)
    axes.set(ylabel="mean precision", ylim=(0, 1))
    axes.grid(visible=True)
    if len(lines) > 1:
        axes.legend(handlelength=3)


def _draw_histogram(axes: Axes, theme: Theme, *, scores: NDArray[np.float64], name: str) -> None:
    from matplotlib.ticker import MaxNLocator

    most = max(1.0, float(scores.max()))
    axes.hist(scores, bins=np.linspace(0, most, BINS + 1).tolist(), color=theme.lines[0], rwidth=0.9)
    mean = float(scores.mean())
    axes.axvline(mean, color=theme.ink, linewidth=1.2, linestyle="--")
    left = mean > most / 2
    axes.annotate(
        f"mean {mean:.3f}", (mean, 1.0), (-4 if left else 4, -2), xycoords=("data", "axes fraction"),
        textcoords="offset points", ha="right" if left else "left", va="top",
    )  # fmt: skip
    axes.set(xlabel=f"{name} of a query", ylabel="queries", xlim=(0, most))
    axes.margins(y=0.14)  # the mean is written above the bars
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=True, axis="y")
    axes.set_axisbelow(True)


def _in_words(unit: str, by_setup: Mapping[str, NDArray[np.float64]], places: Mapping[float, int]) -> str:
    """Return some points of curves. places: index into the curve by what stands on the horizontal axis there."""
    said = []
    for setup, curve in by_setup.items():
        points = ", ".join(f"{curve[at]:.2f} at {x:g}" for x, at in places.items() if at < len(curve))
        said.append(f"{setup or 'Precision'} by {unit}: {points}.")
    return " ".join(said)
