"""What is written to a collection's index: adding, updating and removing items.

Every change names the state of the document that it was made for, so that of two writers none undoes the other's work
unseen, and a request that is sent again after a broken connection does no harm.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import Enum, auto

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.errors import InvalidInput, PixkinError, StoreUnavailable, UnknownItem
from pixkin_proto.kept import without_frames
from pixkin_proto.names import check_id

from pixkin_scoring.items import AddResult, Item, ItemUpdate
from pixkin_scoring.stores.checks import check_facts, check_item, check_root, id_taken
from pixkin_scoring.stores.opensearch.answers import refresh
from pixkin_scoring.stores.opensearch.bulk import Action, Answer, patient, send
from pixkin_scoring.stores.opensearch.connection import Connection
from pixkin_scoring.stores.opensearch.documents import changed_facts, to_document, to_item
from pixkin_scoring.stores.opensearch.faults import item_error
from pixkin_scoring.stores.opensearch.index import Index
from pixkin_scoring.stores.opensearch.neighbours import Space
from pixkin_scoring.stores.opensearch.reading import WITHOUT_VECTORS, Known, get_documents, get_items, possible
from pixkin_scoring.stores.opensearch.twins import spaces_of

MAX_TRIES = 10
"""How often a change is made anew because another writer was faster."""
OK, GONE = 300, 404
Vectors = Sequence[NDArray[np.float32]]


class Step(Enum):
    """How a change went that takes several requests, or none."""

    DONE = auto()
    NOTHING = auto()
    OVERTAKEN = auto()
    """Another writer changed the item in between, so that it must be made anew."""


Outcome = Action | Answer | Step | PixkinError


def add_batch(
    connection: Connection, index: Index, batch: Sequence[Item | AddResult], *, deadline: float
) -> list[AddResult]:
    """Add or replace the items of a batch; results that came among them stay in their places."""
    results: dict[int, AddResult] = {}
    waiting: list[tuple[int, Item, Vectors]] = []
    for place, entry in enumerate(batch):
        if isinstance(entry, AddResult):
            results[place] = entry
            continue
        try:
            waiting.append((place, entry, check_item(entry, index.schema.descriptors)))
        except PixkinError as error:
            results[place] = AddResult(entry.id, "refused", error)
    while waiting:
        # An id that comes twice is written twice, one after the other.
        first = {entry[1].id: entry for entry in reversed(waiting)}
        waiting = [entry for entry in waiting if first[entry[1].id] is not entry]
        results.update(_add_different(connection, index, list(first.values()), deadline))
    return [results[place] for place in range(len(batch))]


def _add_different(
    connection: Connection, index: Index, entries: list[tuple[int, Item, Vectors]], deadline: float
) -> dict[int, AddResult]:
    results: dict[int, AddResult] = {}
    there_first: dict[str, bool] = {}
    for _ in range(MAX_TRIES):
        ids = [item.id for _, item, _ in entries]
        known = known_documents(connection, index, ids, deadline, includes=["root"])
        there_first = {item: item in known for item in ids} | there_first
        spaces = spaces_of(connection, index, deadline=patient(deadline))
        sent: list[tuple[int, Item, Vectors]] = []
        actions: list[Action] = []
        for place, item, vectors in entries:
            try:
                actions.append(_adding(item, vectors, index, spaces, known.get(item.id)))
                sent.append((place, item, vectors))
            except PixkinError as error:
                results[place] = AddResult(item.id, "refused", error)
        answers = send(connection, index.door or index.name, actions, deadline=deadline) if actions else []
        for (place, item, _), answer in zip(sent, answers, strict=True):
            if not answer.conflict:
                results[place] = _added(item, answer, replaced=there_first[item.id])
        entries = [entry for entry, answer in zip(sent, answers, strict=True) if answer.conflict]
        if not entries:
            return results
    return results | {place: AddResult(item.id, "refused", _overtaken(item.id)) for place, item, _ in entries}


def _adding(item: Item, vectors: Vectors, index: Index, spaces: Mapping[str, Space], known: Known | None) -> Action:
    document = to_document(item, vectors, index.schema, spaces)
    if known is None:
        return Action("create", item.id, document)
    check_root(item, known.source.get("root", ""))
    return Action("index", item.id, document, known.seen)


def _added(item: Item, answer: Answer, *, replaced: bool) -> AddResult:
    refusal = _refusal(answer)
    return (
        AddResult(item.id, "refused", refusal) if refusal else AddResult(item.id, "replaced" if replaced else "added")
    )


def update_items(
    connection: Connection, index: Index, updates: Iterable[ItemUpdate], *, deadline: float
) -> list[AddResult]:
    """Change items; returns what changed and what was refused, in the order of the updates."""
    results: list[AddResult] = []
    for group in _independent(updates):
        results += _update_group(connection, index, group, deadline)
    return results


def _update_group(connection: Connection, index: Index, group: list[ItemUpdate], deadline: float) -> list[AddResult]:
    results: dict[int, AddResult] = {}
    waiting = dict(enumerate(group))
    sent: set[int] = set()
    for _ in range(MAX_TRIES):
        known = known_documents(connection, index, [each.id for each in waiting.values()], deadline, whole=True)
        steps = {
            place: _attempted(connection, index, update, known.get(update.id), deadline)
            for place, update in waiting.items()
        }
        actions = {place: step for place, step in steps.items() if isinstance(step, Action)}
        answers = send(connection, index.name, list(actions.values()), deadline=deadline) if actions else []
        outcomes: dict[int, Outcome] = {**steps, **dict(zip(actions, answers, strict=True))}
        waiting = {place: group[place] for place, outcome in outcomes.items() if _is_overtaken(outcome)}
        for place in outcomes.keys() - waiting.keys():
            result = _updated(group[place], outcomes[place], repeated=place in sent)
            results.update({place: result} if result else {})
        sent |= actions.keys()
        if not waiting:
            break
    for place, update in waiting.items():
        results[place] = AddResult(update.id, "refused", _overtaken(update.id))
    return [results[place] for place in sorted(results)]


def _attempted(
    connection: Connection, index: Index, update: ItemUpdate, known: Known | None, deadline: float
) -> Action | Step | PixkinError:
    """Return what `_changing` returns, or why the update is refused; raise what keeps the cluster from any."""
    try:
        return _changing(connection, index, update, known, deadline)
    except (InvalidInput, UnknownItem) as error:
        return without_frames(error)


def _is_overtaken(outcome: Outcome) -> bool:
    return outcome is Step.OVERTAKEN or (isinstance(outcome, Answer) and outcome.conflict)


def known_documents(
    connection: Connection,
    index: Index,
    ids: Iterable[str],
    deadline: float,
    *,
    includes: Sequence[str] = (),
    whole: bool = False,
) -> dict[str, Known]:
    """Return the documents that a change is made for, with the patience of a write.

    Without `includes` they come without vectors and thumbnail; `whole` says that these will be read as well.
    """
    end = patient(deadline)
    known = get_documents(
        connection,
        index,
        ids,
        includes=includes,
        excludes=() if includes else [*WITHOUT_VECTORS, "thumbnail"],
        deadline=end,
        retry_seconds=end - time.monotonic(),
    )
    if index.schema.layout.lean and whole:
        # The vectors will be read by a search, which sees what is refreshed: then no older state than `known`.
        refresh(connection, index.name, end)
    return known


def _changing(
    connection: Connection, index: Index, update: ItemUpdate, known: Known | None, deadline: float
) -> Action | Step:
    """Return the action of an update, or how it went where it takes several, as a change of id does."""
    if known is None:
        raise UnknownItem(index.collection, update.id)
    old = to_item(known.source, index.schema)
    new = update.applied_to(old)
    if new == old:
        return Step.NOTHING
    check_facts(new)
    if new.id != old.id:
        check_id(new.id)
        return _rename(connection, index, old.id, new, known, deadline)
    if index.schema.layout.lean:
        return Action("index", new.id, _whole(connection, index, old.id, new, deadline), known.seen)
    return Action("update", new.id, {"doc": changed_facts(old, new)}, known.seen)


def _rename(connection: Connection, index: Index, old: str, new: Item, known: Known, deadline: float) -> Step:
    """Write the item under its new id, then delete the old one: an accident in between leaves two, not none."""
    if get_items(connection, index, [new.id], deadline=patient(deadline)):
        raise id_taken(new.id)
    document = _whole(connection, index, old, new, deadline)
    [made] = send(connection, index.name, [Action("create", new.id, document)], deadline=deadline)
    # A conflict with the very same item is with our own request, sent again because its answer was lost.
    if made.conflict and get_items(connection, index, [new.id], deadline=patient(deadline)).get(new.id) != new:
        raise id_taken(new.id)
    if made.status >= OK and not made.conflict:
        raise item_error(made.status, made.error or {})
    [gone] = send(connection, index.name, [Action("delete", old, seen=known.seen)], deadline=deadline)
    # The same here: an item that is gone was deleted by the request before.
    if gone.status < OK or (gone.conflict and not known_documents(connection, index, [old], deadline)):
        return Step.DONE
    send(connection, index.name, [Action("delete", new.id)], deadline=deadline)
    if gone.conflict:
        return Step.OVERTAKEN
    raise item_error(gone.status, gone.error or {})


def _whole(connection: Connection, index: Index, old: str, new: Item, deadline: float) -> dict[str, object]:
    """Return the whole document of a changed item, with the vectors and the thumbnail that are stored."""
    stored = get_items(connection, index, [old], thumbnails=True, vectors=True, deadline=patient(deadline))
    if old not in stored:
        raise UnknownItem(index.collection, old)
    item = replace(new, vectors=stored[old].vectors, thumbnail=stored[old].thumbnail)
    spaces = spaces_of(connection, index, deadline=patient(deadline))
    return to_document(item, check_item(item, index.schema.descriptors), index.schema, spaces)


def _updated(update: ItemUpdate, outcome: Outcome, *, repeated: bool) -> AddResult | None:
    """Return the result of an update, None for one that changes nothing.

    repeated: it was sent before, so that there is nothing to change because a request whose answer was lost did it.
    """
    refusal = _refusal(outcome) if isinstance(outcome, Answer) else outcome
    if isinstance(refusal, PixkinError):
        return AddResult(update.id, "refused", refusal)
    return None if refusal is Step.NOTHING and not repeated else AddResult(update.id, "updated")


def _refusal(answer: Answer) -> PixkinError | None:
    """Return why the cluster does not take an item; raise what keeps it from taking any."""
    if answer.status < OK:
        return None
    error = item_error(answer.status, answer.error or {})
    if isinstance(error, InvalidInput):
        return error
    raise error


def remove_items(connection: Connection, index: Index, ids: Iterable[str], *, deadline: float) -> list[str]:
    """Remove items; returns the ids that were there, each once."""
    wanted = possible(ids)
    known = known_documents(connection, index, wanted, deadline, includes=["id"])
    there = [item for item in wanted if item in known]
    answers = (
        send(connection, index.name, [Action("delete", item) for item in there], deadline=deadline) if there else []
    )
    for answer in answers:
        if answer.status >= OK and answer.status != GONE:
            raise item_error(answer.status, answer.error or {})
    return there


def _independent(updates: Iterable[ItemUpdate]) -> Iterator[list[ItemUpdate]]:
    """Split updates into groups in which no id comes twice, old or new."""
    group: list[ItemUpdate] = []
    touched: set[str] = set()
    for update in updates:
        ids = {update.id, update.id if update.new_id is None else update.new_id}
        if touched & ids or len(group) == 1000:
            yield group
            group, touched = [], set()
        group.append(update)
        touched |= ids
    if group:
        yield group


def _overtaken(item: str) -> StoreUnavailable:
    return StoreUnavailable(f"item {item!r} was changed by another writer {MAX_TRIES} times in a row; try again")
