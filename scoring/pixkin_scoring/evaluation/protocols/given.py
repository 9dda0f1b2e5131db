"""What a protocol is given, checked: its ground truth, a level, queries, items."""

from __future__ import annotations

from pathlib import Path

from pixkin_proto.errors import InvalidArgument, listed

from pixkin_scoring.evaluation.protocols.protocol import Labels, Protocol, Reading


def check_given(reading: Reading, protocol: Protocol, *, takes_queries: bool = False) -> None:
    """Refuse what a protocol has no use for. Raises InvalidArgument."""
    if reading.ground_truth is not None and not protocol.ground_truth:
        raise InvalidArgument(
            f"{protocol.name} needs no --ground-truth: the collection says it all; leave out {reading.ground_truth}"
        )
    if reading.queries is not None and not takes_queries:
        raise InvalidArgument(f"{protocol.name} has its own queries; leave out those that are given")
    if reading.level and not protocol.levels:
        raise InvalidArgument(f"{protocol.name} has no levels of annotations; leave out '{reading.level}'")
    if reading.level and reading.level not in protocol.levels:
        raise InvalidArgument(f"{protocol.name} has no level '{reading.level}'; choose from {listed(protocol.levels)}")


def given_items(reading: Reading, protocol: Protocol) -> Labels:
    """Return the items of the database. Raises InvalidArgument when there is no collection at hand."""
    if reading.items is None:
        raise InvalidArgument(f"{protocol.name} needs a collection; a run file alone is rated by trec, with qrels")
    return reading.items


def given_file(reading: Reading, protocol: Protocol) -> Path:
    """Return the file that the ground truth is. Raises InvalidArgument."""
    path = _given(reading, protocol)
    if path.is_dir():
        raise InvalidArgument(f"{path} is a folder; --ground-truth of {protocol.name} is {protocol.ground_truth}")
    return path


def given_folder(reading: Reading, protocol: Protocol) -> Path:
    """Return the folder that the ground truth is, with something in it. Raises InvalidArgument."""
    path = _given(reading, protocol)
    if not path.is_dir():
        raise InvalidArgument(f"{path} is a file; --ground-truth of {protocol.name} is {protocol.ground_truth}")
    if not any(path.iterdir()):
        raise InvalidArgument(f"{path} is empty; --ground-truth of {protocol.name} is {protocol.ground_truth}")
    return path


def _given(reading: Reading, protocol: Protocol) -> Path:
    if reading.ground_truth is None:
        raise InvalidArgument(f"{protocol.name} needs --ground-truth: {protocol.ground_truth}")
    if not reading.ground_truth.exists():
        raise InvalidArgument(
            f"{reading.ground_truth} does not exist; --ground-truth of {protocol.name} is {protocol.ground_truth}"
        )
    return reading.ground_truth
