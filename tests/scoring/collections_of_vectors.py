"""A collection of two descriptors, and the text of every stage with what it cannot be without."""

from __future__ import annotations

import math

import numpy as np
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.whitening import Whitening, whitening_key, whitening_to_bytes
from pixkin_scoring.items import Item
from pixkin_scoring.neighbour_graph import keep_graph
from pixkin_scoring.rerankers.reranker import Reranker
from pixkin_scoring.stores import Store

SIGNED = Descriptor("signed", 16)
MASS = Descriptor("mass", 12, non_negative=True, default_measure="chi2")
NAME = "sample"
"""What a required option is given."""
COLOURS = ("red", "green", "blue")


def text_of(reranker: Reranker) -> str:
    """Return a reranker as a plan names it."""
    given = ",".join(f"{key}={NAME}" for key, option in reranker.options.items() if option.required)
    return f"{reranker.name}:{given}" if given else reranker.name


def whitening(descriptor: Descriptor) -> Whitening:
    """Return a whitening that stretches the axes."""
    variances = np.geomspace(2, 0.5, descriptor.dim)
    return Whitening(np.full(descriptor.dim, 0.01), np.eye(descriptor.dim), variances, "", descriptor.name)


def items(count: int) -> list[Item]:
    """Return items i0000, i0001 and so on, in three clusters.

    Every tenth is a copy of the one before, half of the histograms have an empty bin, and one has nothing but these.
    """
    draw = np.random.default_rng(11)
    centres = draw.normal(size=(3, SIGNED.dim)), draw.gamma(0.6, size=(3, MASS.dim))
    made: list[Item] = []
    for number in range(count):
        signed = centres[0][number % 3] + draw.normal(size=SIGNED.dim)
        mass = centres[1][number % 3] * draw.gamma(3, size=MASS.dim)
        if number % (2 * MASS.dim) < MASS.dim:
            mass[number % MASS.dim] = 0
        vectors = {"signed": signed.astype(np.float32), "mass": mass.astype(np.float32)}
        if number == 17:
            vectors["mass"][:] = 0
        if number % 10 == 9:
            vectors = dict(made[-1].vectors)
        labels = frozenset({COLOURS[number % 3]} if number % 4 else set())
        made.append(Item(f"i{number:04}", vectors, labels=labels, attributes={"number": float(number)}))
    return made


def fill(store: Store, name: str, count: int) -> None:
    """Make the collection, with an attachment for every stage that can use one."""
    store.create(name, [SIGNED, MASS])
    assert {result.state for result in store.add(name, items(count), deadline=math.inf)} <= {"added"}
    for descriptor in (SIGNED,):
        store.put_attachment(name, whitening_key(NAME), whitening_to_bytes(whitening(descriptor)), deadline=math.inf)
    for descriptor in (SIGNED, MASS) if count else ():
        keep_graph(store, name, descriptor, descriptor.default_measure, 20, deadline=math.inf)
