"""A collection from one store to another, of whatever kind, with its vectors as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from pixkin_proto.errors import CollectionExists, InvalidArgument, PixkinError, UnknownCollection

from pixkin_scoring.items import AddResult, Collection, Item
from pixkin_scoring.stores import Store
from pixkin_scoring.stores.keys import augmentation_key, derivation_key
from pixkin_scoring.stores.layout import IndexLayout

PAGE = 256
PAGE_BYTES = 8 << 20  # of vectors in one page

Told = Callable[[int], object]
Derived = Mapping[str, Mapping[str, bytes]]


@dataclass
class Copied:
    """What a copy came to.

    collection: the copy, described · written: items added or replaced · equal: items that were there already and the
    same · refused: what the target did not take.
    """

    collection: Collection
    written: int = 0
    equal: int = 0
    refused: list[AddResult] = field(default_factory=list)

    @property
    def others(self) -> int:
        """How many more items the copy has than were copied; below 0 when some are missing."""
        return self.collection.items - self.written - self.equal


def copy(
    source: Store,
    target: Store,
    name: str,
    *,
    new_name: str = "",
    layout: IndexLayout | None = None,
    resume: bool = False,
    told: Told = lambda _: None,
    deadline: float,
) -> Copied:
    """Copy a collection: descriptors with their fingerprints, items, thumbnails and vectors, bit for bit.

    A page of items is in memory at a time. What derived descriptors are computed by goes along, first; other
    attachments, which can be made again, are left behind.

    Args:
        source: the store of the collection.
        target: the store of the copy, which may be the same under a new name.
        name: the collection.
        new_name: the copy's name, that of the collection when empty.
        layout: of the copy, where the target is a cluster.
        resume: go on with a copy that is there: equal items are passed over, others replaced.
        told: is told how many more items are done.
        deadline: how long to wait for another writer, as in `Store.add`.

    Raises:
        UnknownCollection: the source has no such collection.
        CollectionExists: the target has one already and `resume` was not said, or it has other descriptors.
        InvalidArgument: the copy would be the collection itself, or was begun with another layout.
    """
    original = source.describe(name)
    derived = _derived(source, original)
    made = _made(target, original, derived, new_name or name, layout, resume=resume, same=source.name == target.name)
    made = _with_derived(target, original, derived, made, deadline)
    copied = Copied(made)
    wanted = _wanted(source, original, target if made.items else None, made.name, copied, told)
    for result in target.add(made.name, wanted, deadline=deadline):
        if result.error is None:
            copied.written += 1
        else:
            copied.refused.append(result)
        told(1)
    copied.collection = target.describe(made.name)
    return copied


def _made(
    target: Store,
    original: Collection,
    derived: Derived,
    name: str,
    layout: IndexLayout | None,
    *,
    resume: bool,
    same: bool,
) -> Collection:
    """The collection to fill: a new one, without derived descriptors, or that of a copy that was begun."""
    if same and name == original.name:
        raise InvalidArgument(f"{name} cannot be copied to itself; name another store, or another name")
    try:
        there = target.describe(name)
    except UnknownCollection:
        plain = [each for each in original.descriptors if each.name not in derived]
        return target.create(name, plain, thumbnails=original.thumbnails, layout=layout)
    if not resume:
        raise _exists(there, "go on with a copy that was interrupted with --resume, or choose another name")
    wanted, have = set(original.descriptors), set(there.descriptors)
    to_come = {each for each in wanted if each.name in derived and not there.items}
    if not wanted - to_come <= have <= wanted or there.thumbnails != original.thumbnails:
        raise _exists(there, "it is no copy of this one: its descriptors or thumbnails are others; choose another name")
    if layout is not None and not layout.described().items() <= dict(there.layout).items():
        raise InvalidArgument(
            f"the copy {name} was begun with another layout; leave the layout out, and change it with: "
            f"pixkin index reindex {name}"
        )
    return there


def _derived(source: Store, original: Collection) -> Derived:
    """Return the attachments that derived descriptors are computed by, by their names and keys."""
    found: dict[str, dict[str, bytes]] = {}
    for name in (descriptor.name for descriptor in original.descriptors if not descriptor.fingerprint):
        keys = derivation_key(name), augmentation_key(name)
        kept = {key: stored[0] for key in keys if (stored := source.get_attachment(original.name, key))}
        if kept:
            found[name] = kept
    return found


def _with_derived(
    target: Store, original: Collection, derived: Derived, made: Collection, deadline: float
) -> Collection:
    """Give the copy the derived descriptors that it lacks, and what they are computed by where that is another."""
    for descriptor in (each for each in original.descriptors if each.name in derived):
        kept = derived[descriptor.name]
        if descriptor not in made.descriptors:
            target.add_descriptor(made.name, descriptor, (), attachments=kept, deadline=deadline)
            continue
        for key, data in kept.items():
            there = target.get_attachment(made.name, key)
            if there is None or there[0] != data:
                target.put_attachment(made.name, key, data, deadline=deadline)
    return target.describe(made.name)


def _exists(there: Collection, todo: str) -> PixkinError:
    message = f"collection '{there.name}' is there already in {there.store}; {todo}"
    return PixkinError.rebuild(CollectionExists.reason, message, {"collection": there.name})


def _wanted(
    source: Store, original: Collection, target: Store | None, name: str, copied: Copied, told: Told
) -> Iterator[Item]:
    """Yield the items that the target lacks or has otherwise, and count the others."""
    for page in _pages(source, original):
        there = target.get(name, list(page), thumbnails=True, vectors=True) if target else {}
        for item in page.values():
            if item.id in there and _equal(item, there[item.id]):
                copied.equal += 1
                told(1)
            else:
                yield item


def _pages(source: Store, original: Collection) -> Iterator[Mapping[str, Item]]:
    """All items by id, page by page, whole."""
    size = sum(4 * descriptor.dim for descriptor in original.descriptors)
    after, most = "", max(1, min(PAGE, PAGE_BYTES // size))
    while page := source.list_items(original.name, (), size=most, after=after):
        after = page[-1].id
        yield source.get(original.name, [item.id for item in page], thumbnails=True, vectors=True)


def _equal(item: Item, other: Item) -> bool:
    return (
        replace(item, vectors={}) == replace(other, vectors={})
        and item.vectors.keys() == other.vectors.keys()
        and all(np.array_equal(vector, other.vectors[name]) for name, vector in item.vectors.items())
    )
