"""`pixkin open`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pixkin_server.cli import options as shared
from pixkin_server.cli.folders import may_be_removed, tell_what_was_left
from pixkin_server.cli.output import Progress, complain

if TYPE_CHECKING:
    from pixkin_proto.errors import PixkinError

    from pixkin_server.folders import Report

DISPLAYS = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")
MOST_REFUSALS = 5


@click.command(name="open")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--collection",
    metavar="NAME",
    help="Name of its collection, which may be one of your own.  [default: the one that open made, after the folder]",
)
@click.option(
    "--extractor",
    "wanted",
    multiple=True,
    metavar="NAME",
    help="What encodes the pictures; repeatable.  [default: efficientnet-lite0 and hsv-histogram]",
)
@click.option(
    "--labels-from-folders/--no-labels-from-folders",
    "labels",
    default=True,
    show_default=True,
    help="Label every new picture with the first folder of its path below FOLDER.",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), metavar="PORT", help="Port of the page.  [default: 7476, or a free one]"
)
@click.option("--no-browser", is_flag=True, help="Print the page's address and open no browser.")
@shared.all_of(shared.choice_options)
@shared.remove_missing
@shared.device
@shared.extractors
@shared.own_store
def open_folder(
    folder: Path,
    collection: str | None,
    wanted: tuple[str, ...],
    labels: bool,
    port: int | None,
    no_browser: bool,
    remove_missing: bool,
    store: str | None,
    **where: Any,
) -> None:
    """Search FOLDER by picture in the browser.

    Indexes the folder, or what is new in it, and serves it on this machine alone; what is in can be searched while the
    rest is indexed. The page shows the files themselves. Ends with Ctrl-C; the next time only what changed is read.

    Its collection is one that it made itself, in a store of your own outside FOLDER; labels that you gave stay as they
    are. Where many pictures are missing, or a folder has none left, as when a drive is not mounted, their items stay
    unless the answer is yes or --remove-missing says so.
    """
    import asyncio

    from pixkin_embedding.limits import FOLDER_LIMITS

    from pixkin_server.engine import Engine
    from pixkin_server.folders import find_gone, survey
    from pixkin_server.opening import Indexing, default_store, labelled_once, prepare
    from pixkin_server.serving import serve
    from pixkin_server.threads import sharing_cores

    settings = _settings(port, folder.resolve())
    place = store or default_store()
    found = labelled_once(survey(folder, labels_from_folders=labels, choice=shared.choice_from_options(where)))
    pictures = found.pictures
    with (
        sharing_cores(),
        Engine(place, limits=FOLDER_LIMITS, **where) as engine,
        Progress("pictures", len(pictures)) as bar,
    ):
        name = prepare(engine, collection, folder, wanted, _say)
        gone = find_gone(engine, name, found)
        leave = remove_missing or may_be_removed(gone, name)
        indexing = Indexing(engine, name, found, gone, remove_missing=leave, progress=bar, done=_tell)

        def started(url: str) -> None:
            indexing.start()
            page = f"{url}?collection={name}"
            many = "1 picture" if len(pictures) == 1 else f"{len(pictures):,} pictures"
            _say(f"{many} of {found.root}, collection {name} in {_full(place)}: {page}")
            if not no_browser:
                _show(page)

        try:
            asyncio.run(serve(engine, settings, _say, started=started))
        finally:
            indexing.stop()


def _full(store: str) -> str:
    """Return the whole path of a store that is a directory."""
    return store if "://" in store else str(Path(store).absolute())


def _settings(port: int | None, folder: Path) -> Any:
    from pixkin_server.http.settings import DEFAULT_ADDRESS, HttpSettings
    from pixkin_server.serving import ServerSettings

    address = DEFAULT_ADDRESS if port is None else f"127.0.0.1:{port}"
    http = HttpSettings(address, "--port PORT", chosen=port is not None, needed=True, originals=(folder,))
    return ServerSettings("127.0.0.1:0", writes=False, drain=0, http=http)  # nobody sends calls elsewhere


def _show(page: str) -> None:
    """Open the page in the user's browser, where there is a screen for one."""
    import webbrowser
    from threading import Thread

    if sys.platform == "darwin" or any(os.environ.get(name) for name in DISPLAYS):
        Thread(target=webbrowser.open, args=(page,), daemon=True).start()  # some browsers return when they are closed


def _say(line: str) -> None:
    complain(line)


def _tell(outcome: Report | PixkinError | None) -> None:
    from pixkin_proto.errors import PixkinError

    if outcome is None:
        _say("indexing stopped; what is in stays, and the next time it goes on from there")
        return
    if isinstance(outcome, PixkinError):
        complain(f"indexing ended: {outcome.message} [{outcome.reason}]; what is in can be searched")
        return
    counts = {"added": outcome.added, "replaced": outcome.replaced, "moved": outcome.moved, "removed": outcome.removed,
              "updated": outcome.updated, "unchanged": outcome.unchanged, "refused": len(outcome.refused)}  # fmt: skip
    _say(f"indexed: {', '.join(f'{count:,} {what}' for what, count in counts.items() if count) or 'nothing new'}")
    for each in outcome.refused[:MOST_REFUSALS]:
        complain(f"{each.id}: {each.error.message if each.error else ''}")
    if len(outcome.refused) > MOST_REFUSALS:
        complain(f"and {len(outcome.refused) - MOST_REFUSALS:,} more")
    tell_what_was_left(outcome)
