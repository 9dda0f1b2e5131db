"""Where queries come from that are not simply the items of the collection: --queries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pixkin_proto.errors import InvalidArgument
from pixkin_scoring.evaluation.judgements import JudgedQuery
from pixkin_scoring.evaluation.protocols.protocol import Labels, QuerySource
from pixkin_scoring.evaluation.protocols.trec import read_query_list

from pixkin_server.api import Service
from pixkin_server.folders import walk

PAGE = 10_000
COLLECTION = "collection:"
ITEM = "id:"


def labels_of(service: Service, collection: str, conditions: Sequence[str] = ()) -> dict[str, frozenset[str]]:
    """Return the labels of the items that fit, by id and in order of id."""
    return dict(_listed(service, collection, conditions))


def query_source(service: Service, collection: str, text: str) -> QuerySource:
    """Read --queries: a folder of pictures (a picture's class is its first folder), `collection:NAME`, or KEY=VALUE.

    KEY=VALUE are the items of the collection that fit; they are in no ranking then. A file is a list of queries, one a
    line: QID, then id:ITEM or the path of a picture. Raises InvalidArgument.
    """
    path = Path(text)
    if text.startswith(COLLECTION):
        return _of_collection(service, text.removeprefix(COLLECTION))
    if path.is_dir():
        return _of_folder(path)
    if path.is_file():
        return _of_list(path)
    if "=" in text:
        return _of_items(service, collection, text)
    raise InvalidArgument(
        f"--queries {text} is no folder of pictures and no list of queries; it may also be {COLLECTION}NAME, or "
        "KEY=VALUE for a part of the collection"
    )


def _of_collection(service: Service, name: str) -> QuerySource:
    labels = labels_of(service, name)
    return QuerySource(labels, lambda item: JudgedQuery(item, {}, item=item, collection=name))


def _of_folder(folder: Path) -> QuerySource:
    pictures = {picture.id: picture for picture in walk(folder, labels_from_folders=True)}
    labels = {name: picture.labels or frozenset() for name, picture in pictures.items()}
    return QuerySource(labels, lambda name: JudgedQuery(name, {}, picture=str(pictures[name].path)))


def _of_items(service: Service, collection: str, condition: str) -> QuerySource:
    labels = labels_of(service, collection, [condition])
    if not labels:
        raise InvalidArgument(
            f"no item of {collection} fits --queries {condition}; see: pixkin index list {collection}"
        )
    queries = frozenset(labels)
    return QuerySource(labels, lambda item: JudgedQuery(item, {}, item=item, removed=queries))


def _of_list(file: Path) -> QuerySource:
    listed = read_query_list(file)

    def query(name: str) -> JudgedQuery:
        text = listed[name]
        if text.startswith(ITEM):
            return JudgedQuery(name, {}, item=text.removeprefix(ITEM))
        return JudgedQuery(name, {}, picture=str(file.parent / text))

    return QuerySource(dict.fromkeys(listed, frozenset()), query)


def without_queries(items: Labels, source: QuerySource | None) -> Labels:
    """Return the labels of the items that are no queries: those that a ranking may contain."""
    if source is None:
        return items
    removed = frozenset().union(*(source.query(name).removed for name in list(source.labels)[:1]))
    return {item: labels for item, labels in items.items() if item not in removed}


def _listed(service: Service, collection: str, conditions: Sequence[str]) -> Iterator[tuple[str, frozenset[str]]]:
    after = ""
    while page := service.list_items(collection, conditions, size=PAGE, after=after):
        yield from ((item.id, item.labels) for item in page)
        after = page[-1].id
