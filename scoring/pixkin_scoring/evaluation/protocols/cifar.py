"""CIFAR-10 and CIFAR-100: one class a picture; the test pictures against the training pictures, or leave-one-out."""

from __future__ import annotations

from pixkin_proto.errors import InvalidArgument, listed

from pixkin_scoring.evaluation.judgements import GroundTruth
from pixkin_scoring.evaluation.protocols.given import check_given, given_items
from pixkin_scoring.evaluation.protocols.labels import LABELS, judged_by_labels
from pixkin_scoring.evaluation.protocols.protocol import Labels, Protocol, Reading

SHAPE = "index CLASS/NNNN.png, one folder for each of the 10 or 100 classes, with --labels-from-folders"


def read_cifar(reading: Reading) -> GroundTruth:
    """Return the queries by their classes. Raises InvalidArgument unless each picture has one of 10 or 100 classes."""
    check_given(reading, CIFAR, takes_queries=True)
    items = given_items(reading, CIFAR)
    classes = _classes(items, "item")
    if len(classes) not in (10, 100):
        raise InvalidArgument(f"the collection has {len(classes)} classes, CIFAR 10 or 100; {SHAPE}")
    if reading.queries is not None:
        foreign = _classes(reading.queries.labels, "query") - classes
        if foreign:
            raise InvalidArgument(f"queries have classes that no item has: {listed(foreign)}; {SHAPE}")
    return judged_by_labels(items, reading.queries)


def _classes(labelled: Labels, noun: str) -> frozenset[str]:
    for name, labels in labelled.items():
        if len(labels) != 1:
            raise InvalidArgument(f"the {noun} {name} has {len(labels)} labels, CIFAR has one a picture; {SHAPE}")
    return frozenset().union(*labelled.values())


CIFAR = Protocol(
    name="cifar",
    read=read_cifar,
    summary="CIFAR-10 or CIFAR-100: relevant is what has the class of the query.",
    headline=LABELS.headline,
    measures=LABELS.measures,
    source="Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
)
