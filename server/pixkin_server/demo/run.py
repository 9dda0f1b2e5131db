"""The demo, step by step."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

from pixkin_embedding.directory import ExtractorDirectory
from pixkin_embedding.encoder import Device
from pixkin_embedding.limits import FOLDER_LIMITS
from pixkin_export.exporting import export_model
from pixkin_proto.errors import CollectionExists, InvalidImage
from pixkin_scoring.plan import Plan
from pixkin_scoring.results import SearchResult

from pixkin_server.api import ExtractorChoice, Query
from pixkin_server.client import Client
from pixkin_server.demo.pictures import make_pictures
from pixkin_server.demo.process import running_server
from pixkin_server.engine import Engine
from pixkin_server.files import read_picture
from pixkin_server.folders import Report, sync_folder, walk

EXTRACTOR = "efficientnet-lite0"
SHOWN = 3
TOP = 5


def run_demo(
    folder: Path,
    store: str,
    images: Path | None,
    *,
    extractors: Path | None,
    device: Device,
    say: Callable[[str], None],
    show: Callable[[SearchResult], None],
    progress: Callable[[int, str], Callable[[int], None]],
) -> None:
    """Export the extractor, index pictures, start a server, search through it and tell how many hits were right.

    folder: where the demo's pictures are kept · images: the user's own folder in place of them · say, show, progress:
    where lines, results and progress go.
    """
    directory = ExtractorDirectory(extractors)
    if not any(extractor.name == EXTRACTOR for extractor in directory.list().values()):
        say(f"exporting {EXTRACTOR} to {export_model(EXTRACTOR, directory=directory.path)}")
    if images is None:
        say("making pictures from the photographs of scikit-image and scikit-learn")
        indexed, queries = make_pictures(folder)
        collection = "demo"
    else:
        indexed, queries, collection = images, [], "demo-own"
    report = _index(store, collection, indexed, extractors=extractors, device=device, progress=progress)
    say(f"collection {collection} in {store}: {report.added} added, {report.unchanged} unchanged")
    for refused in report.refused:
        say(f"  {refused.id}: {refused.error}")
    with running_server(store, extractors=extractors, device=device) as address, Client(address) as client:
        say(f"server on {address}, asked over gRPC\n")
        if images is None:
            _known_answers(client, collection, queries, say, show)
        else:
            _own_pictures(client, collection, say, show)
    say(_onwards(store, collection, indexed))


def _index(
    store: str, collection: str, folder: Path, *, extractors: Path | None, device: Device,
    progress: Callable[[int, str], Callable[[int], None]],
) -> Report:  # fmt: skip
    pictures = walk(folder, labels_from_folders=True)
    with Engine(store, extractors=extractors, device=device, limits=FOLDER_LIMITS) as engine:
        with contextlib.suppress(CollectionExists):  # the demo has run before
            engine.create(collection, [ExtractorChoice(EXTRACTOR)])
        return sync_folder(engine, collection, folder, pictures, progress=progress(len(pictures), "pictures"))


def _known_answers(
    client: Client, collection: str, queries: Sequence[Path], say: Callable[[str], None],
    show: Callable[[SearchResult], None],
) -> None:  # fmt: skip
    right = 0
    for number, file in enumerate(queries):
        query = Query(image=read_picture(file, FOLDER_LIMITS))
        result = client.search(collection, [query], Plan(size=TOP))
        right += sum(file.stem in hit.labels for hit in result.hits)
        if number < SHOWN:
            say(f"what looks like {file.name}, a picture that is not in the collection?")
            show(result)
            say("")
    share = right / (TOP * len(queries))
    say(f"{len(queries)} such queries: {right} of their {TOP * len(queries)} top hits show the same photograph")
    say(f"that is {share:.0%}")


def _own_pictures(
    client: Client, collection: str, say: Callable[[str], None], show: Callable[[SearchResult], None]
) -> None:
    items = client.list_items(collection, size=10_000)
    if not items:
        raise InvalidImage("corrupt", "none of the folder's pictures could be read")
    for item in items[:: max(1, len(items) // SHOWN)][:SHOWN]:
        say(f"what looks like {item.id}?")
        show(client.search(collection, [Query(id=item.id)], Plan(size=TOP)))
        say("")


def _onwards(store: str, collection: str, indexed: Path) -> str:
    some = next(path for path in indexed.rglob("*") if path.is_file())
    return f"""
Go on with a folder of your own:
  pixkin index create photos --extractor {EXTRACTOR}
  pixkin index add photos FOLDER
  pixkin search photos PICTURE
or with this one:
  pixkin search {collection} {some} --store {store}"""
