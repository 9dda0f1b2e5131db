"""The options that say how a collection's index is laid out in a cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from pixkin_server.cli.numbers import WHOLE
from pixkin_server.cli.options import all_of

if TYPE_CHECKING:
    from pixkin_scoring.stores.layout import IndexLayout

AUTO = "auto"
GRAPH = ("m", "ef_construction", "ef_search")


def _number_or_auto(ctx: click.Context, param: click.Parameter, text: str | None) -> int | str | None:
    return text if text in (None, AUTO) else int(WHOLE(text, param, ctx))


_NUMBER: dict[str, Any] = {"type": WHOLE, "metavar": "N"}
_NUMBER_OR_AUTO: dict[str, Any] = {"metavar": f"N|{AUTO}", "callback": _number_or_auto}
_SWITCH: dict[str, Any] = {"default": None}
# flag, kind, help, default
_OPTIONS = (
    ("--shards", _NUMBER, "OpenSearch: parts of the index, which nodes share.", "1"),
    ("--replicas", _NUMBER_OR_AUTO, "OpenSearch: copies of each shard; auto: one where there is a second node.", AUTO),
    ("--slices", _NUMBER, "OpenSearch: threads of a node that scan one shard.", "4"),
    ("--ann/--no-ann", _SWITCH,
     "OpenSearch with the k-NN plugin: an index of neighbours (HNSW) for --candidates approximate.", "no-ann"),
    ("--m", _NUMBER, "HNSW: links of a vector.", "16"),
    ("--ef-construction", _NUMBER, "HNSW: candidates while the index is built.", "100"),
    ("--ef-search", _NUMBER_OR_AUTO, "HNSW: candidates while it is searched; auto: as many as the depth.", AUTO),
    ("--lean/--whole", _SWITCH,
     "OpenSearch: keep vectors out of the stored source: less disk, but _update and _reindex by hand lose them.",
     "whole"),
)  # fmt: skip


def _layout(*, new: bool) -> Callable[[Any], Any]:
    """Return the options for a new index, whose help names the defaults, or for one that is there."""
    options: list[Callable[[Any], Any]] = [
        click.option(flag, **kind, help=f"{text}  [default: {default}]" if new else text)
        for flag, kind, text, default in _OPTIONS
    ]
    return all_of(options)


layout_options = _layout(new=True)
"""The options for the layout of a new collection."""
other_layout_options = _layout(new=False)
"""The options that change the layout of a collection that is there."""
twin_options = click.option(
    "--twin", "twins", multiple=True, metavar="D=NAME",
    help="The index of neighbours holds descriptor D shortened by the whitening NAME, which `pixkin whitening attach` "
    "has put; D= holds it whole again. May be repeated.",
)  # fmt: skip
"""The option that shortens the neighbours of a collection that is there."""
NAMES = ("shards", "replicas", "slices", "ann", "lean", *GRAPH)


def take_layout(options: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of IndexLayout that were given, taking all of its options out of `options`."""
    given = {name: options.pop(name) for name in NAMES}
    return {name: None if value == AUTO else value for name, value in given.items() if value is not None}


def changed_layout(layout: IndexLayout, given: dict[str, Any]) -> IndexLayout:
    """Return a layout with other values of some fields."""
    from dataclasses import replace

    changed = replace(layout, **given)
    graph = [f"--{name.replace('_', '-')}" for name in GRAPH if name in given]
    if graph and not changed.ann:
        raise click.UsageError(f"{', '.join(graph)}: there is no index of neighbours to shape without --ann")
    return changed


def twinned_layout(layout: IndexLayout, texts: Sequence[str], descriptors: Sequence[str]) -> IndexLayout:
    """Return a layout with other twins for the descriptors that are named. Raises UnknownDescriptor."""
    from dataclasses import replace

    from pixkin_proto.names import resolve_descriptor
    from pixkin_scoring.stores.layout import Twin

    named: dict[str, str] = {}
    for text in texts:
        descriptor, equals, whitening = text.partition("=")
        if not equals:
            raise click.UsageError(f"--twin: {text!r} is not DESCRIPTOR=WHITENING")
        named[resolve_descriptor(descriptor, descriptors)] = whitening
    if any(named.values()) and not layout.ann:
        raise click.UsageError("--twin: there is no index of neighbours to shape without --ann")
    others = [twin for twin in layout.twins if twin.descriptor not in named]
    return replace(layout, twins=(*others, *(Twin(*each) for each in named.items() if each[1])))


def new_layout(given: dict[str, Any]) -> IndexLayout | None:
    """Return the layout of a new collection, None when nothing of it was given."""
    from pixkin_scoring.stores.layout import IndexLayout

    return changed_layout(IndexLayout(), given) if given else None
