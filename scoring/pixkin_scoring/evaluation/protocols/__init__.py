"""The protocols. Each reads its ground truth into queries with judgements; reading PROTOCOLS is reading the list."""

from __future__ import annotations

from pixkin_proto.errors import InvalidArgument, listed
from pixkin_proto.suggestions import did_you_mean

from pixkin_scoring.evaluation.protocols.cifar import CIFAR
from pixkin_scoring.evaluation.protocols.holidays import HOLIDAYS
from pixkin_scoring.evaluation.protocols.labels import LABELS
from pixkin_scoring.evaluation.protocols.mirflickr import MIRFLICKR
from pixkin_scoring.evaluation.protocols.oxford import OXFORD
from pixkin_scoring.evaluation.protocols.protocol import Protocol
from pixkin_scoring.evaluation.protocols.revisited import REVISITED
from pixkin_scoring.evaluation.protocols.trec import TREC
from pixkin_scoring.evaluation.protocols.ukbench import UKBENCH

PROTOCOLS: dict[str, Protocol] = {}
"""All protocols by name."""


def register_protocol(protocol: Protocol) -> None:
    """Add a protocol."""
    PROTOCOLS[protocol.name] = protocol


def find_protocol(name: str) -> Protocol:
    """Return the protocol of a name. Raises InvalidArgument with the names that there are."""
    if name not in PROTOCOLS:
        raise InvalidArgument(
            f"there is no protocol '{name}'{did_you_mean(name, PROTOCOLS)}; choose from {listed(PROTOCOLS)}"
        )
    return PROTOCOLS[name]


for _protocol in (LABELS, OXFORD, REVISITED, CIFAR, MIRFLICKR, UKBENCH, HOLIDAYS, TREC):
    register_protocol(_protocol)
