"""The demo, step by step."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Any, Protocol

from pixkin_embedding.directory import ExtractorDirectory
from pixkin_embedding.encoder import Device
from pixkin_embedding.limits import FOLDER_LIMITS
from pixkin_proto.errors import InvalidArgument, UnknownCollection
from pixkin_scoring.plan import Plan
from pixkin_scoring.results import SearchResult
from pixkin_scoring.stores import open_store

from pixkin_server.api import ExtractorChoice, Query
from pixkin_server.client import Client
from pixkin_server.demo.pictures import make_pictures, photographs
from pixkin_server.demo.process import running_server
from pixkin_server.engine import Engine
from pixkin_server.exported import export_missing
from pixkin_server.files import read_picture
from pixkin_server.folders import Report, find_gone, survey, sync_folder

EXTRACTOR = "efficientnet-lite0"
SHOWN = ("astronaut", "chelsea", "coffee")
TOP = 5


class Screen(Protocol):
    """Where the demo's lines, results and progress go."""

    def say(self, line: str) -> None:
        """Show a line of text."""

    def show(self, result: SearchResult) -> None:
        """Show ranked hits."""

    def progress(self, what: str, total: int) -> AbstractContextManager[Callable[[int], Any]]:
        """Show how far a long work is."""


@dataclass(frozen=True)
class Place:
    """Where a demo works: a store, a collection in it, and what computes its vectors.

    disposable: the store is the demo's own, so that what else is found in the collection may be thrown away · insecure:
    the store may be a cluster on another host by http.
    """

    store: str
    disposable: bool
    collection: str
    extractors: Path | None
    device: Device
    insecure: bool = False

    def engine(self) -> Engine:
        """Open the store for pictures of the user's own."""
        return Engine(
            self.store,
            extractors=self.extractors,
            device=self.device,
            limits=FOLDER_LIMITS,
            insecure=self.insecure,
        )


def run_demo(folder: Path, images: Path | None, place: Place, screen: Screen) -> None:
    """Export the extractor, index pictures, start a server, search through it and tell how many hits were right.

    folder: where the demo's pictures are kept · images: the user's own folder in place of them.
    """
    _check(place)
    if images is None:
        photographs()  # or the extra is missing, which is better said before the work than after it
    export_missing([EXTRACTOR], ExtractorDirectory(place.extractors), screen.say)
    indexed, queries = (images, []) if images else _known_pictures(folder, screen)
    _index(place, indexed, screen)
    with (
        running_server(
            place.store, extractors=place.extractors, device=place.device, insecure=place.insecure
        ) as address,
        Client(address) as client,
    ):
        screen.say(f"started a server on {address}; all searches go through it, over gRPC")
        if images:
            _own_pictures(client, place.collection, screen)
        else:
            _known_answers(client, place.collection, queries, screen)
    screen.say(_onwards(place, queries[0] if queries else None))


def _check(place: Place) -> None:
    """Raise what is wrong with the store before anything else takes its time."""
    with closing(open_store(place.store, insecure=place.insecure)) as store:
        store.check()


def _known_pictures(folder: Path, screen: Screen) -> tuple[Path, list[Path]]:
    screen.say("photographs of scikit-image and scikit-learn, each cropped, turned and lit in a dozen ways,")
    screen.say(f"are in {folder}; one of each is kept back to search with")
    return make_pictures(folder)


def _index(place: Place, folder: Path, screen: Screen) -> None:
    found = survey(folder, labels_from_folders=True)
    with place.engine() as engine:
        _make_collection(engine, place, str(folder.resolve()))
        with screen.progress("pictures", len(found.pictures)) as bar:
            gone = find_gone(engine, place.collection, found)  # the demo's own pictures, of which nothing is missed
            report = sync_folder(engine, place.collection, found, gone, remove_missing=True, progress=bar)
        if not engine.describe(place.collection).items:
            raise InvalidArgument(f"none of the pictures in {folder} can be read: {report.refused[0].error}")
    _tell(report, place, screen)


def _make_collection(engine: Engine, place: Place, root: str) -> None:
    """Make the demo's collection, anew when it was made from another folder or by another version's extractor."""
    with suppress(UnknownCollection):
        if _is_usable(engine, place.collection, root):
            return
        if not place.disposable:
            raise InvalidArgument(
                f"{place.store} has another collection {place.collection} already, which the demo leaves alone; name "
                f"another --store, or delete it with: pixkin index drop {place.collection} --store {place.store}"
            )
        engine.drop(place.collection)
    engine.create(place.collection, [ExtractorChoice(EXTRACTOR)])


def _is_usable(engine: Engine, name: str, root: str) -> bool:
    described = engine.describe(name)
    here = {extractor.fingerprint for extractor in engine.directory.list().values()}
    made_by = {each.extractor: each.fingerprint for each in described.descriptors if each.fingerprint}
    return set(described.roots) <= {root} and list(made_by) == [EXTRACTOR] and set(made_by.values()) <= here


def _tell(report: Report, place: Place, screen: Screen) -> None:
    screen.say(
        f"collection {place.collection} in {place.store}: {report.added} pictures added, "
        f"{report.unchanged} unchanged and not encoded again"
    )
    for refused in report.refused:
        screen.say(f"  left out {refused.id}: {refused.error}")


def _known_answers(client: Client, collection: str, queries: Sequence[Path], screen: Screen) -> None:
    right = 0
    for file in queries:
        query = Query(image=read_picture(file, FOLDER_LIMITS))
        result = client.search(collection, [query], Plan(size=TOP))
        right += sum(file.stem in hit.labels for hit in result.hits)
        if file.stem in SHOWN:
            screen.say(f"\nwhat looks like {file.name}, which is not in the collection?")
            screen.show(result)
    asked = TOP * len(queries)
    screen.say(
        f"\n{len(queries)} such searches: {right} of their {asked} best hits show the same photograph "
        f"({right / asked:.0%})"
    )


def _own_pictures(client: Client, collection: str, screen: Screen) -> None:
    items = client.list_items(collection, size=10_000)
    for item in items[:: max(1, len(items) // len(SHOWN))][: len(SHOWN)]:
        screen.say(f"\nwhat looks like {item.id}?")
        screen.show(client.search(collection, [Query(id=item.id)], Plan(size=TOP)))


def _onwards(place: Place, query: Path | None) -> str:
    store = f" --store {shlex.quote(place.store)}{' --insecure' if place.insecure else ''}"
    extractors = f" --extractors {shlex.quote(str(place.extractors))}" if place.extractors else ""
    # A store of the demo's own is for the demo's pictures; into one that was named the user's may go too.
    own = "" if place.disposable else store
    asked = shlex.quote(str(query)) if query else "PICTURE"
    pixkin = "pixkin" if which("pixkin") else shlex.quote(sys.argv[0])
    return f"""
Go on with a folder of your own, in the browser:
  {pixkin} open FOLDER{own}
or step by step:
  {pixkin} index create photos --extractor {EXTRACTOR}{own}
  {pixkin} index add photos FOLDER{own}
  {pixkin} search photos PICTURE{own}
or with this one, through a server too:
  {pixkin} search {place.collection} {asked}{store}{extractors}
  {pixkin} serve{store}{extractors}"""
