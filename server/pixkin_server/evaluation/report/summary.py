"""The figures of a report, as page and Markdown show them alike."""

from __future__ import annotations

from pixkin_scoring.evaluation.evaluating import Evaluation, mean_name
from pixkin_scoring.evaluation.quality import QUALITIES

from pixkin_server.evaluation.report import Report

MEASURE_COLUMNS = ("measure", "value", "meaning")
_CLASSES = {
    "1-NN accuracy": "queries whose best hit has their class / queries",
    "1-NN precision": "of the answers that name a class the part that is right, mean over the classes that were named",
    "top-2 accuracy": "queries whose class is among the first 2 different classes of their ranking / queries",
    "top-3 accuracy": "queries whose class is among the first 3 different classes of their ranking / queries",
}


def headline_name(evaluation: Evaluation) -> str:
    """Return the name of the figure that a report begins with, a mean over the queries."""
    return mean_name(evaluation.headline)


def interval_text(report: Report) -> str:
    """Return how sure the headline is."""
    low, high = report.interval
    return f"95 % interval {low:.4f} to {high:.4f}, bootstrap over {counted(len(report.evaluation.per_query), 'query')}"


def measure_rows(evaluation: Evaluation) -> list[dict[str, str]]:
    """Return every measure with its mean over the queries and its formula, by MEASURE_COLUMNS."""
    meanings = {mean_name(name): _formula(name, evaluation) for name in evaluation.scores} | _CLASSES
    return [
        dict(zip(MEASURE_COLUMNS, (name, f"{value:.4f}", meanings.get(name, "")), strict=True))
        for name, value in evaluation.measures.items()
    ]


def remarks(evaluation: Evaluation) -> list[str]:
    """Return sentences on what a query took, on ties and on what was left out."""
    took = evaluation.timings_ms
    ties = evaluation.ties
    said = [f"A query took {took['p50']:.1f} ms (median), {took['p95']:.1f} ms (95th percentile)"]
    if ties:
        said.append(f"{counted(ties, 'hit')} had the value of the hit before: their ids decided the order")
    return said + list(evaluation.notes)


def counted(count: int, what: str) -> str:
    """Return a number with its noun, such as `1 query` or `1,200 queries`."""
    plural = f"{what[:-1]}ies" if what.endswith("y") else f"{what}es" if what.endswith("s") else f"{what}s"
    return f"{count:,} {what if count == 1 else plural}"


def _formula(name: str, evaluation: Evaluation) -> str:
    """Return the formula of a measure; its name may end in a cutoff and a setup (`AP@100_easy`)."""
    for setup in evaluation.curves:
        name = name.removesuffix(f"_{setup}") if setup else name
    quality = QUALITIES.get(name.partition("@")[0])
    return quality.formula if quality else ""
