"""The queries of a report with their first hits: the worst ones, worst first, then the best ones, best first."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from pixkin_scoring.evaluation.evaluating import Shown

from pixkin_server.evaluation.report import CropBox, Report
from pixkin_server.evaluation.report.markup import Element, element, part
from pixkin_server.evaluation.report.summary import counted
from pixkin_server.evaluation.report.thumbnails import Thumbnail, Thumbnails

DRAWN = 500
"""How many of the worst and of the best queries a page has room for."""


def worst_and_best(scores: dict[str, float], most: int = DRAWN) -> tuple[list[str], list[str]]:
    """Return the worse half of the queries, worst first, and the better half, best first; at most `most` of each."""
    ranked = sorted(scores, key=lambda name: (scores[name], name))
    half = (len(ranked) + 1) // 2
    return ranked[: min(half, most)], ranked[half:][::-1][:most]


class QuerySections:
    """Draws queries and remembers their pictures in `thumbnails`."""

    def __init__(self, report: Report, thumbnails: Thumbnails) -> None:
        self._report = report
        self._picture = cache(lambda item: thumbnails.add(report.picture(item)))
        self._query_picture = cache(lambda name: thumbnails.add(report.query_picture(name)))

    def draw(self) -> list[Element]:
        """Return a section for the worst and one for the best queries; with one query only the first."""
        scores = dict(self._report.evaluation.per_query)
        worst, best = worst_and_best(scores)
        sections = [_section("worst", "Worst queries", "worst first", map(self._query, worst), len(scores))]
        if best:
            sections.append(_section("best", "Best queries", "best first", map(self._query, best), len(scores)))
        return sections

    def _query(self, name: str) -> Element:
        picture, box = self._query_picture(name), self._report.query_box.get(name)
        figure = element("span", " · ".join(self._said(name)), class_="figure")
        hits = self._hits(self._report.evaluation.top.get(name, ()))
        ranking = (_asked(name, picture, box), hits) if picture else (hits,)
        return element(
            "article",
            element("h3", element("bdi", name), " ", figure),
            element("div", *ranking, class_="ranking"),
            class_="query",
        )

    def _said(self, name: str) -> Iterator[str]:
        evaluation = self._report.evaluation
        hits = evaluation.top.get(name, ())
        yield f"{evaluation.headline} {evaluation.per_query[name]:.4f}"
        right = sum(hit.relevant and not hit.junk for hit in hits)
        yield f"{right} of {counted(len(hits), 'hit')} right" if hits else "no hits"
        box = self._report.query_box.get(name)
        if box:
            yield f"searched with its part {', '.join(f'{number:g}' for number in box)} (x, y, width, height)"

    def _hits(self, hits: tuple[Shown, ...]) -> Element:
        return element("ol", *(self._hit(rank, hit) for rank, hit in enumerate(hits, start=1)), class_="hits")

    def _hit(self, rank: int, hit: Shown) -> Element:
        verdict = "junk" if hit.junk else "" if hit.relevant else "wrong"
        label = f"{rank}{verdict and f', {verdict}'}: {hit.id}, {hit.value:.4g}"
        picture = self._picture(hit.id)
        caption = element("span", element("bdi", hit.id), element("span", f"{hit.value:.4g}"), class_="caption")
        if picture is None:
            return element("li", *_sign(verdict), caption, class_=f"hit bare {verdict}".rstrip(), title=label)
        caption.set("aria-hidden", "true")  # the picture's label says it all
        drawn = _tile(picture, label)
        return element("li", drawn, *_sign(verdict), caption, class_=f"hit {verdict}".rstrip(), title=label)


def _section(key: str, heading: str, order: str, queries: map[Element], total: int) -> Element:
    drawn = list(queries)
    said = f"{len(drawn):,} of {counted(total, 'query')}, {order}."
    return part(key, heading, element("p", said, class_="quiet"), *drawn)


def _asked(name: str, picture: Thumbnail, box: CropBox | None) -> Element:
    drawn = _tile(picture, f"query {name}", _crop(box, picture) if box else None)
    return element("div", drawn, element("span", "query", class_="caption"), class_="asked", title=f"query {name}")


def _tile(picture: Thumbnail, label: str, box: Element | None = None) -> Element:
    drawn = element("span", class_=f"picture {picture.css_class}", role="img", aria_label=label)
    if box is not None:
        drawn.append(box)
    return element("span", drawn, class_="tile")


def _sign(verdict: str) -> list[Element]:
    if verdict == "wrong":
        return [element("b", "✗", class_="sign", role="img", aria_label="wrong")]
    return [element("b", verdict, class_="sign")] if verdict else []


def _crop(box: CropBox, picture: Thumbnail) -> Element | None:
    """Return the box over a picture, in percent of it so that it fits at any size; None without the picture's size."""
    if not (picture.width and picture.height):
        return None
    left, right = _edges(box[0], box[2], picture.width)
    top, bottom = _edges(box[1], box[3], picture.height)
    style = f"left:{left:.2f}%;top:{top:.2f}%;width:{right - left:.2f}%;height:{bottom - top:.2f}%"
    return element("span", class_="box", style=style)


def _edges(start: float, length: float, side: int) -> tuple[float, float]:
    return max(100 * start / side, 0.0), min(100 * (start + length) / side, 100.0)
