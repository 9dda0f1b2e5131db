"""The page: one HTML file that needs nothing else, neither a network nor scripts."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from pixkin_proto.whole_file import write_whole
from pixkin_scoring.evaluation.classification import Classification
from pixkin_scoring.evaluation.evaluating import Evaluation

from pixkin_server.evaluation.report import Report
from pixkin_server.evaluation.report.confusion import ERROR_COLUMNS, MOST_CLASSES, largest_errors
from pixkin_server.evaluation.report.markup import Element, document, element, part
from pixkin_server.evaluation.report.plots import Plot, confusion_plot, curves_of
from pixkin_server.evaluation.report.queries import QuerySections
from pixkin_server.evaluation.report.summary import (
    MEASURE_COLUMNS,
    headline_name,
    interval_text,
    measure_rows,
    remarks,
)
from pixkin_server.evaluation.report.theme import DARK, LIGHT, Theme
from pixkin_server.evaluation.report.thumbnails import Thumbnails

# Even markup that slipped through could load and run nothing.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
Columns = Sequence[str]


def write_page(file: Path, report: Report) -> None:
    """Write a report as one HTML file.

    Raises InvalidArgument when the file cannot be written, and MissingExtra without matplotlib.
    """
    write_whole(file, page(report), otherwise="name another folder with --report")


def page(report: Report) -> bytes:
    """Return the page of a report. Raises MissingExtra without matplotlib."""
    thumbnails = Thumbnails()
    parts = [_measures(report.evaluation), _curves(report.evaluation)]
    if report.evaluation.classification:
        parts.append(_classes(report.evaluation.classification))
    parts += QuerySections(report, thumbnails).draw()
    body = element("body", _header(report, parts), element("main", *parts), _details(report.details))
    style = files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", report.title),
        _style(style + thumbnails.css()),
    )
    return document(element("html", head, body, lang="en"))


def _style(css: str) -> Element:
    made = Element("style")
    made.text = css  # ours alone, and its line ends stay
    return made


def _header(report: Report, parts: Iterable[Element]) -> Element:
    evaluation = report.evaluation
    links = (element("a", section[0].text or "", href=f"#{section.get('id')}") for section in parts)
    return element(
        "header",
        element("h1", element("bdi", report.title)),
        element("p", f"{report.protocol} · {report.collection} · {report.compared}", class_="quiet"),
        element(
            "p",
            element("strong", f"{evaluation.map:.4f}", class_="number"),
            element("span", headline_name(evaluation), class_="name"),
            element("span", interval_text(report), class_="quiet"),
            class_="headline",
        ),
        element("nav", *links, aria_label="Parts of the report"),
    )


def _measures(evaluation: Evaluation) -> Element:
    table = _table(measure_rows(evaluation), MEASURE_COLUMNS, caption="Means over the queries", right=("value",))
    said = element("ul", *(element("li", remark) for remark in remarks(evaluation)), class_="quiet")
    return part("measures", "Measures", table, said)


def _curves(evaluation: Evaluation) -> Element:
    return part("curves", "Curves", element("div", *map(_plot, curves_of(evaluation)), class_="plots"))


def _classes(found: Classification) -> Element:
    drawn = [_plot(confusion_plot(found))] if len(found.classes) <= MOST_CLASSES else []
    errors = largest_errors(found)
    if errors:
        drawn.append(_table(errors, ERROR_COLUMNS, caption="The largest errors", right=ERROR_COLUMNS[2:]))
    else:
        drawn.append(element("p", "No class is taken for another."))
    return part("classes", "Classes", element("div", *drawn, class_="classes"))


def _plot(plot: Plot) -> Element:
    picture = element(
        "picture",
        element("source", srcset=_data_uri(plot, DARK), media="(prefers-color-scheme: dark)"),
        element("img", src=_data_uri(plot, LIGHT), alt=plot.alt),
    )
    return element("figure", element("figcaption", plot.title), _scrolled(picture, plot.title), class_="plot")


def _data_uri(plot: Plot, theme: Theme) -> str:
    return f"data:image/svg+xml;base64,{b64encode(plot.svg(theme)).decode()}"


def _table(rows: Iterable[Mapping[str, str]], columns: Columns, *, caption: str, right: Columns = ()) -> Element:
    aligned = {name: {"class_": "right"} if name in right else {} for name in columns}
    head = element("tr", *(element("th", name, scope="col", **aligned[name]) for name in columns))
    body = (
        element(
            "tr",
            element("th", element("bdi", row[columns[0]]), scope="row"),
            *(element("td", element("bdi", row[name]), **aligned[name]) for name in columns[1:]),
        )
        for row in rows
    )
    table = element("table", element("caption", caption), element("thead", head), element("tbody", *body))
    return _scrolled(table, caption)


def _scrolled(wide: Element, name: str) -> Element:
    """Return what scrolls sideways on a narrow screen, by keyboard too."""
    return element("div", wide, class_="scrolled", tabindex="0", role="group", aria_label=name)


def _details(details: Mapping[str, str]) -> Element:
    if not details:
        return element("footer")
    rows = [{"detail": name, "value": value} for name, value in details.items()]
    table = _table(rows, ("detail", "value"), caption="Versions, command and machine")
    return element("footer", element("details", element("summary", "How this was made"), table))
